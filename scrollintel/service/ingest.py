"""What replicas report, on its way to facts, metrics and the records that outlive a restart.

Reports change memory at once, on the event loop; what is to be kept is written in groups, once a second. When the
database is away, metrics are dropped oldest first and counted, while changes of state wait.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ..control.moments import moment
from ..control.records import CIRCUIT_STATES, CircuitStateRecord
from ..core.states import CircuitState
from ..replica.protocol import CircuitReport, PolicyReport
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import RowUpdate, Transaction
from .backlog import Backlog
from .counts import CircuitCounts, RetryCounts, risen
from .evidence import evidence_text
from .fleet import News, Session
from .grown import Grown
from .last_minute import LastMinute
from .plane import ControlPlane
from .reports import Report

MAX_PENDING = 50_000
"""Rows of each sort that wait for the database."""
MAX_INSTANCES = 20_000
"""Replicas that are known to have reported before; the one that reported longest ago is forgotten first."""
OPENED = frozenset({CircuitState.OPEN.value, CircuitState.ISOLATED.value})


class Ingest:
    """Takes reports in and writes what is to be kept."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._buckets: dict[tuple[str, int], CircuitCounts] = {}
        self._retries: dict[tuple[str, int], RetryCounts] = {}
        self._states: dict[tuple[str, str, str], CircuitStateRecord | None] = {}
        self._rows: Backlog[tuple[str, dict[str, Any]]] = Backlog(MAX_PENDING)  # Any: the columns' values
        self._resolved: Backlog[tuple[str, datetime]] = Backlog(MAX_PENDING)
        self._dropped_counts = 0
        self.grown = Grown()
        self.minute = LastMinute()
        self._instances: OrderedDict[str, None] = OrderedDict()
        self._has_former = False
        self.on_circuit: Callable[[str, CircuitReport], object] = lambda instance, report: None
        """Is told of every report of a circuit, with the replica that sends it."""
        self.on_transition: Callable[[dict[str, Any]], object] = lambda row: None
        """Is told of every change of a circuit's state, as a row of the history."""
        self.on_left: Callable[[str], object] = lambda instance: None
        """Is told of every replica that has left for good."""

    @property
    def dropped(self) -> int:
        """What was never written because too much waited for the database, since the start."""
        return self._dropped_counts + self._rows.dropped + self._resolved.dropped

    # ------------------------------------------------------------------ in

    def report(self, session: Session, report: Report) -> None:
        """Take a report of a replica in.

        What a process counted before it joined for the first time counts now. One that joins again begins where it
        stands: what it reported before was counted then.
        """
        plane = self._plane
        second = int(plane.clock.time())
        counts = session.reported_at != 0.0 or self._is_new(session.instance)
        former_policies = dict(session.policies)
        former_parts = [session.parts.known(part) for part in report.parts]
        if counts:
            self.grown.dropped(session.dropped, report.dropped)
        for news in plane.fleet.take(session, report):
            if counts:
                self._count(session, news, second)
                self.grown.circuit(session.service, news.before, news.now)
            if news.changed:
                self._remember(session, news.now)
            self.on_circuit(session.instance, news.now)
        for policy in report.policies:
            # One that is left out would begin anew with every report, and all it ever counted would be added again.
            if counts and policy.name in session.policies:
                before = former_policies.get(policy.name)
                self._count_retries(before, policy, second)
                self.grown.policy(session.service, before, policy)
        for was, part in zip(former_parts, report.parts, strict=True):
            if counts and session.parts.known(part) is part:
                self.grown.part(session.service, was, part)
        if report.durations:
            self.minute.add_durations(second, session.service, report.durations)
        for fact in report.facts:
            self._fact(session, fact)

    def _is_new(self, instance: str) -> bool:
        """Tell whether a replica reports for the first time ever; while the database was never read, nobody knows."""
        if not self._has_former and self._plane.serving:
            self._has_former = True
            for record in self._plane.records.values(CIRCUIT_STATES):
                self._instances.setdefault(record.replica)
        known = instance in self._instances
        self._instances[instance] = None
        self._instances.move_to_end(instance)
        if len(self._instances) > MAX_INSTANCES:
            self._instances.popitem(last=False)
        return self._has_former and not known

    def _count(self, session: Session, news: News, second: int) -> None:
        place = (news.now.name, second)
        bucket = self._buckets.get(place)
        if bucket is None:
            if len(self._buckets) >= MAX_PENDING:
                del self._buckets[next(iter(self._buckets))]
                self._dropped_counts += 1
            bucket = self._buckets[place] = CircuitCounts(session.service)
        bucket.add(session.instance, news)
        before, now = news
        failures = risen(0 if before is None else before.failures, now.failures)
        calls = failures + risen(0 if before is None else before.successes, now.successes)
        if calls:
            self.minute.add_calls(second, session.service, calls, failures)

    def _count_retries(self, before: PolicyReport | None, now: PolicyReport, second: int) -> None:
        place = (now.name, second - second % 10)
        counts = self._retries.get(place)
        if counts is None:
            if len(self._retries) >= MAX_PENDING:
                del self._retries[next(iter(self._retries))]
                self._dropped_counts += 1
            counts = self._retries[place] = RetryCounts()
        counts.add(before, now)

    def _remember(self, session: Session, report: CircuitReport) -> None:
        now = self._plane.now
        wait = report.retry_after
        record = CircuitStateRecord(
            circuit=report.name,
            key=report.key or "",
            replica=session.instance,
            service=session.service,
            state=report.state,
            reason=report.reason,
            since=moment(report.since),
            open_until=None if wait is None else now + timedelta(seconds=wait),
            successes=report.successes,
            failures=report.failures,
            consecutive_failures=report.consecutive_failures,
            last_failure_type=report.last_failure_type,
            last_failure_at=None if report.last_failure_at is None else moment(report.last_failure_at),
            reported_at=now,
        )
        self._states[record.circuit, record.key, record.replica] = record

    def forget(self, session: Session) -> None:
        """Let the records of a replica go that has left for good."""
        self.on_left(session.instance)
        for record in self._plane.records.values(CIRCUIT_STATES):
            if record.replica == session.instance:
                self._states[record.circuit, record.key, record.replica] = None

    def _fact(self, session: Session, fact: dict[str, Any]) -> None:  # Any: JSON values
        """Add a fact to the stream; a change of state is kept as well, with the calls that decided it."""
        event = str(fact.get("event", ""))
        origin = {"replica": session.instance, "replica_service": session.service}
        content = {name: value for name, value in fact.items() if name not in ("event", "service", "evidence")}
        self._plane.facts.tell(event, {**content, **origin}, service=session.service)
        if event != "circuit.state_changed":
            return
        self.grown.changed(session.service, fact["policy"])
        at = moment(fact["at"])
        row = {
            "at": at,
            "circuit": fact["policy"],
            "key": fact.get("key") or "",
            "replica": session.instance,
            "service": session.service,
            "old": fact["old"],
            "new": fact["new"],
            "reason": fact["reason"],
            "evidence": evidence_text(fact.get("evidence")),
        }
        self._rows.add(("circuit_transitions", row))
        self._plane.transitions.note(row)
        self.on_transition(row)
        if fact["new"] in OPENED and fact["old"] not in OPENED:
            self._rows.add(("system_failures", _failure(row)))
        elif fact["new"] == CircuitState.CLOSED.value:
            self._resolved.add((row["circuit"], at))

    # ------------------------------------------------------------------ out

    async def flush(self) -> None:
        """Write what has gathered, but for the second that is still running."""
        second = int(self._plane.clock.time())
        buckets = {place: item for place, item in self._buckets.items() if place[1] < second}
        retries = {place: item for place, item in self._retries.items() if place[1] + 10 <= second}
        states, rows, resolved = dict(self._states), self._rows.take(), self._resolved.take()
        if not (buckets or retries or states or rows or resolved):
            return

        def decide(tx: Transaction) -> None:
            for place, record in states.items():
                if record is None:
                    tx.delete(CIRCUIT_STATES, place)
                else:
                    tx.put(CIRCUIT_STATES, record)
            for table, row in rows:
                tx.append(table, **row)
            for circuit, at in resolved:
                lasting = {"circuit": circuit, "resolved_at": None}
                tx.update(RowUpdate("system_failures", lasting, {"resolved_at": at}, {"at": at}))
            for (name, start), bucket in buckets.items():
                tx.append("fault_tolerance_metrics", **bucket.row(name, start))
            for (name, start), counts in retries.items():
                tx.append("retry_statistics", **counts.row(name, start))

        try:
            await self._plane.change(decide)
        except BaseException as error:
            self._rows.put_back(rows)
            self._resolved.put_back(resolved)
            if isinstance(error, StoreUnavailableError):
                return
            raise
        for place in buckets:
            self._buckets.pop(place, None)
        for place in retries:
            self._retries.pop(place, None)
        for circuit, record in states.items():
            if self._states.get(circuit) is record:
                del self._states[circuit]


def _failure(row: dict[str, Any]) -> dict[str, Any]:  # Any: the columns' values
    return {
        "at": row["at"],
        "service": row["service"],
        "circuit": row["circuit"],
        "kind": f"circuit_{row['new']}",
        "severity": "warning",
        "detail": row["reason"],
        "resolved_at": None,
        "recovery_id": None,
    }
