"""API tokens: their look, their records, the index and the rule about the last administrator."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.errors import ConfigError
from scrollintel.security.access import Binding, Permission, Role
from scrollintel.security.tokens import (
    TOKEN_LENGTH,
    TOKEN_PATTERN,
    TokenIndex,
    TokenRecord,
    Verdict,
    digest,
    issue,
    leaves_no_admin,
    looks_like_token,
    mint,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VIEWER = Binding(Role.VIEWER, ("orders",))
ADMIN = Binding(Role.ADMIN, ("*",))


def test_mint_text_is_recognised_and_never_repeats() -> None:
    """Every minted text has the known look, and a thousand of them differ."""
    minted = [mint() for _ in range(1000)]
    assert len({token.text for token in minted}) == len({token.id for token in minted}) == 1000
    for token in minted:
        assert re.fullmatch(TOKEN_PATTERN, token.text)
        assert len(token.text) == TOKEN_LENGTH == 53
        assert looks_like_token(token.text)
        assert re.fullmatch("tok_[0-9a-f]{16}", token.id)
        assert token.digest == hashlib.sha256(token.text.encode()).hexdigest()


def test_minted_token_repr_hides_text_and_digest() -> None:
    """A token that lands in a log by mistake gives nothing away."""
    minted = mint()
    assert minted.text[4:] not in repr(minted)
    assert minted.digest not in repr(minted)


@given(st.data())
def test_looks_like_token_with_one_character_changed_is_false(data: st.DataObject) -> None:
    """A CRC finds every single change, so a typing mistake is named as such."""
    text = mint().text
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789ABCXYZabcxyz_-"))
    other = "." if other == text[at] else other
    assert not looks_like_token(text[:at] + other + text[at + 1 :])


@given(st.text(max_size=80))
def test_looks_like_token_of_any_text_never_raises(text: str) -> None:
    """Whatever a header holds gets an answer, lone surrogates and other scripts included."""
    assert looks_like_token(text) is False
    assert TokenIndex().authenticate(text, NOW) is None
    assert len(digest(text)) == 64


def test_index_accepts_the_token_until_it_expires() -> None:
    """A token works from the start to just before its end, 90 days later unless said otherwise."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW, subject="ada")
    index = TokenIndex([record])
    identity = index.authenticate(minted.text, NOW)
    assert identity is not None
    assert (identity.id, identity.subject, identity.expires_at) == (record.id, "ada", NOW + timedelta(days=90))
    assert identity.allows(Permission.CIRCUITS_READ, "orders")
    assert not identity.allows(Permission.CIRCUITS_OPERATE, "orders")
    assert index.authenticate(minted.text, record.expires_at - timedelta(microseconds=1)) is identity
    assert index.examine(minted.text, record.expires_at) == Verdict(None, "expired", record.id)


def test_index_revoked_token_is_refused_at_once() -> None:
    """Revoking takes effect with the record, whatever clock the revoking machine had."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    index = TokenIndex([record])
    assert index.authenticate(minted.text, NOW) is not None
    index.put(replace(record, revoked_at=NOW + timedelta(days=1)))
    assert index.examine(minted.text, NOW) == Verdict(None, "revoked", record.id)
    assert index.authenticate(minted.text, NOW) is None


def test_index_changed_bindings_apply_to_the_next_request() -> None:
    """A new record replaces the identity that was made from the old one."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    index = TokenIndex([record])
    index.put(replace(record, bindings=(Binding(Role.OPERATOR, ("orders",)),)))
    identity = index.authenticate(minted.text, NOW)
    assert identity is not None and identity.allows(Permission.CIRCUITS_OPERATE, "orders")


