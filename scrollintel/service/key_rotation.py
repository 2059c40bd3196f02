"""Rotation of keys while everything goes on: what is left to do follows from the data, so a kill loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ..control.records import CONFIGURATION as VALUES
from ..control.records import CONTROL_STATE, IDEMPOTENCY, Kind
from ..security.access import Permission
from ..security.envelope import CONFIGURATION, SUBJECTS, DataKeyRecord, parse
from ..security.errors import KeyUnavailableError
from ..security.kinds import DATA_KEYS
from ..security.kinds import SUBJECTS as PERSONS
from ..security.rotation import Cell, reseal, stale
from ..security.subjects import SUBJECT_COLUMN, SUBJECT_TABLE
from ..storage.transaction import Transaction
from .caller import SYSTEM, Caller
from .configuration import COLUMN, TABLE
from .errors import ConflictError
from .keys import SEALED_STATE, state_place
from .plane import SEALED_MARK, ControlPlane, idempotency_place

BATCH: Final = 200
"""Values that one change seals again, so that other changes wait for a few milliseconds at most."""

Found = tuple[Cell, Kind[Any], Any, str]  # Any: the record; the text is the field that holds the sealed value


class KeyRotation:
    """The use cases around keys.

    Arguments:
        plane: The control plane.
        batch: Values that one change seals again.
    """

    def __init__(self, plane: ControlPlane, *, batch: int = BATCH) -> None:
        self._plane = plane
        self._batch = batch

    # ------------------------------------------------------------------ looking

    def data_keys(self) -> list[tuple[DataKeyRecord, int]]:
        """Return every data key with the number of values under it, the oldest first."""
        counts: dict[str, int] = {}
        records = self._plane.records
        for cell, *_ in _sealed(records.values):
            key_id = parse(cell.text, cell.table).key_id
            counts[key_id] = counts.get(key_id, 0) + 1
        return [
            (record, counts.get(record.id, 0))
            for record in sorted(records.values(DATA_KEYS), key=lambda record: (record.created_at, record.id))
        ]

    def current_key_encryption_key(self) -> str | None:
        """Return the id of the key that wraps new data keys, or None while there is none."""
        provider = self._plane.keys.provider
        try:
            return None if provider is None else provider.current().id
        except KeyUnavailableError:
            return None

    # ------------------------------------------------------------------ beginning

    def rotate_key_encryption_key(self, tx: Transaction, caller: Caller) -> str:
        """Take up a new key-encryption key; data keys are wrapped in it by `step`. Returns its id.

        Raises:
            ConflictError: when the key comes from a place where a new one has to be put first.
        """
        caller.require_for_new(Permission.KEYS_ROTATE, None)
        provider = self._plane.keys.provider
        assert provider is not None, "nothing is written before the keys are loaded"
        former = provider.current().id
        try:
            make = getattr(provider, "rotate", None)
            reload = getattr(provider, "reload", None)
            if make is not None:
                make()
            elif reload is not None:
                reload()
        except KeyUnavailableError:
            raise ConflictError("there is no new key-encryption key; put one where the keys come from") from None
        key_id = provider.current().id
        if key_id == former:
            raise ConflictError("there is no new key-encryption key; put one where the keys come from")
        self._note(tx, caller, "key_encryption_key", before={"key": former}, after={"key": key_id})
        return key_id

    def rotate_data_keys(self, tx: Transaction, caller: Caller) -> list[str]:
        """Make a new data key for each purpose; former ones only open from now on. Returns the ids of the new ones."""
        caller.require_for_new(Permission.KEYS_ROTATE, None)
        ring = self._plane.keys.ring
        retired = [record for record in tx.values(DATA_KEYS) if record.retired_at is None]
        fresh = [ring.new_data_key(purpose, tx.now) for purpose in (CONFIGURATION, SUBJECTS)]
        # The new ones are adopted first: at every moment there is one that seals.
        changed = [*fresh, *(replace(record, retired_at=tx.now) for record in retired)]
        for record in changed:
            self._store(tx, record)
        ids = [record.id for record in fresh]
        self._note(tx, caller, "data_keys", before={"keys": [r.id for r in retired]}, after={"keys": ids})
        return ids

    @staticmethod
    def _note(
        tx: Transaction, caller: Caller, what: str, *, before: dict[str, object], after: dict[str, object]
    ) -> None:
        tx.audit(caller.entry("keys.rotate", "keys", what, at=tx.now, before=before, after=after))

    def _store(self, tx: Transaction, record: DataKeyRecord) -> None:
        tx.put(DATA_KEYS, record)
        ring = self._plane.keys.ring
        tx.afterwards(lambda: ring.adopt(record))

    # ------------------------------------------------------------------ going on

    @property
    def pending(self) -> bool:
        """Whether anything is left under a former key."""
        records = self._plane.records.values(DATA_KEYS)
        current = self.current_key_encryption_key()
        return any(r.retired_at is not None or r.key_encryption_key_id != current for r in records)

    async def go_on(self) -> None:
        """Seal again what is under former keys, batch by batch, until nothing is left."""
        while self._plane.serving and self.pending and await self.step():
            continue

    async def step(self) -> bool:
        """Do one batch; tells whether anything was done."""
        return await self._plane.change(self._decide)

    def _decide(self, tx: Transaction) -> bool:
        ring = self._plane.keys.ring
        done = 0
        for record in list(tx.values(DATA_KEYS)):
            if done >= self._batch:
                return True
            if ring.needs_rewrap(record):
                self._store(tx, ring.rewrap(record))
                done += 1
        for cell, kind, record, field_name in list(_sealed(tx.values)):
            if done >= self._batch:
                return True
            if stale(cell.text, ring):
                tx.put(kind, replace(record, **{field_name: reseal(*_order(cell), ring)}))
                done += 1
        return bool(done) or self._forget(tx)

    def _forget(self, tx: Transaction) -> bool:
        """Delete retired data keys under which nothing is left."""
        ring = self._plane.keys.ring
        in_use = {parse(cell.text, cell.table).key_id for cell, *_ in _sealed(tx.values)}
        # What the keyring has not taken over as retired may still seal in this very group.
        empty = [record for record in ring.records() if record.retired_at is not None and record.id not in in_use]
        for record in empty:
            tx.delete(DATA_KEYS, record.id)
            tx.afterwards(lambda key_id=record.id: ring.forget(key_id))  # type: ignore[misc]  # bound now
        if empty:
            ids: dict[str, object] = {"keys": [record.id for record in empty]}
            tx.audit(SYSTEM.entry("keys.delete", "keys", "data_keys", at=tx.now, before=ids))
        return bool(empty)


def _order(cell: Cell) -> tuple[str, str, str, str]:
    return cell.text, cell.table, cell.row, cell.column


def _sealed(values: Any) -> Iterator[Found]:  # Any: `Records.values` or `Transaction.values`, generic in the kind
    """Yield every value that a data key has sealed, with its place and its record."""
    for value in values(VALUES):
        if value.sealed is not None:
            yield Cell(TABLE, value.key, COLUMN, value.sealed), VALUES, value, "sealed"
    for state in values(CONTROL_STATE):
        if state.key in SEALED_STATE:
            yield Cell(*state_place(state.key), state.value), CONTROL_STATE, state, "value"
    for kept in values(IDEMPOTENCY):
        if SEALED_MARK in kept.headers:
            yield Cell(*idempotency_place(kept.actor, kept.key), kept.body), IDEMPOTENCY, kept, "body"
    for person in values(PERSONS):
        if person.wrapped is not None:
            yield Cell(SUBJECT_TABLE, person.subject_id, SUBJECT_COLUMN, person.wrapped), PERSONS, person, "wrapped"
