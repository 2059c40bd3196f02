"""Which circuits an operator holds open, the orders included that the database does not know of yet."""

from __future__ import annotations

from typing import Final

from ..control.records import CIRCUIT_ORDERS, CircuitOrder
from ..storage.transaction import Records


class StandingOrders:
    """The orders of the records, and above them those that were given while the database was away.

    May be read from any thread.

    Arguments:
        records: The committed records.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._journalled: dict[str, CircuitOrder | None] = {}

    def of(self, circuit: str) -> CircuitOrder | None:
        """Return the order that stands for a circuit, or None."""
        found = self._journalled.get(circuit, _UNKNOWN)
        return self._records.get(CIRCUIT_ORDERS, circuit) if isinstance(found, _Unknown) else found

    def all(self) -> list[CircuitOrder]:
        """Return all orders that stand."""
        orders: dict[str, CircuitOrder | None] = {
            order.circuit: order for order in self._records.values(CIRCUIT_ORDERS)
        }
        orders.update(self._journalled)
        return [order for order in orders.values() if order is not None]

    def journal(self, circuit: str, order: CircuitOrder | None) -> None:
        """Let an order that is only journalled stand, or with None its end."""
        self._journalled = {**self._journalled, circuit: order}

    def is_journalled(self, circuit: str) -> bool:
        """Tell whether what stands is only journalled: nothing has been ordered in the database since."""
        return circuit in self._journalled

    def settle(self, circuit: str) -> None:
        """Go by the records again: they hold what was journalled, or what was ordered after it."""
        if circuit in self._journalled:
            self._journalled = {name: order for name, order in self._journalled.items() if name != circuit}


class _Unknown:
    """Nothing is journalled, where None is the end of an order."""


_UNKNOWN: Final = _Unknown()
