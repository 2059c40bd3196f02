"""Services that depend on what is down: held at the level that they declare, and restored step by step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from ...control.incidents import IncidentRecord
from ...control.records import LEVEL_ORDERS, LevelOrder
from ...core.config.degradation import DegradationLevel
from ...recovery.target import Target
from ...storage.errors import StoreUnavailableError
from ...storage.transaction import Transaction
from ..caller import SYSTEM
from ..degradation import Degradation
from ..plane import ControlPlane

STEP_INTERVAL = 2.0
"""Seconds between two steps of a restoration, in which the dependent shows whether it bears the load."""
MARK = "incident "
"""How the reason of a level begins that automation holds; levels that people hold are left alone."""

logger = logging.getLogger("scrollintel.recovery")


class Dependents:
    """Holds and restores levels. Used in the thread of the incident desk alone.

    Arguments:
        plane, degradation: The control plane and its levels.
        dependents: Gives the targets whose services need a service, and are to be held.
        other: Gives another incident of something that is down and that a service needs as well, or None.
    """

    def __init__(
        self,
        plane: ControlPlane,
        degradation: Degradation,
        dependents: Callable[[str], Iterable[Target]],
        other: Callable[[str, IncidentRecord], IncidentRecord | None],
    ) -> None:
        self._plane = plane
        self._degradation = degradation
        self._dependents = dependents
        self._other = other
        self._rising: dict[str, float] = {}  # service → monotonic time of its next step

    def hold(self, incident: IncidentRecord) -> None:
        """Hold every dependent at the level that it declares, unless it is held at that or a worse one already."""
        for target in self._dependents(incident.service):
            if target.degrade_to == 0:
                continue
            order = self._plane.records.get(LEVEL_ORDERS, target.service)
            was_rising = self._rising.pop(target.service, None) is not None
            if order is not None and (not is_ours(order) or (order.level >= target.degrade_to and not was_rising)):
                continue
            level = max(target.degrade_to, 0 if order is None else order.level)
            self._set(target.service, level, _reason(incident))

    def restore(self, incident: IncidentRecord) -> None:
        """Begin to restore what is held for an incident, one level after the other."""
        mark = f"{MARK}{incident.id}:"
        for order in self._plane.records.values(LEVEL_ORDERS):
            if not order.reason.startswith(mark):
                continue
            other = self._other(order.service, incident)
            if other is not None:
                self._set(order.service, order.level, _reason(other))
            else:
                self._rising.setdefault(order.service, self._plane.clock.monotonic() + STEP_INTERVAL)

    def resume(self, open_incidents: Iterable[str]) -> None:
        """Go on with restorations of the life before: levels held for incidents that are over."""
        standing = tuple(f"{MARK}{name}:" for name in open_incidents)
        for order in self._plane.records.values(LEVEL_ORDERS):
            if is_ours(order) and not order.reason.startswith(standing):
                self._rising.setdefault(order.service, self._plane.clock.monotonic() + STEP_INTERVAL)

    def tick(self) -> None:
        """Take the steps that are due."""
        now = self._plane.clock.monotonic()
        for service in [service for service, due in self._rising.items() if due <= now]:
            order = self._plane.records.get(LEVEL_ORDERS, service)
            if order is None or not is_ours(order):
                del self._rising[service]
                continue
            self._rising[service] = now + STEP_INTERVAL
            if order.level > 1:
                self._set(service, order.level - 1, order.reason)
            elif self._change(lambda tx, service=service: self._end(tx, service)):  # type: ignore[misc]  # bound now
                del self._rising[service]

    def _end(self, tx: Transaction, service: str) -> None:
        self._degradation.restore(tx, SYSTEM, service, "what it depends on is healthy again", known=True)

    def _set(self, service: str, level: int, reason: str) -> None:
        self._change(lambda tx: self._degradation.set_level(tx, SYSTEM, service, DegradationLevel(level), reason, None))

    def _change(self, decide: Callable[[Transaction], object]) -> bool:
        """Order a level; while the database is away nothing is held, because replicas could not be told either."""
        try:
            self._plane.writer.change_blocking(decide, 5.0)
        except StoreUnavailableError:
            logger.warning("the level of a dependent cannot be changed now")
            return False
        return True


def _reason(incident: IncidentRecord) -> str:
    return f"{MARK}{incident.id}: {incident.target} is down"


def is_ours(order: LevelOrder) -> bool:
    """Tell whether automation holds a level."""
    return order.changed_by == SYSTEM.identity.id and order.reason.startswith(MARK)
