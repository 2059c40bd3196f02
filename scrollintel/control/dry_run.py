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
        unknown: Calls that were refused when it was recorded.
        final: State at the end.
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


def replay(config: CircuitBreakerConfig, buckets: Sequence[Bucket]) -> Outcome:
    """Run the machine of a configuration over recorded buckets, oldest first. Deterministic."""
    outcome = Outcome()
    if not buckets:
        return outcome
    machine = BreakerMachine(config, buckets[0].start)
    opened_at: float | None = None
    now = buckets[0].start
    for bucket in buckets:
        outcome.unknown += bucket.rejections
        total = bucket.successes + bucket.failures
        if outcome.calls + total > MAX_CALLS:
            outcome.complete = False
            break
        outcome.calls += total
        for number in range(total):
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
        now = max(now, bucket.start + bucket.length)
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
