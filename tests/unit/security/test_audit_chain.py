"""Audit records have one canonical form, and each is bound to the one before."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest

from scrollintel.security.audit_chain import (
    START,
    Chain,
    ChainHead,
    canonical,
    canonical_json,
    digest,
    timestamp,
)
from scrollintel.security.secret_digest import Secret, SecretDigest
from tests.unit.security.audit_logs import EPOCH, LOG_ID, entry

KEY = bytes(range(32))


def test_canonical_of_a_known_entry_is_the_documented_text() -> None:
    """The canonical bytes and the hash of a record never change between releases."""
    item = entry(
        action="circuit.reset",
        target="zahlung",
        actor="local",
        outcome="allowed",
        at=EPOCH,
        service=None,
        reason="é\n",
        request_id=None,
        before={"b": 1.0, "a": None},
        after=None,
    )
    body = canonical(item, sequence=7, previous_hash=bytes(31) + b"\x01", log_id="log_1")
    assert body.decode("ascii") == (
        '{"action":"circuit.reset","actor":"local","after":null,"at":"2026-01-31T09:30:00.000000Z",'
        '"before":{"a":null,"b":1.0},"count":1,"log":"log_1","outcome":"allowed","personal":null,'
        '"previous":"' + "0" * 63 + '1","reason":"\\u00e9\\n","request_id":null,"sequence":7,"service":null,'
        '"target":"zahlung","target_kind":"circuit","v":1}'
    )
    assert digest(body) == hashlib.sha256(b"scrollintel/audit/record/1\n" + body).digest()


def test_canonical_of_every_entry_is_the_generic_canonical_json() -> None:
    """The text of a record is sorted, compact and reads back to what was said."""
    for number in range(1, 30):
        text = canonical(entry(number), sequence=number, previous_hash=START.hash, log_id=LOG_ID).decode("ascii")
        fields = json.loads(text)
        assert canonical_json(fields) == text
        assert fields["reason"] == entry(number).reason
        assert fields["after"] == entry(number).after


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_canonical_number_that_json_has_not_is_refused_and_the_head_stays(value: float) -> None:
    """NaN and infinities have no JSON form; the record that holds one does not come into being."""
    chain = Chain(LOG_ID)
    with pytest.raises(ValueError, match="not JSON compliant"):
        chain.append(entry(after={"x": value}))
    assert chain.head == START


def test_chain_each_record_binds_number_log_and_record_before() -> None:
    """A record's text names its number, its log and the hash of its predecessor."""
    chain = Chain(LOG_ID)
    first, second = chain.append(entry(1)), chain.append(entry(2))
    assert (first.sequence, second.sequence) == (1, 2)
    assert json.loads(first.body)["previous"] == "0" * 64
    assert json.loads(second.body) | {"previous": first.hash, "log": LOG_ID, "sequence": 2} == json.loads(second.body)
    assert chain.head == ChainHead(2, digest(second.body.encode()))
    assert second.hash == chain.head.hash.hex()
    assert second.body.encode() == canonical(
        entry(2), sequence=2, previous_hash=bytes.fromhex(first.hash), log_id=LOG_ID
    )


def test_chain_record_repeats_the_searched_fields_of_its_entry() -> None:
    """The columns beside the text are those of the entry."""
    for number in range(1, 12):
        item = entry(number)
        record = Chain(LOG_ID).append(item)
        for name in ("at", "action", "actor", "target_kind", "target", "service", "outcome", "request_id"):
            assert getattr(record, name) == getattr(item, name)


def test_chain_head_assigned_back_gives_the_same_numbers_again() -> None:
    """After a group that could not be committed, the next takes its place and leaves no gap."""
    chain = Chain(LOG_ID)
    chain.append(entry(1))
    kept = chain.head
    lost = chain.append(entry(2))
    chain.head = kept
    assert chain.append(entry(3)).sequence == lost.sequence
    chain.head = kept
    assert chain.append(entry(2)) == lost


def test_chain_started_from_a_stored_head_goes_on_from_there() -> None:
    """A restart does not show in the chain."""
    chain = Chain(LOG_ID)
    chain.append(entry(1))
    assert Chain(LOG_ID, chain.head).append(entry(2)) == chain.append(entry(2))


