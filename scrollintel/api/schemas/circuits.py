"""Circuit breakers as the API shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ...control.circuit_view import CircuitWhole, ReplicaCircuit, explain, mean, worst_quantile
from ...control.moments import moment
from ...control.records import PolicyRecord
from .bodies import CircuitBreakerBody, ServiceName, Strict, Text


class CircuitBreakerCreate(Strict):
    """A circuit breaker to put in force on all replicas, or on those of one service."""

    configuration: CircuitBreakerBody
    service: ServiceName | None = None
    reason: Text | None = None


class CircuitBreakerUpdate(CircuitBreakerCreate):
    """A configuration that replaces the present one; `service` null means all replicas."""


class Counters(BaseModel):
    """Sums over all replicas since each started or was reset; in calls."""

    successes: int
    failures: int
    slow: int
    rejections: int
    timeouts: int
    late: int
    ignored: int
    abandoned: int


class ResponseTimes(BaseModel):
    """Response times in seconds; quantiles are the largest of any replica, an upper bound of the whole's."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    maximum: float | None


class Failure(BaseModel):
    """The failure seen last; its text stays in the application."""

    type: str
    at: datetime


class Configured(BaseModel):
    """The configuration that the control plane has put in force, with its revision."""

    revision: int
    service: str | None
    source: str
    changed_at: datetime
    changed_by: str
    reason: str | None
    configuration: dict[str, Any] | None


class Order(BaseModel):
    """A standing order of an operator."""

    order: str
    reason: str
    since: datetime
    by: str


class OnReplica(BaseModel):
    """The circuit on one replica, of one key if it has keys."""

    replica: str
    service: str
    host: str | None
    key: str | None
    state: str
    reason: str
    since: datetime
    age: float = Field(description="seconds since its last report")
    stale: bool
    next_probe: float | None = Field(description="seconds")
    consecutive_failures: int
    successes: int
    failures: int
    rejections: int
    p99: float | None


class DecidingCall(BaseModel):
    """One call that was weighed; what is null was not noted, because the call succeeded or lies too far back."""

    outcome: str = Field(description="success, failure or slow")
    error: str | None = Field(description='class of the error, or "result" for a value that counts as a failure')
    at: datetime | None
    seconds: float | None = Field(description="how long it took")


class DecidingSpan(BaseModel):
    """The calls of a part of a time window."""

    start: datetime
    calls: int
    failures: int
    slow: int


class Evidence(BaseModel):
    """The calls that decided a change of state."""

    rule: str = Field(description="consecutive, count, time, count_in_time, or probes")
    total: int = Field(description="calls that were weighed")
    failures: int
    slow: int
    calls: list[DecidingCall] = Field(
        description="the newest 20, oldest first; of a window of time those that failed or were slow"
    )
    spans: list[DecidingSpan] = Field(description="a window of time in parts, oldest first, empty ones left out")


class Change(BaseModel):
    """A change of state on one replica."""

    at: datetime
    replica: str
    key: str | None
    old: str
    new: str
    reason: str
    evidence: Evidence | None = Field(
        description="null when an order or time alone decided it, and of all but the newest changes"
    )


class CircuitSummary(BaseModel):
    """One line of the list of circuits."""

    name: str
    services: list[str]
    state: str
    why: str
    since: datetime | None
    replicas: int
    stale_replicas: int
    states: dict[str, int]
    next_probe: float | None = Field(description="seconds")
    counters: Counters
    response_times: ResponseTimes
    last_failure: Failure | None
    revision: int | None
    operable: bool = Field(
        description="whether you may isolate, close and reset it now: "
        "that takes `circuits.operate` for every service that uses it, those included that you may not see"
    )


class CircuitDetail(CircuitSummary):
    """One circuit in full."""

    configured: Configured | None
    order: Order | None
    on_replicas: list[OnReplica]
    transitions: list[Change]


class CircuitPage(BaseModel):
    """A page of circuits."""

    items: list[CircuitSummary]
    next_cursor: str | None


class CircuitOperation(BaseModel):
    """What an operator ordered; `journalled` when the database is down and the order lies in a local file for later."""

    circuit: str
    order: str
    reason: str
    sequence: int
    journalled: bool


COUNTERS = ("successes", "failures", "slow", "rejections", "timeouts", "late", "ignored", "abandoned")


