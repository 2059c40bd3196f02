"""What a circuit would have done on the recorded outcomes: the real machine under the recorded times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.config.breaker import CircuitBreakerConfig
from ..core.machines.answers import Refusal
from ..core.machines.breaker import BreakerMachine
from ..core.outcome import Verdict
from ..core.states import CircuitState

MAX_CALLS = 100_000
"""Calls that one replay takes, the newest; older ones are left out, and that is told. Measured: up to 0.15 s for each
of the two replays of a dry run, in which other threads get their turns late."""
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
        since, until: Where the replay began and ended, on the scale of the buckets; None without any.
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
    since: float | None = None
    until: float | None = None


def replay(config: CircuitBreakerConfig, buckets: Sequence[Bucket], *, max_calls: int = MAX_CALLS) -> Outcome:
    """Run the machine of a configuration over recorded buckets, oldest first. Deterministic.

    Of more than `max_calls` the newest are replayed; of the bucket in which they begin the last ones count.
    """
    outcome = Outcome()
    if not buckets:
        return outcome
    taken, first = _newest(buckets, max_calls)
    outcome.complete = len(taken) == len(buckets) and not first
    begin = taken[0].start
    if first:
        begin += taken[0].length * first / (taken[0].successes + taken[0].failures)
    outcome.since = now = begin
    machine = BreakerMachine(config, begin)
    opened_at: float | None = None
    for bucket in taken:
        total = bucket.successes + bucket.failures
        outcome.unknown += bucket.rejections
        outcome.calls += total - first
        for number in range(first, total):
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
        first = 0
        now = max(now, bucket.start + bucket.length)
    outcome.until = now
    machine.advance(now, 0.5)
    opened_at = _note(machine, outcome, opened_at)
    if opened_at is not None:
        outcome.seconds_open += now - opened_at
    outcome.final = machine.state
    return outcome


def _newest(buckets: Sequence[Bucket], calls: int) -> tuple[Sequence[Bucket], int]:
    """Return the last buckets, with no more calls than that, and how many calls of the first of them are too many."""
    left = calls
    for place in range(len(buckets) - 1, -1, -1):
        total = buckets[place].successes + buckets[place].failures
        if total > left:
            return (buckets[place:], total - left) if left else (buckets[place + 1 :], 0)
        left -= total
    return buckets, 0


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
