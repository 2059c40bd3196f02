"""Encrypted values: where they open, where they do not, and how keys are replaced under them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.security.boxes import length_prefixed
from scrollintel.security.envelope import MAX_SEALS, SEALS_BLOCK, DataKeyRecord, Keyring
from scrollintel.security.errors import (
    DecryptionError,
    EncryptionSelfTestError,
    KeyExhaustedError,
    KeyUnavailableError,
)
from scrollintel.security.key_files import FileKeyProvider
from scrollintel.security.key_providers import KeyEncryptionKey, KeyShelf
from scrollintel.security.rotation import Cell, keys_without_values, reseal, stale, stale_cells

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ONE = KeyEncryptionKey(bytes(range(32)))
TWO = KeyEncryptionKey(bytes(range(32, 64)))
PLACE = ("configuration", "webhook", "value")


def shelf(*keys: KeyEncryptionKey) -> KeyShelf:
    """Return a provider with these keys, the current one first."""
    return KeyShelf("test", keys, "fix it")


def ring(*keys: KeyEncryptionKey, records: Iterable[DataKeyRecord] = ()) -> Keyring:
    """Return a keyring with one data key, or with the given ones."""
    keyring = Keyring(shelf(*(keys or (ONE,))), records)
    if not keyring.records():
        keyring.adopt(keyring.new_data_key("configuration", NOW))
    return keyring


RING = ring()


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_seal_and_open_at_the_same_place_returns_the_value(value: bytes, table: str, row: str, column: str) -> None:
    """Any bytes survive, at any place, and the text holds the key's id and nothing readable of the value."""
    text = RING.seal(value, table, row, column)
    version, key_id, box = text.split(":")
    assert (version, key_id) == ("sie1", RING.current().id)
    assert len(base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))) == 12 + len(value) + 16
    assert RING.open_(text, table, row, column) == value


@given(st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4)), st.data())
def test_open_at_any_other_place_is_refused(place: tuple[str, str, str], data: st.DataObject) -> None:
    """A value copied to another table, row or column does not open, nor when text moves from one name to the next."""
    joined = "".join(place)
    cut = sorted(data.draw(st.lists(st.integers(0, len(joined)), min_size=2, max_size=2)))
    other = (joined[: cut[0]], joined[cut[0] : cut[1]], joined[cut[1] :])
    text = RING.seal(b"secret", *place)
    if other != place:
        with pytest.raises(DecryptionError):
            RING.open_(text, *other)
    with pytest.raises(DecryptionError):
        RING.open_(text, place[0], place[1] + "x", place[2])


@given(st.data())
def test_open_after_any_single_change_is_refused(data: st.DataObject) -> None:
    """Each character of the text counts, spare bits of base64 and the key's id included."""
    text = RING.seal(b"secret value", *PLACE)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = data.draw(st.sampled_from("abcdef0123456789ABZxyz_-:=+ \n"))
    changed = "." if changed == text[at] else changed
    for damaged in (text[:at] + changed + text[at + 1 :], text[:at] + text[at + 1 :], text[:at], text + changed):
        with pytest.raises(DecryptionError) as caught:
            RING.open_(damaged, *PLACE)
        assert "secret value" not in str(caught.value)


@given(st.text(max_size=100))
def test_open_of_plain_text_is_refused_and_never_returned(text: str) -> None:
    """A value that was written in clear is an error, not a value."""
    with pytest.raises(DecryptionError):
        RING.open_(text, *PLACE)


def test_seal_of_equal_values_differs_every_time() -> None:
    """Nonces are fresh, so equal secrets are not seen to be equal."""
    assert len({RING.seal(b"same", *PLACE) for _ in range(1000)}) == 1000


def test_seal_is_plain_aes_gcm_over_the_documented_format() -> None:
    """An independent reader that knows the data key opens the value from the description alone."""
    keyring = ring()
    record = keyring.current()
    wrapped = record.wrapped.removeprefix("siw1:")
    box = base64.urlsafe_b64decode(wrapped + "=" * (-len(wrapped) % 4))
    bound_to = b"".join(
        len(part).to_bytes(4, "big") + part for part in (b"siw1", record.id.encode(), b"configuration", ONE.id.encode())
    )
    data_key = AESGCM(ONE.material).decrypt(box[:12], box[12:], bound_to)
    text = keyring.seal(b"value", *PLACE).split(":")[2]
    box = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    parts = (b"sie1", *(part.encode() for part in PLACE), record.id.encode())
    bound_to = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert AESGCM(data_key).decrypt(box[:12], box[12:], bound_to) == b"value"


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_length_prefixed_is_the_same_only_for_the_same_parts(one: list[str], other: list[str]) -> None:
    """No two different places share their additional data."""
    assert (length_prefixed(*one) == length_prefixed(*other)) is (one == other)


