"""What replicas report, on its way to facts, metrics and the records that outlive a restart.

Reports change memory at once, on the event loop; what is to be kept is written in groups, once a second. When the
database is away, metrics are dropped oldest first and counted, while changes of state wait.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..control.moments import moment
from ..control.records import CIRCUIT_STATES, CircuitStateRecord
from ..core.states import CircuitState
from ..replica.protocol import CircuitReport, PolicyReport
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import RowUpdate, Transaction
from .fleet import News, Report, Session
from .plane import ControlPlane

MAX_PENDING = 50_000
"""Rows of each sort that wait for the database."""
MAX_INSTANCES = 20_000
"""Replicas that are known to have reported before; the one that reported longest ago is forgotten first."""
OPENED = frozenset({CircuitState.OPEN.value, CircuitState.ISOLATED.value})


@dataclass(slots=True)
class _Bucket:
    """What happened to one circuit within one second, over all replicas."""

    service: str
    successes: int = 0
    failures: int = 0
    slow: int = 0
    rejections: int = 0
    timeouts: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None
    weighted: float = 0.0
    weight: int = 0
    replicas: set[str] = field(default_factory=set)

    def add(self, session: Session, news: News) -> None:
        """Add the difference between two reports of a replica."""
        before, now = news
        calls = 0
        for name in ("successes", "failures", "slow", "rejections", "timeouts"):
            value = _risen(0 if before is None else getattr(before, name), getattr(now, name))
            setattr(self, name, getattr(self, name) + value)
            if name in ("successes", "failures"):
                calls += value
        if calls and now.mean is not None:
            self.weighted += now.mean * calls
            self.weight += calls
        for name in ("p50", "p95", "p99", "maximum"):
            value = getattr(now, name)
            known = getattr(self, name)
            if value is not None and (known is None or value > known):
                setattr(self, name, value)
        self.replicas.add(session.instance)


@dataclass(slots=True)
class _Retries:
    """What a policy's retries, hedges and fallbacks did within ten seconds, over all replicas."""

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    given_up: int = 0
    hedges: int = 0
    fallbacks: int = 0
    budget: float | None = None


def _risen(before: int, now: int) -> int:
    """Return by how much a counter has risen; one that fell was reset and began anew."""
    return now - before if now >= before else now


class Ingest:
    """Takes reports in and writes what is to be kept."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._buckets: dict[tuple[str, int], _Bucket] = {}
        self._retries: dict[tuple[str, int], _Retries] = {}
        self._states: dict[tuple[str, str, str], CircuitStateRecord | None] = {}
        self._rows: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_PENDING)  # Any: the columns' values
        self._resolved: deque[tuple[str, datetime]] = deque(maxlen=MAX_PENDING)
        self.dropped = 0
        self._minute: deque[tuple[int, str, int, int]] = deque(maxlen=200_000)
        self._instances: OrderedDict[str, None] = OrderedDict()
        self._has_former = False

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
        for news in plane.fleet.take(session, report):
            if counts:
                self._count(session, news, second)
            if news.changed:
                self._remember(session, news.now)
        for policy in report.policies:
            if counts:
                self._count_retries(former_policies.get(policy.name), policy, second)
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
                self.dropped += 1
            bucket = self._buckets[place] = _Bucket(session.service)
        bucket.add(session, news)

    def _count_retries(self, before: PolicyReport | None, now: PolicyReport, second: int) -> None:
        place = (now.name, second - second % 10)
        counts = self._retries.get(place)
        if counts is None:
            if len(self._retries) >= MAX_PENDING:
                del self._retries[next(iter(self._retries))]
                self.dropped += 1
            counts = self._retries[place] = _Retries()
        for figure in ("calls", "attempts", "retries", "given_up", "hedges", "fallbacks"):
            risen = _risen(0 if before is None else getattr(before, figure), getattr(now, figure))
            setattr(counts, figure, getattr(counts, figure) + risen)
        if now.budget is not None:
            counts.budget = now.budget if counts.budget is None else min(counts.budget, now.budget)

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
        for record in self._plane.records.values(CIRCUIT_STATES):
            if record.replica == session.instance:
                self._states[record.circuit, record.key, record.replica] = None

    def _fact(self, session: Session, fact: dict[str, Any]) -> None:  # Any: JSON values
        """Add a fact to the stream; a change of state is kept as well."""
        event = str(fact.get("event", ""))
        origin = {"replica": session.instance, "replica_service": session.service}
        content = {name: value for name, value in fact.items() if name not in ("event", "service")}
        self._plane.facts.tell(event, {**content, **origin}, service=session.service)
        if event != "circuit.state_changed":
            return
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
        }
        self._rows.append(("circuit_transitions", row))
        self._plane.transitions.note(row)
        if fact["new"] in OPENED and fact["old"] not in OPENED:
            self._rows.append(("system_failures", _failure(row)))
        elif fact["new"] == CircuitState.CLOSED.value:
            self._resolved.append((row["circuit"], at))

    def last_minute(self, sees: Callable[[str], bool]) -> tuple[int, int]:
        """Return the calls and failures of the last minute, of services that `sees` tells."""
        begin = int(self._plane.clock.time()) - 60
        calls = failures = 0
        for second, service, successes, failed in self._minute:
            if second >= begin and sees(service):
                calls += successes + failed
                failures += failed
        return calls, failures

    # ------------------------------------------------------------------ out

    async def flush(self) -> None:
        """Write what has gathered, but for the second that is still running."""
        second = int(self._plane.clock.time())
        buckets = {place: item for place, item in self._buckets.items() if place[1] < second}
        retries = {place: item for place, item in self._retries.items() if place[1] + 10 <= second}
        states, rows, resolved = dict(self._states), list(self._rows), list(self._resolved)
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
                tx.append("fault_tolerance_metrics", **_metrics_row(name, start, bucket))
            for (name, start), counts in retries.items():
                tx.append("retry_statistics", **_retry_row(name, start, counts))

        try:
            await self._plane.change(decide)
        except StoreUnavailableError:
            return
        for place, bucket in buckets.items():
            self._buckets.pop(place, None)
            self._minute.append((place[1], bucket.service, bucket.successes, bucket.failures))
        for place in retries:
            self._retries.pop(place, None)
        for circuit, record in states.items():
            if self._states.get(circuit) is record:
                del self._states[circuit]
        for _ in range(min(len(rows), len(self._rows))):
            self._rows.popleft()
        for _ in range(min(len(resolved), len(self._resolved))):
            self._resolved.popleft()


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


def _metrics_row(name: str, start: int, bucket: _Bucket) -> dict[str, Any]:  # Any: the columns' values
    return {
        "circuit": name,
        "resolution": 1,
        "bucket_start": moment(start),
        "service": bucket.service,
        "successes": bucket.successes,
        "failures": bucket.failures,
        "slow": bucket.slow,
        "rejections": bucket.rejections,
        "timeouts": bucket.timeouts,
        "p50": bucket.p50,
        "p95": bucket.p95,
        "p99": bucket.p99,
        "mean": bucket.weighted / bucket.weight if bucket.weight else None,
        "max": bucket.maximum,
        "replicas": len(bucket.replicas),
    }


def _retry_row(name: str, start: int, counts: _Retries) -> dict[str, Any]:  # Any: the columns' values
    return {
        "policy": name,
        "resolution": 10,
        "bucket_start": moment(start),
        "calls": counts.calls,
        "attempts": counts.attempts,
        "retries": counts.retries,
        "given_up": counts.given_up,
        "hedges": counts.hedges,
        "fallbacks": counts.fallbacks,
        "budget": counts.budget,
    }
