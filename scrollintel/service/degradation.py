"""Degradation levels of services: set by hand with a reason and an expiry, seen, restored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..control.moments import moment
from ..control.records import LEVEL_ORDERS, SERVICES, LevelOrder
from ..core.config.degradation import DegradationLevel
from ..security.access import Permission
from ..storage.transaction import Transaction
from .caller import SYSTEM, Caller
from .errors import MissingError
from .plane import ControlPlane


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """How far a service is degraded, over all replicas.

    Arguments:
        service: Name of the service.
        level: The worst level that is ordered or that a replica reports.
        reason: Its cause.
        automatic: Whether replicas have come to it by themselves.
        since: When it began, in UTC.
        order: The operator's order, or None.
        replicas: Replicas that report a level above `NONE`.
    """

    service: str
    level: DegradationLevel
    reason: str
    automatic: bool
    since: datetime
    order: LevelOrder | None
    replicas: int


class Degradation:
    """The use cases around degradation levels."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def degraded(self, caller: Caller) -> list[ServiceLevel]:
        """Return the services that are degraded, by name; on the event loop."""
        names = set(self._plane.records.table(LEVEL_ORDERS))
        for session in self._plane.fleet.sessions():
            names.update(name for name, level in session.levels.items() if level.level)
        found = []
        for name in sorted(names):
            if caller.sees(Permission.DEGRADATION_READ, name):
                level = self.level(name)
                if level is not None:
                    found.append(level)
        return found

    def level(self, service: str) -> ServiceLevel | None:
        """Return how a service stands, or None when it is neither degraded nor under an order."""
        order = self._plane.records.get(LEVEL_ORDERS, service)
        if order is not None and order.expired(self._plane.now):
            order = None
        reports = [
            report
            for session in self._plane.fleet.sessions()
            if (report := session.levels.get(service)) is not None and report.level
        ]
        worst = max(reports, key=lambda report: report.level, default=None)
        if order is not None and (worst is None or worst.level <= order.level):
            return ServiceLevel(
                service, DegradationLevel(order.level), order.reason, False, order.since, order, len(reports)
            )
        if worst is None:
            return None
        since = moment(worst.since)
        return ServiceLevel(
            service, DegradationLevel(worst.level), worst.reason, worst.automatic, since, order, len(reports)
        )

    def known_level(self, service: str) -> ServiceLevel:
        """Return how a service stands; raises MissingError when nobody knows it."""
        found = self.level(service)
        if found is not None:
            return found
        record = self._plane.records.get(SERVICES, service)
        reported = any(service in session.levels for session in self._plane.fleet.sessions())
        if record is None and not reported:
            raise MissingError("service", service)
        since = self._plane.started_at if record is None else record.registered_at
        return ServiceLevel(service, DegradationLevel.NONE, "nothing is wrong", True, since, None, 0)

    def set_level(
        self,
        tx: Transaction,
        caller: Caller,
        service: str,
        level: DegradationLevel,
        reason: str,
        expires_in: float | None,
    ) -> LevelOrder:
        """Hold a level of a service on every replica until it is restored or `expires_in` seconds have passed."""
        caller.require_for_new(Permission.DEGRADATION_SET, service)
        before = tx.get(LEVEL_ORDERS, service)
        order = LevelOrder(
            service=service,
            level=level.value,
            reason=reason,
            since=tx.now,
            expires_at=None if expires_in is None else tx.now + timedelta(seconds=expires_in),
            changed_by=caller.identity.id,
            sequence=tx.next_sequence(),
        )
        tx.put(LEVEL_ORDERS, order)
        self._change(tx, caller, "set", service, before, order, reason)
        self._plane.publish(
            tx,
            {
                "kind": "level",
                "sequence": order.sequence,
                "service": service,
                "level": order.level,
                "reason": reason,
                "expires_in": expires_in,
                "for_service": None,
            },
        )
        return order

    def restore(self, tx: Transaction, caller: Caller, service: str, reason: str, *, known: bool) -> None:
        """End the order; replicas go back to the level that their health calls for.

        Arguments:
            known: Whether a replica reports a level of the service.

        Raises:
            MissingError: when the service is neither registered nor degraded.
        """
        caller.require(
            Permission.DEGRADATION_SET, service, see=Permission.DEGRADATION_READ, kind="service", name=service
        )
        before = tx.get(LEVEL_ORDERS, service)
        if before is None and not known and tx.get(SERVICES, service) is None:
            raise MissingError("service", service)
        tx.delete(LEVEL_ORDERS, service)
        self._change(tx, caller, "restore", service, before, None, reason)
        self._plane.publish(
            tx,
            {
                "kind": "restore",
                "sequence": tx.next_sequence(),
                "service": service,
                "reason": reason,
                "for_service": None,
            },
        )

    def _change(
        self,
        tx: Transaction,
        caller: Caller,
        verb: str,
        service: str,
        before: LevelOrder | None,
        after: LevelOrder | None,
        reason: str,
    ) -> None:
        old, new = 0 if before is None else before.level, 0 if after is None else after.level
        tx.append(
            "degradation_changes",
            at=tx.now,
            service=service,
            old=old,
            new=new,
            reason=reason,
            automatic=caller is SYSTEM,
            changed_by=caller.identity.id,
        )
        tx.audit(
            caller.entry(
                f"degradation.{verb}",
                "service",
                service,
                at=tx.now,
                service=service,
                reason=reason,
                before=_document(before),
                after=_document(after),
            )
        )
        self._plane.tell(
            tx, "degradation.ordered", {"name": service, "old": old, "new": new, "reason": reason}, service=service
        )

    async def expire(self) -> None:
        """Let orders go whose time is over; replicas have ended them by themselves."""
        now = self._plane.now
        over = [order for order in self._plane.records.values(LEVEL_ORDERS) if order.expired(now)]
        if not over:
            return

        def decide(tx: Transaction) -> None:
            for order in over:
                if tx.get(LEVEL_ORDERS, order.service) is order:
                    tx.delete(LEVEL_ORDERS, order.service)
                    self._change(tx, SYSTEM, "expire", order.service, order, None, "its time is over")

        await self._plane.change(decide)


def _document(order: LevelOrder | None) -> dict[str, Any] | None:  # Any: JSON values
    if order is None:
        return None
    expires = None if order.expires_at is None else order.expires_at.isoformat()
    return {"level": DegradationLevel(order.level).name.lower(), "reason": order.reason, "expires_at": expires}
