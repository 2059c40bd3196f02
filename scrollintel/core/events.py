"""Every fact that the engine tells, as a frozen object with a stable name and a severity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from typing import Any, ClassVar

from .config.degradation import DegradationLevel
from .errors import FailureSummary
from .evidence import Evidence
from .states import CircuitState


class Severity(StrEnum):
    """How much a fact should worry its reader."""

    DEBUG = "debug"
    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one policy.

    Arguments:
        policy: Name of the policy, circuit or service.
        at: Seconds since 1970-01-01 UTC.
        sequence: Number given by the hub; the order of numbers is the order of facts.
    """

    event_name: ClassVar[str] = "event"
    severity: ClassVar[Severity] = Severity.INFORMATION

    policy: str
    at: float
    sequence: int = 0

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the fact as JSON values, with its name and severity; free texts of failures are left out."""
        fields = {key: value.value if isinstance(value, Enum) else value for key, value in asdict(self).items()}
        failure = getattr(self, "last_failure", None)
        if isinstance(failure, FailureSummary):
            fields["last_failure"] = failure.to_dict()
        evidence = getattr(self, "evidence", None)
        if isinstance(evidence, Evidence):
            fields["evidence"] = evidence.to_dict()
        return {"event": self.event_name, "severity": self.severity.value, **fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """A circuit moved to another state; exactly one event per transition.

    `evidence` holds the calls that decided it, or None when an order or time alone did.
    """

    event_name: ClassVar[str] = "circuit.state_changed"
    severity: ClassVar[Severity] = Severity.WARNING

    old: CircuitState
    new: CircuitState
    reason: str
    era: int
    key: str | None = None
    retry_after: float | None = None
    last_failure: FailureSummary | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldHaveOpened(Event):
    """A circuit in metrics-only mode met the conditions for opening."""

    event_name: ClassVar[str] = "circuit.would_have_opened"
    severity: ClassVar[Severity] = Severity.WARNING

    reason: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected(Event):
    """A layer refused an attempt or a call.

    `layer` is breaker, throttle, rate_limit, bulkhead, limit, metastability or deadline, and admission in a server.
    """

    event_name: ClassVar[str] = "call.rejected"
    severity: ClassVar[Severity] = Severity.ERROR

    layer: str
    retry_after: float | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(Event):
    """An adaptive limit went from `old` to `new` slots since the last such event; at most one a second."""

    event_name: ClassVar[str] = "limit.changed"

    old: int
    new: int
    running: int
    waiting: int
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleChanged(Event):
    """A throttle began to refuse a `share` of the attempts, or stopped (`active` is False)."""

    event_name: ClassVar[str] = "throttle.changed"
    severity: ClassVar[Severity] = Severity.WARNING

    active: bool
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimedOut(Event):
    """An attempt did not finish within `timeout` seconds; `abandoned` tells whether a thread still runs it."""

    event_name: ClassVar[str] = "call.timed_out"
    severity: ClassVar[Severity] = Severity.ERROR

    timeout: float
    attempt: int
    abandoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(Event):
    """Attempt `attempt` failed and the next one follows after `delay` seconds."""

    event_name: ClassVar[str] = "retry.scheduled"
    severity: ClassVar[Severity] = Severity.WARNING

    attempt: int
    delay: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryGivenUp(Event):
    """No further attempt follows; `reason` is attempts, repeatable, circuit, elapsed, deadline, budget, outer or
    retry_after."""

    event_name: ClassVar[str] = "retry.given_up"
    severity: ClassVar[Severity] = Severity.ERROR

    attempts: int
    elapsed: float
    reason: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeLaunched(Event):
    """A further attempt was sent beside the running ones."""

    event_name: ClassVar[str] = "hedge.launched"
    severity: ClassVar[Severity] = Severity.WARNING

    attempt: int
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackUsed(Event):
    """A fallback answered; `index` is its place in the chain, `kind` its name or "stale"."""

    event_name: ClassVar[str] = "fallback.used"
    severity: ClassVar[Severity] = Severity.WARNING

    index: int
    kind: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackFailed(Event):
    """A fallback raised an error itself."""

    event_name: ClassVar[str] = "fallback.failed"
    severity: ClassVar[Severity] = Severity.ERROR

    index: int
    kind: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackCold(Event):
    """A fallback has not worked lately, so it would fail the call that needs it; `reason` says what is known."""

    event_name: ClassVar[str] = "fallback.cold"
    severity: ClassVar[Severity] = Severity.WARNING

    index: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackWarm(Event):
    """A fallback that was cold has worked."""

    event_name: ClassVar[str] = "fallback.warm"

    index: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChanged(Event):
    """A service moved to another degradation level."""

    event_name: ClassVar[str] = "degradation.level_changed"
    severity: ClassVar[Severity] = Severity.WARNING

    old: DegradationLevel
    new: DegradationLevel
    reason: str
    automatic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SheddingChanged(Event):
    """A server serves requests from level `new` on, of `levels`; 0 means all of them."""

    event_name: ClassVar[str] = "admission.shedding_changed"
    severity: ClassVar[Severity] = Severity.WARNING

    old: int
    new: int
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetastableSuspected(Event):
    """An overload seems to keep itself alive; `reason` says in one sentence what is seen and what is usual."""

    event_name: ClassVar[str] = "metastable.suspected"
    severity: ClassVar[Severity] = Severity.WARNING

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetastableShedding(Event):
    """A `share` of the calls passes from now on, the most critical ones, so that an overload can end."""

    event_name: ClassVar[str] = "metastable.shedding"
    severity: ClassVar[Severity] = Severity.ERROR

    share: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetastableOver(Event):
    """An overload that kept itself alive, or seemed to, is over; all calls pass."""

    event_name: ClassVar[str] = "metastable.over"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReplaced(Event):
    """A policy runs with another configuration; `changed` names the parts."""

    event_name: ClassVar[str] = "policy.replaced"

    changed: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEjected(Event):
    """A host of a pool was taken out for `seconds`, its `ejections`-th time in a row; `policy` names the pool."""

    event_name: ClassVar[str] = "host.ejected"
    severity: ClassVar[Severity] = Severity.WARNING

    host: str
    reason: str
    seconds: float
    ejections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReturned(Event):
    """A host of a pool is admitted again; `policy` names the pool."""

    event_name: ClassVar[str] = "host.returned"

    host: str


CHANGES = (
    StateChanged, WouldHaveOpened, LevelChanged, PolicyReplaced, HostEjected, HostReturned, MetastableSuspected,
    MetastableShedding, MetastableOver, FallbackCold, FallbackWarm,
)  # fmt: skip
"""Facts about states and configurations; all others are about single calls."""