def test_keyring_without_the_key_refuses_to_start(tmp_path: Path) -> None:
    """A key directory that was lost and made anew does not pass for the old one."""
    keyring = Keyring(FileKeyProvider(tmp_path / "old", create=True), [])
    record = keyring.new_data_key("configuration", NOW)
    with pytest.raises(KeyUnavailableError, match=record.key_encryption_key_id):
        Keyring(FileKeyProvider(tmp_path / "new", create=True), [record])


def test_keyring_with_a_tampered_record_refuses_to_start() -> None:
    """A data key swapped to another id, purpose or wrapping is noticed."""
    record = ring().current()
    other = ring().current()
    damaged = [
        replace(record, id="dk_" + "0" * 16),
        replace(record, purpose="subjects"),
        replace(record, wrapped=other.wrapped),
        replace(record, wrapped="plain"),
        replace(record, wrapped=record.wrapped[:-2]),
    ]
    for bad in damaged:
        with pytest.raises(KeyUnavailableError):
            Keyring(shelf(ONE), [bad])


def test_seal_without_a_data_key_for_the_purpose_is_refused() -> None:
    """A missing data key stops writing; it is not made or borrowed silently, nor is a retired one used."""
    keyring = ring()
    with pytest.raises(KeyUnavailableError, match="subjects"):
        keyring.seal(b"x", *PLACE, purpose="subjects")
    text = keyring.seal(b"x", *PLACE)
    keyring.adopt(replace(keyring.current(), retired_at=NOW))
    with pytest.raises(KeyUnavailableError):
        keyring.seal(b"x", *PLACE)
    assert keyring.open_(text, *PLACE) == b"x"


def test_open_with_a_forgotten_data_key_is_refused() -> None:
    """Deleting a data key destroys what it sealed."""
    keyring = ring()
    text = keyring.seal(b"x", *PLACE)
    keyring.forget(keyring.current().id)
    with pytest.raises(DecryptionError, match="not known"):
        keyring.open_(text, *PLACE)


def test_count_of_seals_never_falls_behind_over_restarts() -> None:
    """Whatever is lost between sealing and storing the count is covered by the block that a restart adds."""
    keyring = ring()
    stored = keyring.current()
    sealed = 0
    for _ in range(5):
        for _ in range(3):
            keyring.seal(b"x", *PLACE)
            sealed += 1
        (changed,) = keyring.changed()
        assert changed.seals_reserved >= sealed
        assert keyring.changed() == (changed,)
        keyring.adopt(changed)
        assert keyring.changed() == ()
        stored = changed
        keyring = ring(records=[stored])
    assert stored.seals_reserved <= 5 * 2 * SEALS_BLOCK


def test_seal_beyond_the_limit_of_nonces_is_refused() -> None:
    """The last seal is the one numbered 2**32; opening goes on."""
    record = replace(ring().current(), seals_reserved=MAX_SEALS - SEALS_BLOCK - 2)
    keyring = ring(records=[record])
    first = keyring.seal(b"x", *PLACE)
    assert keyring.changed()[0].seals_reserved == MAX_SEALS
    keyring.seal(b"x", *PLACE)
    with pytest.raises(KeyExhaustedError, match=record.id):
        keyring.seal(b"x", *PLACE)
    assert keyring.open_(first, *PLACE) == b"x"


def test_rewrap_moves_the_data_key_and_leaves_values_alone() -> None:
    """After rewrapping, the old key-encryption key is no longer needed."""
    before = ring(ONE)
    text = before.seal(b"x", *PLACE)
    both = ring(TWO, ONE, records=before.records())
    assert both.needs_rewrap(both.current())
    moved = both.rewrap(both.current())
    assert moved.id == before.current().id
    assert not both.needs_rewrap(moved)
    both.adopt(moved)
    assert both.open_(text, *PLACE) == b"x"
    after = ring(TWO, records=[moved])
    assert after.open_(text, *PLACE) == b"x"


