"""Where a view reads from, with the scopes of the one who looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...control.circuit_view import CircuitWhole
from ...core.states import CircuitState
from ...security.access import Identity, Permission, Scope
from ...watch.watcher import TargetView
from ..caller import Caller

LOOKED_AT = (
    Permission.EVENTS_READ,
    Permission.CIRCUITS_READ,
    Permission.CIRCUITS_OPERATE,
    Permission.RECOVERY_READ,
    Permission.HEALTH_READ,
    Permission.METRICS_READ,
    Permission.REPLICAS_READ,
    Permission.DEGRADATION_READ,
)
"""Permissions that what a page shows depends on; who holds them for the same services sees the same."""


class Sources(Protocol):
    """What there is to see; everything on the event loop."""

    def configured(self) -> dict[str, object]:
        """Return all circuits by name, whoever may see them, with what is equal while nobody configures another."""

    def bring_up_to_date(self) -> None:
        """Have circuits of this very process reported."""

    def circuit(self, caller: Caller, name: str) -> CircuitWhole | None:
        """Return a circuit as far as the caller may see it."""

    def targets(self, caller: Caller) -> list[TargetView]:
        """Return the watched targets that the caller may see."""

    def summary(self, caller: Caller, circuits: Mapping[str, CircuitState]) -> dict[str, Any]:  # Any: JSON values
        """Return the summary for a caller, given the circuits that they may see."""


def scopes_of(identity: Identity) -> tuple[Scope, ...]:
    """Return what decides what an identity sees; equal for those who see the same."""
    return tuple(identity.services_for(permission) for permission in LOOKED_AT)
