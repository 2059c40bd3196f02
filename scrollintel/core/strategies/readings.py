"""What is read of one circuit: for people, for reports and for metrics."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from ..machines.sketch import LatencySketch
from ..snapshot import CircuitSnapshot, ResponseTimes
from ..states import CircuitState

if TYPE_CHECKING:
    from .standing import Standing

OPEN = CircuitState.OPEN


class ReportMark(NamedTuple):
    """What tells whether a circuit has changed.

    `tally` holds successes, failures, slow, rejections, timeouts, late, ignored and abandoned.
    """

    era: int
    tally: tuple[int, int, int, int, int, int, int, int]
    consecutive_failures: int
    openings: int
    probes_in_flight: int


class CircuitFigures(NamedTuple):
    """What a circuit has counted, cheap enough to be read of a thousand circuits at once.

    Attributes:
        state, since: Present state, and when it was entered (seconds since 1970-01-01 UTC).
        changes: Changes of state so far.
        tally: Successes, failures, slow, rejections, timeouts, late, ignored and abandoned, as in `ReportMark`.
        buckets: Response times in each of the buckets of `CLASSIC_BOUNDS`, those beyond last.
        seconds: Sum of the response times.
    """

    state: CircuitState
    since: float
    changes: int
    tally: tuple[int, ...]
    buckets: Sequence[int]
    seconds: float

    def plus(self, other: CircuitFigures) -> CircuitFigures:
        """Return this with the counts of another circuit added."""
        return self._replace(
            changes=self.changes + other.changes,
            tally=tuple(map(add, self.tally, other.tally)),
            buckets=list(map(add, self.buckets, other.buckets)),
            seconds=self.seconds + other.seconds,
        )


class CircuitReading(NamedTuple):
    """The figures of a circuit as a report needs them.

    Attributes:
        mark: Identifies the figures, and holds the counts; the next reading is compared with it.
        state, reason, since: Present state, why it was entered, and when (seconds since 1970-01-01 UTC).
        retry_after: Seconds until the next probe, or None when the circuit is not open.
        response_times: Quantiles in seconds.
        last_failure: Class, text and time of the failure seen last, or None.
        buckets: Response times in each of the buckets of `CLASSIC_BOUNDS`, those beyond last.
        durations: How many calls have taken how long, by the buckets of `LatencySketch`; or None.
    """

    mark: ReportMark
    state: CircuitState
    reason: str
    since: float
    retry_after: float | None
    response_times: ResponseTimes
    last_failure: tuple[str, str, float] | None
    buckets: Sequence[int]
    durations: array[int] | None = None


def summarise(sketch: LatencySketch | None) -> ResponseTimes:
    """Return the quantiles of a sketch."""
    if sketch is None or not sketch.count:
        return ResponseTimes()
    p50, p95, p99, maximum = sketch.quantiles(0.5, 0.95, 0.99, 1.0)
    mean = sketch.total / sketch.count
    return ResponseTimes(count=sketch.count, mean=mean, p50=p50, p95=p95, p99=p99, maximum=maximum)


# ---------------------------------------------------------------------- readings; the circuit's lock is held


def snapshot_of(circuit: Standing, now: float) -> CircuitSnapshot:
    """Return how a circuit stands that has been brought up to `now`."""
    machine, story, health = circuit.machine, circuit.story, circuit.health
    window = machine.window
    return CircuitSnapshot(
        name=circuit.name,
        key=circuit.key,
        state=machine.state,
        reason=story.reason,
        since=_since(circuit, now),
        retry_after=_retry_after(circuit, now),
        consecutive_failures=machine.failures,
        window_calls=0 if window is None else window.calls,
        window_failures=0 if window is None else window.failures,
        window_slow=0 if window is None else window.slow,
        probes_in_flight=machine.probes_in_flight,
        probe_successes=machine.successes,
        openings=machine.openings,
        would_have_opened=machine.would_have_opened,
        tally=circuit._tally(machine.late),
        response_times=summarise(circuit._sketch),
        last_failure=circuit.last_failure,
        history=story.changes,
        evidence=story.evidence,
        ramp_allowed=machine.allowed,
        ramp_left=machine.ramp_left(now),
        health_probes=0 if health is None else health.asked,
        health_probe_failures=0 if health is None else health.failed,
        health_probe_error=None if health is None else health.last,
    )


def mark_of(circuit: Standing) -> ReportMark:
    """Return what tells whether a circuit has changed."""
    machine = circuit.machine
    return ReportMark(
        machine.era, circuit._ends(machine.late), machine.failures, machine.openings, machine.probes_in_flight
    )


def reading_of(circuit: Standing, now: float, mark: ReportMark) -> CircuitReading:
    """Return the figures of a circuit for a report."""
    sketch = circuit._sketch
    return CircuitReading(
        mark=mark,
        state=circuit.machine.state,
        reason=circuit.story.reason,
        since=_since(circuit, now),
        retry_after=_retry_after(circuit, now),
        response_times=summarise(sketch),
        last_failure=circuit._failure,
        buckets=circuit._buckets()[0],
        durations=None if sketch is None else sketch.counts[:],
    )


def figures_of(circuit: Standing, now: float) -> CircuitFigures:
    """Return what a circuit has counted, for metrics."""
    machine = circuit.machine
    ends = circuit._ends(machine.late)
    return CircuitFigures(machine.state, _since(circuit, now), machine.era, ends, *circuit._buckets())


def _since(circuit: Standing, now: float) -> float:
    return circuit.clock.time() - (now - circuit.machine.since)


def _retry_after(circuit: Standing, now: float) -> float | None:
    machine = circuit.machine
    return max(0.0, machine.open_until - now) if machine.state is OPEN else None
