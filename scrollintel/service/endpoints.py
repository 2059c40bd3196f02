"""Endpoints: names whose address callers look up at each use, and that recoveries point elsewhere."""

from __future__ import annotations

from ..control.records import ENDPOINT_ORDERS, EndpointOrder
from ..storage.transaction import Transaction
from .caller import Caller
from .plane import ControlPlane


class Endpoints:
    """The use cases around endpoints.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def address_of(self, name: str) -> str | None:
        """Return the address that callers use by order, or None when no order stands; from any thread."""
        order = self._plane.records.get(ENDPOINT_ORDERS, name)
        return None if order is None else order.address

    def point(
        self, tx: Transaction, caller: Caller, name: str, address: str, reason: str, *, service: str
    ) -> EndpointOrder:
        """Have every caller of an endpoint use another address from now on.

        Arguments:
            service: The one that is reached there; whoever may see it hears of the order.
        """
        before = tx.get(ENDPOINT_ORDERS, name)
        order = EndpointOrder(
            name=name,
            address=address,
            previous=None if before is None else before.address,
            reason=reason,
            since=tx.now,
            changed_by=caller.identity.id,
            sequence=tx.next_sequence(),
        )
        tx.put(ENDPOINT_ORDERS, order)
        tx.audit(
            caller.entry(
                "endpoint.point",
                "endpoint",
                name,
                at=tx.now,
                service=service,
                reason=reason,
                before=None if before is None else {"address": before.address},
                after={"address": address},
            )
        )
        change = {"kind": "endpoint", "sequence": order.sequence, "name": name, "address": address, "reason": reason}
        self._plane.publish(tx, {**change, "for_service": None})
        self._plane.tell(tx, "endpoint.pointed", {"name": name, "address": address, "reason": reason}, service=service)
        return order
