"""What the use cases have to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...control.circuit_view import CircuitWhole
from ...control.records import POLICIES
from ...core.states import CircuitState
from ...watch.watcher import TargetView
from ..caller import Caller

if TYPE_CHECKING:
    from ..use_cases import UseCases


class Everything:
    """Circuits, targets and the summary, as their own routes read them.

    Arguments:
        use_cases: The use cases.
    """

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    def configured(self) -> dict[str, object]:
        """Return all circuits by name, whoever may see them, with what is equal while nobody configures another."""
        plane = self._use_cases.plane
        policies, orders = plane.records.table(POLICIES), plane.orders
        return {name: (policies.get(name), orders.of(name)) for name in self._use_cases.circuits.names()}

    def bring_up_to_date(self) -> None:
        """Have circuits of this very process reported."""
        self._use_cases.plane.fleet.bring_up_to_date()

    def circuit(self, caller: Caller, name: str) -> CircuitWhole | None:
        """Return a circuit as far as the caller may see it."""
        return self._use_cases.circuits.seen(caller, name)

    def targets(self, caller: Caller) -> list[TargetView]:
        """Return the watched targets that the caller may see."""
        return self._use_cases.automation.seen_by(caller)

    def summary(self, caller: Caller, circuits: Mapping[str, CircuitState]) -> dict[str, Any]:  # Any: JSON values
        """Return the summary for a caller, given the circuits that they may see."""
        return self._use_cases.health.summary(caller, circuits)