@pytest.mark.parametrize(
    ("log_id", "head"), [("", START), ("log", ChainHead(-1, bytes(32))), ("log", ChainHead(1, b"short"))]
)
def test_chain_start_that_no_log_has_is_refused(log_id: str, head: ChainHead) -> None:
    """A chain begins with an id and a whole head."""
    with pytest.raises(ValueError, match="log"):
        Chain(log_id, head)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "maybe"},
        {"action": ""},
        {"target_kind": ""},
        {"actor": ""},
        {"at": EPOCH.replace(tzinfo=None)},
        {"at": EPOCH.astimezone(timezone(timedelta(hours=1)))},
        {"count": 0},
        {"count": True},
        {"personal": {"subject": "sub_1", "name": "clear text"}},
    ],
)
def test_entry_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    """An entry that a reader could not understand, or with personal data in clear, cannot be made."""
    with pytest.raises(ValueError, match="audit record"):
        entry(1, **changes)


def test_timestamp_is_utc_with_microseconds() -> None:
    """Times have one form, with microseconds even when they are zero."""
    assert timestamp(EPOCH) == "2026-01-31T09:30:00.000000Z"
    for moment in (datetime(2026, 1, 31), EPOCH.astimezone(timezone(timedelta(hours=1)))):
        with pytest.raises(ValueError, match="UTC"):
            timestamp(moment)


def test_secret_digest_equal_values_are_equal_and_types_count() -> None:
    """Equality can be tested without the value; text, number and bytes of the same look differ."""
    secrets = SecretDigest(KEY)
    assert secrets.of("x") == secrets.of(Secret("x")) == SecretDigest(KEY).of("x")
    different: list[object] = ["1", 1, 1.0, True, b"1", ["1"], {"1": 1}, None]
    assert len({secrets.of(value) for value in different}) == len(different)
    assert secrets.of(b"1") == secrets.of(bytearray(b"1")) == secrets.of(memoryview(b"1"))
    assert secrets.of(b'json:"x"') != secrets.of("x")
    assert secrets.of({"a": 1, "b": 2}) == secrets.of({"b": 2, "a": 1})
    assert SecretDigest(bytes(32)).of("x") != secrets.of("x")
    assert secrets.of("x").startswith("hmac-sha256:")
    assert len(secrets.of("x")) == len("hmac-sha256:") + 64


def test_secret_digest_short_key_is_refused() -> None:
    """A key that could be guessed is no key."""
    with pytest.raises(ValueError, match="32 bytes"):
        SecretDigest(bytes(31))


def test_redact_hides_secrets_by_type_and_by_field_at_any_depth() -> None:
    """Bytes and marked secrets are hashed wherever they stand, and named fields whatever their type is."""
    secrets = SecretDigest(KEY)
    value = {
        "url": "https://planted",
        "plain": "seen",
        "list": [b"planted", {"token": ["planted", 1]}, (bytearray(b"planted"), memoryview(b"planted"))],
        "marked": Secret({"inner": "planted"}),
        "token": None,
    }
    redacted = secrets.redact(value, {"url", "token"})
    assert "planted" not in repr(redacted)
    assert "planted" not in canonical_json(redacted)
    assert redacted == {
        "url": secrets.of("https://planted"),
        "plain": "seen",
        "list": [secrets.of(b"planted"), {"token": secrets.of(["planted", 1])}, [secrets.of(b"planted")] * 2],
        "marked": secrets.of({"inner": "planted"}),
        "token": None,
    }


def test_redact_what_is_not_understood_is_refused_without_showing_it() -> None:
    """A value of an unknown type is not logged, and the error does not hold it."""
    for value in ({"planted"}, {"a": EPOCH}, {1: "planted"}, object()):
        with pytest.raises(TypeError) as raised:
            SecretDigest(KEY).redact(value)
        assert "planted" not in str(raised.value)


def test_secret_never_shows_in_its_repr() -> None:
    """A marked secret can be printed without harm."""
    assert "planted" not in repr(Secret("planted"))
