"""What a circuit would have done on the recorded outcomes: the real machine under the recorded times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.config.breaker import CircuitBreakerConfig
from ..core.machines.breaker import BreakerMachine, Refusal
from ..core.outcome import Verdict
from ..core.states import CircuitState

MAX_CALLS = 2_000_000
"""Calls that one replay takes; the rest is left out and told."""
ASSUMPTIONS = (
    "Within a bucket, failures and slow calls are spread evenly among the calls, and calls evenly over its time.",
    "Calls that were refused have an unknown outcome and take no part.",
    "One circuit sees the calls of all replicas, where each replica decides for itself.",
    "A call is slow when the configuration of then said so; the proposed limit cannot be applied to it any more.",
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was recorded in a span of time.

    Arguments:
        start: Seconds on any scale.
        length: Seconds.
        successes, failures: Calls by their end.
        slow: Calls that took longer than the configuration of then allowed.
        rejections: Calls that were refused.
    """

    start: float
    length: float
    successes: int
    failures: int
    slow: int
    rejections: int


@dataclass(slots=True)
class Outcome:
    """What would have happened.

    Attributes:
        openings: When the circuit would have opened, on the scale of the buckets.
        seconds_open: How long it would have refused calls.
        refused: Recorded calls that it would have refused.
        avoided: Of those, calls that failed.
        lost: Of those, calls that succeeded.
        calls: Recorded calls that were replayed.
        until: Where the replay ended, on the scale of the buckets; None without any.
        unknown: Calls that were refused when it was recorded.
        final: State at the end.
        complete: Whether all recorded calls were replayed.
    """

    openings: list[float] = field(default_factory=list)
    seconds_open: float = 0.0
    refused: int = 0
    avoided: int = 0
    lost: int = 0
    calls: int = 0
    unknown: int = 0
    final: CircuitState = CircuitState.CLOSED
    complete: bool = True
    until: float | None = None


def replay(config: CircuitBreakerConfig, buckets: Sequence[Bucket], *, max_calls: int = MAX_CALLS) -> Outcome:
    """Run the machine of a configuration over recorded buckets, oldest first. Deterministic.

    Beyond `max_calls` nothing is replayed; the bucket in which that is reached counts up to there.
    """
    outcome = Outcome()
    if not buckets:
        return outcome
    machine = BreakerMachine(config, buckets[0].start)
    opened_at: float | None = None
    now = buckets[0].start
    for bucket in buckets:
        total = bucket.successes + bucket.failures
        taken = min(total, max_calls - outcome.calls)
        if taken < total:
            outcome.complete = False
            if not taken:
                break
        outcome.unknown += bucket.rejections
        outcome.calls += taken
        for number in range(taken):
            now = bucket.start + bucket.length * (number + 0.5) / total
            failed = _nth_of(number, bucket.failures, total)
            slow = _nth_of(number, min(bucket.slow, total), total)
            permit = machine.admit(now)
            opened_at = _note(machine, outcome, opened_at)
            if isinstance(permit, Refusal):
                outcome.refused += 1
                outcome.avoided += failed
                outcome.lost += not failed
                continue
            machine.settle(permit, Verdict.FAILURE if failed else Verdict.SUCCESS, now, slow, 0.5)
            opened_at = _note(machine, outcome, opened_at)
        if taken < total:
            break
        now = max(now, bucket.start + bucket.length)
    outcome.until = now
    machine.advance(now, 0.5)
    opened_at = _note(machine, outcome, opened_at)
    if opened_at is not None:
        outcome.seconds_open += now - opened_at
    outcome.final = machine.state
    return outcome


def _nth_of(number: int, some: int, total: int) -> bool:
    """Tell whether the call of that number is one of `some` among `total` that are spread evenly."""
    return (number + 1) * some // total > number * some // total


def _note(machine: BreakerMachine, outcome: Outcome, opened_at: float | None) -> float | None:
    """Take the machine's transitions, and return since when it is open, or None."""
    for transition in machine.transitions:
        if transition.would:
            continue
        if transition.old is CircuitState.OPEN and opened_at is not None:
            outcome.seconds_open += transition.at - opened_at
            opened_at = None
        if transition.new is CircuitState.OPEN:
            outcome.openings.append(transition.at)
            opened_at = transition.at
    machine.transitions = ()
    return opened_at