def summary(whole: CircuitWhole) -> dict[str, Any]:  # Any: JSON values
    """Return a `CircuitSummary`."""
    parts = whole.parts
    deciding = whole.deciding
    failed = [part.report for part in parts if part.report.last_failure_at is not None]
    last = max(failed, key=lambda report: report.last_failure_at or 0.0, default=None)
    services = {part.service for part in parts}
    if whole.service is not None:
        services.add(whole.service)
    return {
        "name": whole.name,
        "services": sorted(services),
        "state": whole.state.value,
        "why": explain(whole),
        "since": None if deciding is None else moment(deciding.report.since),
        "replicas": len({part.replica for part in parts}),
        "stale_replicas": len({part.replica for part in parts if part.stale}),
        "states": whole.states(),
        "next_probe": whole.next_probe,
        "counters": {name: whole.total(name) for name in COUNTERS},
        "response_times": {
            "mean": mean(parts),
            "p50": worst_quantile(parts, "p50"),
            "p95": worst_quantile(parts, "p95"),
            "p99": worst_quantile(parts, "p99"),
            "maximum": worst_quantile(parts, "maximum"),
        },
        "last_failure": None
        if last is None
        else {"type": last.last_failure_type or "", "at": moment(last.last_failure_at or 0.0)},
        "revision": None if whole.policy is None else whole.policy.revision,
        "operable": whole.operable,
    }


def detail(whole: CircuitWhole, transitions: list[dict[str, Any]]) -> dict[str, Any]:  # Any: JSON values
    """Return a `CircuitDetail`."""
    order = whole.order
    return {
        **summary(whole),
        "configured": None if whole.policy is None else configured(whole.policy),
        "order": None
        if order is None
        else {"order": order.order, "reason": order.reason, "since": order.since, "by": order.changed_by},
        "on_replicas": [_on_replica(part) for part in whole.parts],
        "transitions": [{**row, "evidence": _evidence(row["evidence"])} for row in transitions],
    }


def _evidence(text: str | None) -> dict[str, Any] | None:  # Any: JSON values
    """Return an `Evidence` from what is kept of it."""
    if text is None:
        return None
    found: dict[str, Any] = json.loads(text)
    for call in found["calls"]:
        call["at"] = None if call["at"] is None else moment(call["at"])
    for span in found["spans"]:
        span["start"] = moment(span["start"])
    return found


def operation(name: str, verb: str, reason: str, sequence: int, *, journalled: bool = False) -> dict[str, Any]:
    """Return a `CircuitOperation`; Any: JSON values."""
    return {"circuit": name, "order": verb, "reason": reason, "sequence": sequence, "journalled": journalled}


def configured(record: PolicyRecord) -> dict[str, Any]:  # Any: JSON values
    """Return a `Configured`."""
    return {
        "revision": record.revision,
        "service": record.service,
        "source": record.source.value,
        "changed_at": record.changed_at,
        "changed_by": record.changed_by,
        "reason": record.reason,
        "configuration": record.content.get("breaker"),
    }


def _on_replica(part: ReplicaCircuit) -> dict[str, Any]:  # Any: JSON values
    report = part.report
    return {
        "replica": part.replica,
        "service": part.service,
        "host": part.host,
        "key": report.key,
        "state": report.state,
        "reason": report.reason,
        "since": moment(report.since),
        "age": round(part.age, 3),
        "stale": part.stale,
        "next_probe": part.retry_after,
        "consecutive_failures": report.consecutive_failures,
        "successes": report.successes,
        "failures": report.failures,
        "rejections": report.rejections,
        "p99": report.p99,
    }


_SEVERITY = ("isolated", "open", "half_open", "closed", "metrics_only", "disabled")

SORTS: dict[str, Callable[[CircuitWhole], tuple[Any, ...]]] = {
    "name": lambda whole: (whole.name,),
    "state": lambda whole: (_SEVERITY.index(whole.state.value), whole.name),
    "failures": lambda whole: (-whole.total("failures"), whole.name),
    "rejections": lambda whole: (-whole.total("rejections"), whole.name),
}
"""What a list of circuits can be sorted by; the worst comes first."""

SORT_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "state": (int, str),
    "failures": (int, str),
    "rejections": (int, str),
}
