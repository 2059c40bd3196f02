"""Which values are still under an old data key, and how to bring one under the current one.

The loop over the database belongs to the storage: take `stale_cells` of a page, write each `reseal`, commit, go on. Any
page may be done twice and the loop may be killed anywhere, because what is done is no longer stale, and old keys open
until the last value has left them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .envelope import CONFIGURATION, Keyring, parse
from .errors import DecryptionError


class Cell(NamedTuple):
    """A sealed value and its place."""

    table: str
    row: str
    column: str
    text: str


def _purpose(keyring: Keyring, key_id: str, place: str) -> str:
    for record in keyring.records():
        if record.id == key_id:
            return record.purpose
    raise DecryptionError(place, f"its data key {key_id} is not known")


def stale(text: str, keyring: Keyring) -> bool:
    """Tell whether a sealed value is under another data key than the current one of the same purpose.

    Raises:
        DecryptionError: When the text is no sealed value, or its data key is not known.
        KeyUnavailableError: When the purpose has no current data key.
    """
    key_id = parse(text, "rotation").key_id
    return keyring.current(_purpose(keyring, key_id, "rotation")).id != key_id


def stale_cells(cells: Iterable[Cell], keyring: Keyring) -> Iterator[Cell]:
    """Yield the cells that are to be sealed again, in the order given; raises what `stale` raises."""
    current: dict[str, bool] = {}
    for cell in cells:
        key_id = parse(cell.text, f"{cell.table}/{cell.row[:80]}/{cell.column}").key_id
        if key_id not in current:
            current[key_id] = not stale(cell.text, keyring)
        if not current[key_id]:
            yield cell


def reseal(text: str, table: str, row: str, column: str, keyring: Keyring) -> str:
    """Return the same value for the same place under the current data key of its purpose.

    Raises:
        DecryptionError: When the value does not open; it is never passed on unopened.
        KeyUnavailableError: When the purpose has no current data key.
    """
    plaintext = keyring.open_(text, table, row, column)
    key_id = parse(text, table).key_id
    return keyring.seal(plaintext, table, row, column, purpose=_purpose(keyring, key_id, table))


def keys_without_values(keyring: Keyring, texts: Iterable[str], purpose: str = CONFIGURATION) -> tuple[str, ...]:
    """Return the retired data keys of a purpose under which none of `texts` (all values of it) is sealed.

    Only these may be deleted. Raises DecryptionError when a text is no sealed value: then nothing may be.
    """
    in_use = {parse(text, "rotation").key_id for text in texts}
    return tuple(
        record.id
        for record in keyring.records()
        if record.purpose == purpose and record.retired_at is not None and record.id not in in_use
    )