def test_adopting_a_rewrapped_record_keeps_the_count() -> None:
    """A rotation of the outer key does not reset the number of values under the inner one."""
    keyring = ring()
    record = keyring.current()
    keyring.seal(b"x", *PLACE)
    reserved = keyring.current().seals_reserved
    keyring.adopt(keyring.rewrap(record))
    assert keyring.current().seals_reserved == reserved > 0
    assert len(keyring.changed()) == 1


def test_new_data_key_is_the_current_one_even_when_the_clock_went_back() -> None:
    """A rotation takes effect whatever the wall clock says."""
    keyring = ring()
    fresh = keyring.new_data_key("configuration", NOW - timedelta(days=1))
    keyring.adopt(fresh)
    assert keyring.current().id == fresh.id


def test_rotation_killed_after_any_step_resumes_and_reads_all_the_time() -> None:
    """Every prefix of the loop leaves a readable database, and a second run ends with nothing under the old key."""
    keyring = ring()
    old = keyring.current().id
    rows = {
        str(number): keyring.seal(f"value {number}".encode(), "configuration", str(number), "value")
        for number in range(9)
    }
    keyring.adopt(keyring.new_data_key("configuration", NOW + timedelta(days=1)))

    def page() -> list[Cell]:
        return [Cell("configuration", row, "value", text) for row, text in rows.items()]

    for _ in range(3):  # each run dies after three cells
        for cell in list(stale_cells(page(), keyring))[:3]:
            rows[cell.row] = reseal(cell.text, cell.table, cell.row, cell.column, keyring)
            assert not stale(rows[cell.row], keyring)
        for row, text in rows.items():
            assert keyring.open_(text, "configuration", row, "value") == f"value {row}".encode()
    assert list(stale_cells(page(), keyring)) == []
    assert not any(old in text for text in rows.values())


def test_rotation_stops_at_a_value_in_an_unknown_format() -> None:
    """Plain text among the values is reported; it is neither sealed as it is nor skipped."""
    with pytest.raises(DecryptionError):
        stale("plain", RING)
    with pytest.raises(DecryptionError):
        list(stale_cells([Cell(*PLACE, "plain")], RING))
    with pytest.raises(DecryptionError):
        reseal("plain", *PLACE, RING)
    with pytest.raises(DecryptionError, match="not known"):
        stale(ring().seal(b"x", *PLACE), RING)


def test_keys_without_values_are_retired_keys_that_nothing_uses() -> None:
    """Only a retired key with no value left may go, and a value that cannot be read keeps all of them."""
    keyring = ring()
    old = keyring.current()
    text = keyring.seal(b"x", *PLACE)
    keyring.adopt(keyring.new_data_key("configuration", NOW + timedelta(days=1)))
    assert keys_without_values(keyring, []) == ()
    keyring.adopt(replace(old, retired_at=NOW))
    assert keys_without_values(keyring, [text]) == ()
    assert keys_without_values(keyring, [reseal(text, *PLACE, keyring)]) == (old.id,)
    with pytest.raises(DecryptionError):
        keys_without_values(keyring, ["plain"])


def test_self_test_passes_when_the_storage_seals() -> None:
    """A storage that writes ciphertext for the right place is fine."""
    RING.self_test(lambda secret: RING.seal(secret.encode(), *PLACE), *PLACE)


def test_self_test_finds_a_storage_that_does_not_seal() -> None:
    """Plain, merely encoded, misplaced and foreign contents are all refused, without repeating the marker."""
    storages = [
        lambda secret: secret,
        lambda secret: f'"{secret}"',
        lambda secret: secret.encode().hex(),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: RING.seal(secret.encode(), "configuration", "other", "value"),
        lambda secret: RING.seal(b"something else", *PLACE),
        lambda secret: ring().seal(secret.encode(), *PLACE),
        lambda secret: RING.seal(secret.encode(), *PLACE) + secret,
        lambda secret: "",
    ]
    for storage in storages:
        with pytest.raises(EncryptionSelfTestError) as caught:
            RING.self_test(storage, *PLACE)
        assert "self-test-" not in str(caught.value)