def test_index_replaced_digest_no_longer_opens() -> None:
    """A token that gets a new text under the same id loses the old text."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    fresh = mint()
    index = TokenIndex([record])
    index.put(replace(record, digest=fresh.digest))
    assert index.authenticate(minted.text, NOW) is None
    assert index.authenticate(fresh.text, NOW) is not None
    assert len(index.records()) == 1


@pytest.mark.parametrize("text", ["", "sit_", "sit_" + "0" * 49, "x" * 53, "sit_" + "0" * 100_000])
def test_index_malformed_token_is_named_as_such(text: str) -> None:
    """The audit record can tell a mistyped token from one that was never issued."""
    assert TokenIndex().examine(text, NOW) == Verdict(None, "malformed", None)
    assert TokenIndex().examine(mint().text, NOW) == Verdict(None, "unknown", None)


def test_index_digest_of_a_token_is_not_a_token() -> None:
    """Who steals the table of digests cannot sign in with them."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    assert TokenIndex([record]).authenticate(minted.digest, NOW) is None


def test_index_removed_token_is_unknown() -> None:
    """A token whose record is gone is like one that never was; removing twice is harmless."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    index = TokenIndex([record])
    index.remove(record.id)
    index.remove(record.id)
    assert index.examine(minted.text, NOW).reason == "unknown"
    assert index.records() == ()


def test_index_use_is_noted_and_taken_once() -> None:
    """Only accepted tokens count as used, with their last time, and a flush empties the list."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    _, other = issue(name="other", bindings=[VIEWER], now=NOW)
    expired, old = issue(name="old", bindings=[VIEWER], now=NOW, lifetime=timedelta(seconds=1))
    index = TokenIndex([record, other, old])
    later = NOW + timedelta(minutes=5)
    index.authenticate(minted.text, NOW)
    index.authenticate(minted.text, later)
    index.authenticate(expired.text, later)
    assert {known.name: known.last_used_at for known in index.records()} == {"ci": later, "other": None, "old": None}
    assert index.take_used() == {record.id: later}
    assert index.take_used() == {}


def test_index_uses_from_many_threads_are_not_lost() -> None:
    """Flushing while others authenticate loses no use."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW)
    index = TokenIndex([record])
    seen: list[datetime] = []
    threads = [
        threading.Thread(
            target=lambda: [index.authenticate(minted.text, NOW + timedelta(seconds=step)) for step in range(200)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen += index.take_used().values()
    seen += index.take_used().values()
    assert max(seen) == NOW + timedelta(seconds=199)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=-1), timedelta(days=367), timedelta.max])
def test_issue_with_a_lifetime_out_of_range_is_refused(lifetime: timedelta) -> None:
    """No token lives longer than a year, and none is dead at birth."""
    with pytest.raises(ConfigError, match="expires_at"):
        issue(name="ci", bindings=[VIEWER], now=NOW, lifetime=lifetime)


def test_record_with_several_mistakes_reports_each_and_no_secret() -> None:
    """A token's text passed as its digest is refused and does not appear in the error."""
    text = mint().text
    with pytest.raises(ConfigError) as caught:
        TokenRecord("7", " ", text, "a\nb", (), NOW, NOW)
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["id", "name", "digest", "subject", "bindings", "expires_at"]
    assert text not in str(caught.value)


def test_record_repr_leaves_digest_and_subject_out() -> None:
    """A logged record shows neither what is compared nor a person."""
    minted, record = issue(name="ci", bindings=[VIEWER], now=NOW, subject="ada@example.com")
    assert minted.digest not in repr(record)
    assert "ada" not in repr(record)


def test_leaves_no_admin_counts_only_working_tokens_for_everything() -> None:
    """Expired, revoked and narrow administrators do not keep the door open."""
    _, only = issue(name="only", bindings=[ADMIN], now=NOW)
    _, expired = issue(name="expired", bindings=[ADMIN], now=NOW - timedelta(days=90))
    _, revoked = issue(name="revoked", bindings=[ADMIN], now=NOW)
    _, narrow = issue(name="narrow", bindings=[Binding(Role.ADMIN, ("orders",))], now=NOW)
    _, auditor = issue(name="auditor", bindings=[Binding(Role.AUDITOR, ("*",))], now=NOW)
    tokens = [only, expired, replace(revoked, revoked_at=NOW), narrow, auditor]
    assert leaves_no_admin(tokens, only.id, NOW)
    assert not leaves_no_admin(tokens, narrow.id, NOW)
    _, second = issue(name="second", bindings=[VIEWER, ADMIN], now=NOW)
    assert not leaves_no_admin([*tokens, second], only.id, NOW)
