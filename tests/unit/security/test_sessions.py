"""Sessions of browsers: secrets, ends, bounds, on a clock that the tests move."""

from __future__ import annotations

import hashlib
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.errors import ConfigError
from scrollintel.security.access import Binding, Identity, IdentityKind, Role
from scrollintel.security.sessions import MAX_SECONDS, SessionLimits, Sessions, csrf_of, digest_of

LIMITS = SessionLimits(idle=100.0, lifetime=1000.0, total=5, per_identity=3)


def person(name: str) -> Identity:
    """Return somebody."""
    return Identity(name, IdentityKind.TOKEN, bindings=(Binding(Role.VIEWER, ("*",)),))


def test_session_secret_is_256_random_bits_of_which_a_hash_is_kept() -> None:
    """Secrets never repeat, and nothing that is kept holds one, or what is shown beside it."""
    sessions = Sessions(SessionLimits())
    secrets = [sessions.open(person(f"p{number}"), 0.0)[0] for number in range(1000)]
    assert len(set(secrets)) == 1000
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", secret) for secret in secrets)
    session = sessions.find(secrets[0], 1.0)
    assert session is not None and session.digest == hashlib.sha256(secrets[0].encode()).digest()
    kept = pickle.dumps([(session.digest, session.began, session.used) for session in sessions._sessions.values()])
    assert not any(text.encode() in kept for secret in secrets for text in (secret, csrf_of(secret)))
    assert secrets[0] not in repr(session) and session.digest.hex() not in repr(session)


def test_session_csrf_differs_from_secret_and_from_others() -> None:
    """It is derived, always the same, and no part of the secret or its hash."""
    one, two = "a" * 43, "b" * 43
    assert csrf_of(one) == csrf_of(one) != csrf_of(two)
    assert csrf_of(one) not in (one, digest_of(one).hex())


@pytest.mark.parametrize("secret", ["", "x", "a" * 43, "a" * 42, "a" * 100_000, "\ud800" * 43])
def test_session_of_an_unknown_secret_is_none(secret: str) -> None:
    """Whatever was sent."""
    sessions = Sessions(LIMITS)
    sessions.open(person("ada"), 0.0)
    assert sessions.find(secret, 1.0) is None


def test_session_ends_when_idle_and_lives_on_with_requests() -> None:
    """Each active request begins the time anew; to the second."""
    sessions = Sessions(LIMITS)
    secret, session = sessions.open(person("ada"), 0.0)
    assert sessions.find(secret, 99.9) is not None
    assert sessions.ends(session) == (199.9, 1000.0)
    assert sessions.find(secret, 199.8) is not None
    assert sessions.find(secret, 299.8) is None
    assert sessions.find(secret, 100.0) is None
    assert len(sessions) == 0


def test_session_is_not_kept_alive_by_what_asks_by_itself() -> None:
    """Neither an inactive request nor a look whether it lives counts."""
    sessions = Sessions(LIMITS)
    secret, session = sessions.open(person("ada"), 0.0)
    for now in (30.0, 60.0, 99.0):
        assert sessions.find(secret, now, active=False) is not None
        assert sessions.lives(session.digest, now)
    assert not sessions.lives(session.digest, 100.0)
    assert sessions.find(secret, 100.0, active=False) is None


def test_session_ends_after_its_lifetime_whatever_happens() -> None:
    """Activity does not put the last end off."""
    sessions = Sessions(LIMITS)
    secret, session = sessions.open(person("ada"), 0.0)
    for now in range(50, 1000, 50):
        assert sessions.find(secret, float(now)) is not None
    assert sessions.ends(session) == (1000.0, 1000.0)
    assert sessions.find(secret, 1000.0) is None


def test_session_that_was_closed_is_gone() -> None:
    """Closing again finds nothing."""
    sessions = Sessions(LIMITS)
    secret, session = sessions.open(person("ada"), 0.0)
    assert sessions.close(session.digest) is session
    assert sessions.close(session.digest) is None
    assert sessions.find(secret, 1.0) is None


def test_sessions_beyond_the_bound_drop_the_one_idle_longest() -> None:
    """Whoever asked last stays; what was dropped is counted."""
    sessions = Sessions(LIMITS)
    secrets = [sessions.open(person(f"p{number}"), float(number))[0] for number in range(5)]
    assert sessions.find(secrets[0], 10.0) is not None
    sessions.open(person("p5"), 11.0)
    alive = [sessions.find(secret, 12.0, active=False) is not None for secret in secrets]
    assert alive == [True, False, True, True, True]
    assert (len(sessions), sessions.dropped) == (5, 1)


def test_sessions_of_one_identity_do_not_drive_out_others() -> None:
    """Somebody who opens many loses their own oldest ones."""
    sessions = Sessions(LIMITS)
    other, _ = sessions.open(person("bob"), 0.0)
    own = [sessions.open(person("ada"), 1.0 + number)[0] for number in range(20)]
    assert sessions.find(other, 30.0) is not None
    assert [sessions.find(secret, 30.0) is not None for secret in own] == [False] * 17 + [True] * 3
    assert sessions.dropped == 17


def test_sessions_that_ended_make_room_before_anybody_is_dropped() -> None:
    """A full table of ended sessions costs nobody a session."""
    sessions = Sessions(LIMITS)
    for number in range(5):
        sessions.open(person(f"p{number}"), 0.0)
    sessions.open(person("ada"), 100.0)
    assert (len(sessions), sessions.dropped) == (1, 0)


@given(st.lists(st.tuples(st.sampled_from(["open", "find", "idle", "close", "sweep"]), st.integers(0, 5)), max_size=60))
def test_sessions_stay_within_bounds_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """Both tables agree, no bound is broken, and nothing is found that has ended."""
    sessions, secrets, now = Sessions(LIMITS), [""], 0.0
    for step, number in steps:
        now += number * 17.0
        secret = secrets[number % len(secrets)]
        if step == "open":
            secrets.append(sessions.open(person(f"p{number % 2}"), now)[0])
        elif step in ("find", "idle"):
            found = sessions.find(secret, now, active=step == "find")
            assert found is None or now < sessions.ends(found)[0] or step == "find"
        elif step == "close":
            sessions.close(digest_of(secret))
        else:
            sessions.sweep(now)
        assert len(sessions) <= LIMITS.total
        by_identity = {name: set(own) for name, own in sessions._of.items()}
        assert all(1 <= len(own) <= LIMITS.per_identity for own in by_identity.values())
        assert set(sessions._sessions) == {digest for own in by_identity.values() for digest in own}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"idle": 59.0}, "idle"),
        ({"idle": float("nan")}, "idle"),
        ({"idle": MAX_SECONDS + 1, "lifetime": MAX_SECONDS + 1}, "idle"),
        ({"idle": 600.0, "lifetime": 599.0}, "lifetime"),
        ({"lifetime": float("inf")}, "lifetime"),
        ({"total": 0}, "total"),
        ({"per_identity": 0}, "per_identity"),
    ],
)
def test_session_limits_out_of_range_are_refused(wrong: dict[str, float], field: str) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError) as caught:
        SessionLimits(**wrong)  # type: ignore[arg-type]  # that is the point
    assert [violation.field for violation in caught.value.violations] == [field]
