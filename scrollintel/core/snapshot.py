"""Read-only views of what a policy has done and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import FailureSummary
from .evidence import Evidence
from .states import CircuitState, StateChange


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes:
    """Quantiles of response times in seconds, with at most 3 % relative error; None without a sample."""

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of attempts and calls since the start or the last reset.

    `successes`, `failures`, `ignored`, `abandoned` and `late` count attempts by how they ended; `timeouts` are
    failures as well. `rejections` count attempts that did not start. `retries`, `hedges` and `fallbacks` count
    what the policy did about it; `fallback_uses` splits the last by name.
    """

    successes: int = 0
    failures: int = 0
    slow: int = 0
    ignored: int = 0
    abandoned: int = 0
    late: int = 0
    rejections: int = 0
    timeouts: int = 0
    retries: int = 0
    hedges: int = 0
    fallbacks: int = 0
    fallback_uses: Mapping[str, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Attempts that ran to an end that counts."""
        return self.successes + self.failures

    @property
    def failure_rate(self) -> float | None:
        """Share of failures among the attempts that count, or None without one."""
        return self.failures / self.calls if self.calls else None


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the sums of the counts of several circuits."""
    listed = list(tallies)

    def total(name: str) -> int:
        return sum(getattr(tally, name) for tally in listed)

    return Tally(
        successes=total("successes"),
        failures=total("failures"),
        slow=total("slow"),
        ignored=total("ignored"),
        abandoned=total("abandoned"),
        late=total("late"),
        rejections=total("rejections"),
        timeouts=total("timeouts"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSnapshot:
    """How one circuit stands.

    Attributes:
        name, key: Name of the policy; key of the circuit within it, or None.
        state, reason, since: Present state, why it was entered, and when (seconds since 1970-01-01 UTC).
        retry_after: Seconds until the next probe, or None when the circuit is not open.
        consecutive_failures: Failures in a row.
        window_calls, window_failures, window_slow: What the window holds, zeros without one.
        probes_in_flight, probe_successes: Of the present half-open period.
        openings: Openings in a row without a close between them.
        ramp_allowed: Calls that a success-driven ramp admits at once, or None without one; `probes_in_flight` then
            counts those.
        ramp_left: Seconds until a ramp by time is over, or None without one.
        tally, response_times, last_failure, history: As named.
        health_probes, health_probe_failures, health_probe_error: Questions of the health probe so far, those that were
            not answered with yes, and the latest of their errors.
        evidence: The calls that made it open or close last, or None when an order did.
    """

    name: str
    key: str | None
    state: CircuitState
    reason: str
    since: float
    retry_after: float | None
    consecutive_failures: int
    window_calls: int
    window_failures: int
    window_slow: int
    probes_in_flight: int
    probe_successes: int
    openings: int
    would_have_opened: int
    tally: Tally
    response_times: ResponseTimes
    last_failure: FailureSummary | None
    history: tuple[StateChange, ...]
    evidence: Evidence | None = None
    ramp_allowed: int | None = None
    ramp_left: float | None = None
    health_probes: int = 0
    health_probe_failures: int = 0
    health_probe_error: FailureSummary | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the snapshot as JSON values; the free text of the last failure is left out."""
        result = asdict(self)
        result["state"] = self.state.value
        result["history"] = [{**c._asdict(), "old": c.old.value, "new": c.new.value} for c in self.history]
        result["last_failure"] = None if self.last_failure is None else self.last_failure.to_dict()
        told = self.health_probe_error
        result["health_probe_error"] = None if told is None else told.to_dict()
        result["evidence"] = None if self.evidence is None else self.evidence.to_dict()
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSnapshot:
    """How one adaptive limit stands.

    Attributes:
        key: Its key within the policy, or None for one limit of the whole policy.
        limit: Slots.
        running, waiting: Slots in use, and attempts in line.
        baseline: The learnt response time in seconds, or None until there is one.
    """

    key: str | None
    limit: int
    running: int
    waiting: int
    baseline: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetastabilitySnapshot:
    """How the detector of metastable failures stands.

    Attributes:
        phase: learning, normal, suspected, shedding or releasing.
        share: Share of the calls that passes; 1 unless calls are shed.
        reason: Why it is in that phase; empty at the start.
        running, rejections: Calls in flight, and calls that were shed so far.
        goodput, rate, attempts: What the latest judgement saw: the share of calls that succeed, calls a second, and
            attempts for each call.
        usual_goodput, usual_rate, usual_attempts, usual_running: What is usual.
    """

    phase: str
    share: float
    reason: str
    running: int
    rejections: int
    goodput: float
    usual_goodput: float
    rate: float
    usual_rate: float
    attempts: float
    usual_attempts: float
    usual_running: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSnapshot:
    """What is known of a fallback that runs beside calls now and then.

    Attributes:
        index, kind: Its place in the chain, and its name.
        runs: Runs beside calls that began.
        worked, failed, late: How they ended.
        compared, agreed: Those whose answer was compared with the real one, and those that agreed with it.
        last_worked: When it worked last, also for a real call, in seconds since 1970-01-01 UTC; None for never.
        cold: Whether it is taken for one that would fail; `reason` says why, and is empty when it is not cold.
    """

    index: int
    kind: str
    runs: int
    worked: int
    failed: int
    late: int
    compared: int
    agreed: int
    last_worked: float | None
    cold: bool
    reason: str

    @property
    def agreement(self) -> float | None:
        """Share of the compared answers that agreed, or None without one."""
        return self.agreed / self.compared if self.compared else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySnapshot:
    """How one policy stands: its counts, its circuits and its queues.

    `circuits` holds one entry for an ordinary policy and one per key for a keyed one. `running` and `waiting`
    are those of the bulkhead, `permits` those of the rate limit, `budget` the tokens of the retry budget;
    None where the policy has no such part. `limits` holds the adaptive limit, or one per key; `throttled` is the share
    of ordinary attempts that the throttle refuses. `abandoned_threads` run operations that timed out.
    """

    name: str
    revision: int
    state: CircuitState | None
    since: float | None
    tally: Tally
    response_times: ResponseTimes
    last_failure: FailureSummary | None
    retry_after: float | None
    circuits: tuple[CircuitSnapshot, ...]
    running: int | None = None
    waiting: int | None = None
    permits: float | None = None
    budget: float | None = None
    limits: tuple[LimitSnapshot, ...] = ()
    throttled: float | None = None
    abandoned_threads: int = 0
    metastability: MetastabilitySnapshot | None = None
    fallbacks: tuple[FallbackSnapshot, ...] = ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the snapshot as JSON values; free texts of failures are left out."""
        result = asdict(self)
        result["state"] = None if self.state is None else self.state.value
        result["circuits"] = [circuit.to_dict() for circuit in self.circuits]
        result["limits"] = [asdict(limit) for limit in self.limits]
        result["fallbacks"] = [asdict(fallback) for fallback in self.fallbacks]
        result["last_failure"] = None if self.last_failure is None else self.last_failure.to_dict()
        return result
