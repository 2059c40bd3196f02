"""Orders of operators while the database is down: done at once, journalled in a file, imported into the log later."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from ..control.records import CIRCUIT_ORDERS, CircuitOrder
from ..security.access import Identity, IdentityKind
from ..storage.transaction import Transaction
from .caller import Caller
from .circuits import operation
from .plane import ControlPlane


class BreakGlass:
    """The local journal.

    Arguments:
        plane: The control plane.
        path: The journal; made with mode 0600 by the first order.
    """

    def __init__(self, plane: ControlPlane, path: Path) -> None:
        self._plane = plane
        self.path = path

    async def operate(self, caller: Caller, verb: str, name: str, reason: str) -> dict[str, Any]:  # Any: JSON values
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
        self._append(json.dumps(entry, separators=(",", ":")) + "\n")
        plane.fleet.publish(operation(verb, name, reason, sequence))
        plane.facts.tell(f"circuit.{verb}", {"circuit": name, "reason": reason, "journalled": True, "at": entry["at"]})
        return {"circuit": name, "order": verb, "reason": reason, "sequence": sequence, "journalled": True}

    def _append(self, line: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @property
    def waiting(self) -> bool:
        """Whether orders wait to be imported."""
        return self.path.exists()

    async def import_journal(self) -> int:
        """Write what was ordered meanwhile to records and audit log, once, and set the journal aside."""
        if not self.waiting or not self._plane.serving:
            return 0
        orders = [order for line in self.path.read_text("utf-8").splitlines() if (order := _read(line)) is not None]

        def decide(tx: Transaction) -> None:
            for order in orders:
                self._import(tx, order)

        await self._plane.change(decide)
        self.path.rename(self.path.with_name(f"{self.path.name}.{self._plane.now:%Y%m%dT%H%M%S%f}.imported"))
        return len(orders)

    def _import(self, tx: Transaction, order: dict[str, Any]) -> None:  # Any: JSON values
        name, verb, reason = order["circuit"], order["order"], order["reason"]
        at = datetime.fromisoformat(order["at"])
        sequence = tx.next_sequence()
        if verb == "isolate":
            tx.put(
                CIRCUIT_ORDERS,
                CircuitOrder(
                    circuit=name,
                    order="isolated",
                    reason=reason,
                    since=at,
                    changed_by=order["actor"],
                    sequence=sequence,
                ),
            )
        else:
            tx.delete(CIRCUIT_ORDERS, name)
        entry = Caller(Identity(order["actor"], IdentityKind.LOCAL), order.get("request_id")).entry(
            f"circuit.{verb}",
            "circuit",
            name,
            at=tx.now,
            reason=reason,
            after={"order": verb, "journalled_at": order["at"]},
        )
        tx.audit(entry)
        self._plane.publish(tx, operation(verb, name, reason, sequence))


def _read(line: str) -> dict[str, Any] | None:  # Any: JSON values
    """Return an order of the journal; a last line that a crash has torn was never acknowledged."""
    try:
        order = json.loads(line)
        datetime.fromisoformat(order["at"])
        known = order["order"] in ("isolate", "close", "reset")
        texts = all(isinstance(order[name], str) for name in ("circuit", "reason", "actor"))
    except (ValueError, KeyError, TypeError):
        return None
    return order if known and texts else None
