"""The platform's own alerts: looked for again and again, told once, remembered over a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...control.alert_machine import Alert, AlertMachine
from ...control.alerts import TOLD_ALERTS, AlertName, AlertRules, Condition, Labels, ToldAlertRecord
from ...security.access import Permission
from ...storage.transaction import Transaction
from ...storage.writer import WriterState
from ...telemetry.notify.notice import Notice
from ..caller import Caller
from ..plane import ControlPlane
from .gathering import Gathering
from .messages import notice_of
from .silences import Silences

PATIENCE = 60.0
"""Seconds after the start for which the database is waited for, which knows what people were told before."""
OF_ITSELF = frozenset({AlertName.PLATFORM_DEGRADED, AlertName.AUDIT_CHAIN_BROKEN})
"""Alerts about the control plane itself, which wait for nothing."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert as it is shown: with the moments that belong to it."""

    alert: Alert
    since: datetime
    fired_at: datetime | None
    told_at: datetime | None


class Alerting:
    """Owns the alerts of this control plane. Everything on the event loop.

    Arguments:
        plane: The control plane.
        gathering: Gives what is true.
        silences: Gives what is silenced.
        send: Takes notices; never waits.
        rules: When there is an alert, and how often people hear of it.
    """

    def __init__(
        self,
        plane: ControlPlane,
        gathering: Gathering,
        silences: Silences,
        send: Callable[[Notice], object],
        rules: AlertRules,
    ) -> None:
        self._plane = plane
        self._gathering = gathering
        self._silences = silences
        self._send = send
        self._rules = rules
        self._machine = AlertMachine(rules)
        self._recalled = False
        self._begun = plane.clock.monotonic()
        self._is_stopped = False

    def stop(self) -> None:
        """Look no more: what would be found now could not be told any more, and would count as told."""
        self._is_stopped = True

    @property
    def rules(self) -> AlertRules:
        """When there is an alert, and how often people hear of it."""
        return self._rules

    @rules.setter
    def rules(self, rules: AlertRules) -> None:
        self._rules = self._machine.rules = rules

    @property
    def left_out(self) -> int:
        """Alerts that are not followed because there are too many."""
        return self._machine.left_out

    # ------------------------------------------------------------------ looking

    async def look(self) -> None:
        """Look once; while another control plane serves, nothing is looked at and nobody told."""
        plane = self._plane
        if self._is_stopped:
            return
        if plane.writer.state is WriterState.STANDBY:
            if self._recalled or self._machine.alerts:
                self._machine, self._recalled = AlertMachine(self._rules), False
            return
        if plane.serving and not self._recalled:
            self._recall()
        now, rules = plane.clock.monotonic(), self._rules
        conditions = self._gathering.conditions(rules) if rules.enabled else []
        if not self._recalled and now - self._begun < PATIENCE:
            conditions = [condition for condition in conditions if condition.labels.name in OF_ITSELF]
        blind = self._gathering.blind() if rules.enabled else frozenset()
        messages = self._machine.look(now, conditions, self._silences.silencing, blind)
        for event, alert in self._machine.news:
            self._tell(event, alert)
        for message in messages:
            self._send(notice_of(message, plane.now, rules.runbook_url))
        self._keep(now)

    def took(self, row: dict[str, Any]) -> None:  # Any: the columns' values
        """Take a change of a circuit's state."""
        self._gathering.openings.note(row, self._plane.clock.monotonic())

    def _tell(self, event: str, alert: Alert) -> None:
        labels, condition = alert.labels, alert.condition
        data = {
            "at": self._plane.now.isoformat(), "name": labels.name.value, "fingerprint": labels.fingerprint,
            "target": labels.target, "variant": labels.variant, "severity": condition.severity,
            "summary": condition.summary,
        }  # fmt: skip
        self._plane.facts.tell(f"alert.{event}", data, service=labels.service)

    # ------------------------------------------------------------------ over a restart

    def _recall(self) -> None:
        """Take over what people were told in the life before, or by the control plane that served before."""
        now, monotonic = self._plane.now, self._plane.clock.monotonic()

        def then(moment: datetime) -> float:
            return monotonic - max(0.0, (now - moment).total_seconds())

        told = []
        for record in self._plane.records.values(TOLD_ALERTS):
            if record.name not in set(AlertName):
                continue  # of a later version, which has been replaced by this one
            labels = Labels(AlertName(record.name), record.service, record.target, record.variant)
            condition = Condition(
                labels=labels, severity=record.severity, summary=record.summary, evidence=record.evidence
            )
            alert = Alert(
                condition,
                then(record.since),
                then(record.fired_at),
                told=then(record.told_at),
                told_severity=record.severity,
            )
            told.append((alert, record.group_severity))
        self._machine.restore(monotonic, told)
        self._gathering.recall()
        self._recalled = True

    def _keep(self, now: float) -> None:
        """Write what people have been told and what has been resolved, where the database has it otherwise."""
        plane = self._plane
        if not plane.serving or not self._recalled or plane.database.full or plane.distrust is not None:
            return
        known, told = plane.records.table(TOLD_ALERTS), self._machine.told()
        records = {name: self._record(now, alert) for name, alert in told.items()}
        fresh = [record for name, record in records.items() if _differs(known.get(name), record)]
        gone = [name for name in list(known) if name not in told]
        if not fresh and not gone:
            return

        def decide(tx: Transaction) -> None:
            for record in fresh:
                tx.put(TOLD_ALERTS, record)
            for name in gone:
                tx.delete(TOLD_ALERTS, name)

        plane.writer.change_unheard(decide)

    def _record(self, now: float, alert: Alert) -> ToldAlertRecord:
        labels, condition, view = alert.labels, alert.condition, self._view(now, alert)
        assert view.fired_at is not None and view.told_at is not None
        return ToldAlertRecord(
            fingerprint=labels.fingerprint,
            name=labels.name.value,
            service=labels.service,
            target=labels.target,
            variant=labels.variant,
            severity=alert.told_severity,
            summary=condition.summary,
            evidence=condition.evidence,
            since=view.since,
            fired_at=view.fired_at,
            told_at=view.told_at,
            group_severity=self._machine.group_severity(alert),
        )

    # ------------------------------------------------------------------ showing

    def visible(self, caller: Caller) -> list[AlertView]:
        """Return the alerts that the caller may see, in no order."""
        now = self._plane.clock.monotonic()
        return [
            self._view(now, alert)
            for alert in self._machine.alerts.values()
            if caller.sees(Permission.HEALTH_READ, alert.labels.service)
        ]

    def _view(self, now: float, alert: Alert) -> AlertView:
        def moment(then: float | None) -> datetime | None:
            return None if then is None else self._plane.now - timedelta(seconds=now - then)

        since = moment(alert.since)
        assert since is not None
        return AlertView(alert, since, moment(alert.fired), moment(alert.told))


def _differs(known: ToldAlertRecord | None, record: ToldAlertRecord) -> bool:
    """Tell whether people have been told something since; monotonic and wall clock differ by less than a second."""
    if known is None or (known.severity, known.group_severity) != (record.severity, record.group_severity):
        return True
    return abs((known.told_at - record.told_at).total_seconds()) > 1.0
