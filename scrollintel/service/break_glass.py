"""Orders of operators while the database is down: done at once, journalled in a file, imported into the log later."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..control.records import CIRCUIT_ORDERS, CONTROL_STATE, CircuitOrder, ControlStateRecord
from ..security.access import Identity, IdentityKind
from ..storage.transaction import Transaction
from .caller import Caller
from .circuits import operation
from .plane import ControlPlane

IMPORTED = "imported_journal"
"""Digest of the journal that was imported last: one that could not be set aside is not imported again."""
Order = dict[str, Any]  # Any: JSON values


class BreakGlass:
    """The local journal. On the event loop.

    Arguments:
        plane: The control plane.
        path: The journal; made with mode 0600 by the first order.
    """

    def __init__(self, plane: ControlPlane, path: Path) -> None:
        self._plane = plane
        self.path = path

    async def operate(
        self, caller: Caller, verb: str, name: str, reason: str, *, told_to: Sequence[str | None] = (None,)
    ) -> dict[str, Any]:  # Any: JSON values
        """Journal an order durably, then carry it out on every replica that is connected."""
        plane = self._plane
        sequence = plane.fleet.sequence + 1
        entry = {
            "at": plane.now.isoformat(),
            "actor": caller.identity.id,
            "order": verb,
            "circuit": name,
            "reason": reason,
            "request_id": caller.request_id,
        }
        self._append(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._let_stand(entry, sequence)
        plane.fleet.publish(operation(verb, name, reason, sequence))
        for reader in told_to:
            told = {"circuit": name, "reason": reason, "journalled": True, "at": entry["at"]}
            plane.facts.tell(f"circuit.{verb}", told, service=reader)
        return {"circuit": name, "order": verb, "reason": reason, "sequence": sequence, "journalled": True}

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _let_stand(self, order: Order, sequence: int) -> None:
        """Let replicas that join from now on, and whoever looks, find the order before the database knows of it."""
        self._plane.orders.journal(order["circuit"], _standing(order, sequence))

    async def recall(self) -> None:
        """Let what an earlier process has journalled stand until it is imported; raises OSError."""
        if self.waiting:
            for order in _orders(self.path.read_bytes()):
                self._let_stand(order, 0)

    @property
    def waiting(self) -> bool:
        """Whether orders wait to be imported."""
        return self.path.exists()

    async def import_journal(self) -> int:
        """Write what was ordered meanwhile to records and audit log, once, and set the journal aside.

        Replicas are told nothing: they did it when it was ordered, or joined later and found what stands. A reset that
        they did a second time would wipe what has happened since.
        """
        if not self.waiting or not self._plane.serving:
            return 0
        content = self.path.read_bytes()
        digest, orders = hashlib.sha256(content).hexdigest(), _orders(content)
        settle = self._plane.orders.settle

        def decide(tx: Transaction) -> None:
            known = tx.get(CONTROL_STATE, IMPORTED)
            if known is None or known.value != digest:
                for order in orders:
                    self._import(tx, order)
                tx.put(CONTROL_STATE, ControlStateRecord(key=IMPORTED, value=digest))
            for name in {order["circuit"] for order in orders}:
                tx.afterwards(lambda name=name: settle(name))  # type: ignore[misc]  # bound now, not later

        await self._plane.change(decide, urgent=True)
        self._set_aside(len(content))
        return len(orders)

    def _set_aside(self, length: int) -> None:
        """Keep what was imported under another name; what was journalled since waits for the next import."""
        aside = self.path.with_name(f"{self.path.name}.{self._plane.now:%Y%m%dT%H%M%S%f}.imported")
        self.path.rename(aside)
        later = aside.read_bytes()[length:]
        if later:
            self._append(later)

    def _import(self, tx: Transaction, order: Order) -> None:
        name, verb, reason = order["circuit"], order["order"], order["reason"]
        if self._plane.orders.is_journalled(name):  # otherwise somebody has ordered something else since
            standing = _standing(order, tx.next_sequence())
            if standing is None:
                tx.delete(CIRCUIT_ORDERS, name)
            else:
                tx.put(CIRCUIT_ORDERS, standing)
        entry = Caller(Identity(order["actor"], IdentityKind.LOCAL), order.get("request_id")).entry(
            f"circuit.{verb}",
            "circuit",
            name,
            at=tx.now,
            reason=reason,
            after={"order": verb, "journalled_at": order["at"]},
        )
        tx.audit(entry)


def _standing(order: Order, sequence: int) -> CircuitOrder | None:
    """Return what stands after an order: circuits are held open until told otherwise, and only closed or reset once."""
    if order["order"] != "isolate":
        return None
    return CircuitOrder(
        circuit=order["circuit"],
        order="isolated",
        reason=order["reason"],
        since=datetime.fromisoformat(order["at"]),
        changed_by=order["actor"],
        sequence=sequence,
    )


def _orders(content: bytes) -> list[Order]:
    """Return the orders of a journal, oldest first."""
    lines = content.decode("utf-8", "replace").splitlines()
    return [order for line in lines if (order := _read(line)) is not None]


def _read(line: str) -> Order | None:
    """Return an order of the journal; a last line that a crash has torn was never acknowledged."""
    try:
        order = json.loads(line)
        datetime.fromisoformat(order["at"])
        known = order["order"] in ("isolate", "close", "reset")
        texts = all(isinstance(order[name], str) for name in ("circuit", "reason", "actor"))
    except (ValueError, KeyError, TypeError):
        return None
    return order if known and texts else None
