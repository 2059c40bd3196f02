"""Millions of simulated calls through real pipelines, each one predicted by an oracle that shares no code with them.

The oracle keeps its own clock and its own figures in plain lists, and foretells the result of a call, the time at
which it ends and the state of the circuit before the pipeline is asked. All times are whole numbers of 1/1024 s, so
that both come to the very same numbers.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from scrollintel.core.config.breaker import BreakerMode, CircuitBreakerConfig, WindowKind
from scrollintel.core.config.policy import Policy
from scrollintel.core.config.retry import RetryConfig
from scrollintel.core.errors import (
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    DeadlineExceededError,
    RejectedError,
)
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.states import CircuitState

SEED = int(os.environ.get("SCROLLINTEL_TEST_SEED") or os.environ.get("SCROLLINTEL_SEED") or 20250131)
CALLS = 380_000
"""Top-level calls for each of eight policies; nested ones come on top."""
CHUNK = 2_000
"""Calls between two comparisons of everything, at most."""

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.METRICS_ONLY
WALL = 1_700_000_000.0
OK, BAD, ANSWER = "ok", "bad", "answered by the fallback"
MARGIN, LEASE = 5.0, 60.0


class Broken(Exception):
    """The dependency fails."""


class Unwelcome(Exception):
    """The caller asked for something impossible; configured to be ignored."""


SUCCESS, BROKEN, UNWELCOME, CANCELLED, EXIT, ILL, NESTED = 0, 1, 2, 3, 4, 5, 6
"""Ends of an operation; from `NESTED` on it makes further calls before it ends like the kind six below."""
ERRORS: dict[int, type[BaseException]] = {
    BROKEN: Broken, UNWELCOME: Unwelcome, CANCELLED: asyncio.CancelledError, EXIT: KeyboardInterrupt,
}  # fmt: skip


class PlainClock:
    """A clock that is a number; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the number."""
        return self.now

    def time(self) -> float:
        """Return the number on the scale of the calendar."""
        return self.now + WALL

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds

    def wait(self, event: Any, timeout: float | None) -> bool:
        """Move on; nothing here waits for another thread."""
        self.now += timeout or 0.0
        return bool(event.is_set())

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Leave timers to the event loop."""


# ---------------------------------------------------------------------------------------------------- what happens


@dataclass(frozen=True)
class Phase:
    """How a dependency behaves for a while: weights of the ends, of the durations and of the pauses between calls."""

    kinds: dict[int, float]
    durations: dict[int, float]
    pauses: dict[int, float]


QUICK = {0: 1, 1: 20, 3: 50, 10: 30, 90: 5, 1024: 0.05}
SLOW = {10: 30, 900: 10, 1024: 20, 1025: 20, 1500: 20, 4095: 2, 4096: 4, 4097: 2}
HUNG = {10: 5, 4096: 10, 5000: 10, 9_216: 5, 9_217: 5, 30_000: 5, 70_000: 3}
BUSY = {0: 5, 1: 40, 20: 40, 100: 10}
CALM = {100: 10, 1000: 5, 3000: 1, 8192: 0.5}
RARE = {2000: 5, 9_000: 5, 30_000: 1, 900_000: 0.1}
PHASES = [
    Phase({SUCCESS: 1}, QUICK, BUSY),
    Phase({SUCCESS: 999, BROKEN: 1}, QUICK, BUSY),
    Phase({SUCCESS: 990, BROKEN: 3, UNWELCOME: 3, CANCELLED: 2, EXIT: 1, ILL: 1}, QUICK, BUSY),
    Phase({SUCCESS: 80, BROKEN: 20}, QUICK, BUSY),
    Phase({SUCCESS: 60, BROKEN: 20, ILL: 20, UNWELCOME: 5, CANCELLED: 5}, QUICK, CALM),
    Phase({SUCCESS: 1, BROKEN: 20, CANCELLED: 1}, QUICK, BUSY | {1024: 5, 4096: 2}),
    Phase({SUCCESS: 5, BROKEN: 20, UNWELCOME: 2, CANCELLED: 2, ILL: 5}, QUICK, CALM),
    Phase({SUCCESS: 20, BROKEN: 1, CANCELLED: 1}, SLOW, BUSY),
    Phase({SUCCESS: 20, BROKEN: 5, CANCELLED: 2, EXIT: 1, UNWELCOME: 1}, HUNG, CALM),
    Phase({SUCCESS: 10, BROKEN: 5, ILL: 1, CANCELLED: 1}, QUICK, RARE),
    Phase({SUCCESS: 50, NESTED: 5, NESTED + BROKEN: 5, BROKEN: 10}, QUICK, CALM),
    Phase({SUCCESS: 10, NESTED: 5, NESTED + BROKEN: 5, BROKEN: 10, NESTED + CANCELLED: 1}, QUICK | HUNG, CALM),
]
LIKELIHOOD = [30, 20, 10, 8, 8, 5, 8, 6, 5, 5, 4, 4]


class Script:
    """What the operation does each time it is run, drawn in advance."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.kinds: list[int] = []
        self.durations: list[float] = []

    def extend(self, phase: Phase, number: int) -> None:
        """Draw the behaviour for `number` runs."""
        draw = self.source.choices
        self.kinds += draw(list(phase.kinds), phase.kinds.values(), k=number)
        self.durations += [n / 1024 for n in draw(list(phase.durations), phase.durations.values(), k=number)]


# ---------------------------------------------------------------------------------------------------- the oracle


@dataclass
class Totals:
    """The oracle's counts."""

    successes: int = 0
    failures: int = 0
    slow: int = 0
    ignored: int = 0
    abandoned: int = 0
    late: int = 0
    rejections: int = 0
    timeouts: int = 0
    retries: int = 0
    fallbacks: int = 0


@dataclass(eq=False)
class Leave:
    """The oracle's permit."""

    period: int
    lease_end: float = inf


@dataclass
class Oracle:
    """Foretells calls under one policy, from its facts as numbers."""

    script: Script
    base: CircuitState = CLOSED
    threshold: int = 5
    recovery: float = 60.0
    growth: float = 1.0
    cap: float = inf
    needed: int = 3
    places: int = 1
    limit: float | None = None
    kind: str = "consecutive"
    size: float = 0
    rate: float = 0.5
    minimum: int = 10
    slow_after: float = inf
    slow_rate: float = 1.0
    ramp: float = 0.0
    ramp_start: float = 0.0
    judges_results: bool = False
    attempts: int = 1
    first_delay: float = 0.0
    longest: float = inf
    answers: bool = False
    # What has happened so far.
    now: float = 1000.0
    index: int = 0
    depth: int = 0
    state: CircuitState = CLOSED
    period: int = 0
    since: float = 1000.0
    open_until: float = 0.0
    row: int = 0
    openings: int = 0
    would: int = 0
    good: int = 0
    out: list[Leave] = field(default_factory=list)
    marks: deque[int] = field(default_factory=deque)
    rows: dict[float, list[int]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    troubled: bool = False
    ramp_until: float = -inf
    admitted: float = 0.0
    offered: float = 0.0
    totals: Totals = field(default_factory=Totals)
    past: Counter[str] = field(default_factory=Counter)
    """Counts from before the resets."""
    moves: list[tuple[CircuitState, CircuitState, float]] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    failure: tuple[str, float] | None = None
    inner: list[object] = field(default_factory=list)
    waits: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.base

    # ------------------------------------------------ calls

    def call(self, deadline: float) -> object:
        """Foretell a call that begins now: its value, or the class of its error."""
        end = self.attempt(deadline)
        if self.attempts > 1 and end is Broken:
            end = self.again(end)
        if self.answers and isinstance(end, type) and issubclass(end, Exception):
            self.totals.fallbacks += 1
            if issubclass(end, RejectedError):
                self.waits.pop()
            return ANSWER
        return end

    def again(self, end: object) -> object:
        """Foretell the retries of a call whose first attempt has just failed."""
        delay, number = self.first_delay, 1
        began = self.began
        while end is Broken and number < self.attempts and self.now + delay - began <= self.longest:
            self.totals.retries += 1
            self.now += delay
            delay, number = delay * 2.0, number + 1
            end = self.attempt(inf)
        return end

    def attempt(self, deadline: float) -> object:
        """Foretell one attempt."""
        self.began = self.now
        leave = self.admit()
        if leave is None:
            return self.reject()
        ends = deadline if self.limit is None else min(deadline, self.now + self.limit)
        if ends <= self.now:
            self.settle(leave, "abandoned", None, None)
            self.waits.append(None)
            return DeadlineExceededError
        if leave.lease_end is not inf:
            leave.lease_end = self.now + (LEASE if ends == inf else ends - self.now + MARGIN)
        began = self.now
        index = self.index
        self.index += 1
        kind, duration = self.script.kinds[index], self.script.durations[index]
        self.now += duration
        if kind >= NESTED:
            kind -= NESTED
            if self.depth < 2:
                self.nest(index, ends)
                self.now += duration
        return self.judge(leave, kind, began, self.now >= ends)

    def nest(self, index: int, deadline: float) -> None:
        """Foretell the calls that an operation makes."""
        self.depth += 1
        for _ in range(1 + index % 3):
            self.inner.append(self.call(deadline))
        self.depth -= 1

    def judge(self, leave: Leave, kind: int, began: float, overdue: bool) -> object:
        """Foretell how an attempt is counted and what its caller gets."""
        elapsed = self.now - began
        if kind in (SUCCESS, ILL):
            bad = overdue or (kind == ILL and self.judges_results)
            self.settle(leave, "failure" if bad else "success", elapsed, "result" if bad else None, overdue)
            return BAD if kind == ILL else OK
        error = ERRORS[kind]
        if kind == BROKEN or (kind == CANCELLED and overdue):
            self.settle(leave, "failure", elapsed, error.__name__, overdue)
        else:
            self.settle(leave, "ignored" if kind == UNWELCOME else "abandoned", elapsed, None)
        return error

    def reject(self) -> object:
        """Foretell the error of a rejected call."""
        self.totals.rejections += 1
        if self.state is ISOLATED:
            self.waits.append(None)
            return CircuitIsolatedError
        if self.state is CLOSED:
            self.waits.append(0.0)
            return CircuitRampingError
        first = self.open_until if self.state is OPEN else min(leave.lease_end for leave in self.out)
        self.waits.append(first - self.now)
        return CircuitOpenError

    # ------------------------------------------------ the circuit

    def look(self) -> None:
        """Let time do its work."""
        if self.state is HALF_OPEN and self.out:
            first = min(leave.lease_end for leave in self.out)
            if first <= self.now:
                self.open(first)
        if self.state is OPEN and self.now >= self.open_until:
            self.move(HALF_OPEN, self.now)

    def admit(self) -> Leave | None:
        """Ask for leave to run."""
        if self.state is not CLOSED:
            self.look()
            if self.state is HALF_OPEN and len(self.out) < self.places:
                leave = Leave(self.period, self.now + (LEASE if self.limit is None else self.limit + MARGIN))
                self.out.append(leave)
                return leave
            return Leave(self.period) if self.state is METRICS_ONLY else None
        if self.now < self.ramp_until:
            left = (self.ramp_until - self.now) / self.ramp
            self.offered += self.ramp_start * left + (1.0 - left)
            if self.offered - self.admitted < 1.0:
                return None
            self.admitted += 1.0
        return Leave(self.period)

    def settle(
        self, leave: Leave, verdict: str, elapsed: float | None, failure: str | None, overdue: bool = False
    ) -> None:
        """Count the end of an attempt, unless it is late."""
        self.look()
        totals = self.totals
        if leave.period != self.period:
            totals.late += 1
            return
        probe = self.state is HALF_OPEN
        if probe:
            self.out.remove(leave)
        slow = elapsed is not None and elapsed > self.slow_after
        totals.slow += slow
        if verdict == "ignored":
            totals.ignored += 1
            return
        if verdict == "abandoned":
            totals.abandoned += 1
            return
        assert elapsed is not None
        self.durations.append(elapsed)
        failed = verdict == "failure"
        if failed:
            totals.failures += 1
            totals.timeouts += overdue
            self.failure = (str(failure), self.now + WALL)
        else:
            totals.successes += 1
        if probe:
            self.settle_probe(failed or slow)
        else:
            self.remember(failed, slow)

    def settle_probe(self, bad: bool) -> None:
        """Count a probe."""
        if bad:
            self.open(self.now)
            return
        self.good += 1
        if self.good == self.needed:
            self.close()
            self.ramp_until, self.offered, self.admitted = self.now + self.ramp, 0.0, 0.0

    def remember(self, failed: bool, slow: bool) -> None:
        """Count an ordinary result, and open if it is one too many."""
        self.row = self.row + 1 if failed else 0
        self.troubled = self.troubled or failed or slow
        if self.kind == "consecutive":
            must_open = self.row >= self.threshold
        else:
            self.write(failed, slow)
            must_open = self.troubled and self.judge_window(failed)
        if not must_open:
            return
        if self.state is METRICS_ONLY:
            self.would += 1
            self.forget()
        else:
            self.open(self.now)

    def write(self, failed: bool, slow: bool) -> None:
        """Remember a result as long as the window may reach it."""
        if self.kind == "count":
            self.marks.append(failed + 2 * slow)
            if len(self.marks) > self.size:
                self.marks.popleft()
        elif self.kind == "time":
            row = self.rows.setdefault(self.now * 10 // self.size, [0, 0, 0])
            row[0] += 1
            row[1] += failed
            row[2] += slow
        elif failed:
            self.times.append(self.now)

    def window(self) -> tuple[int, int, int]:
        """Add up calls, failures and slow ones within reach of the window."""
        if self.kind == "count":
            count = self.marks.count
            return len(self.marks), count(1) + count(3), count(2) + count(3)
        if self.kind == "time":
            present = self.now * 10 // self.size
            for number in [number for number in self.rows if number <= present - 10]:
                del self.rows[number]
            calls, failures, slow = map(sum, zip((0, 0, 0), *self.rows.values(), strict=True))
            return calls, failures, slow
        self.times = [at for at in self.times if at > self.now - self.size][-self.threshold :]
        return len(self.times), len(self.times), 0

    def judge_window(self, failed: bool) -> bool:
        """Tell whether the window calls for opening."""
        calls, failures, slow = self.window()
        self.troubled = failures + slow > 0
        if self.kind == "count_in_time":
            return failed and failures >= self.threshold
        if calls < self.minimum:
            return False
        return (failures > 0 and failures >= self.rate * calls) or (slow > 0 and slow >= self.slow_rate * calls)

    def move(self, state: CircuitState, at: float) -> None:
        """Enter a state."""
        self.moves.append((self.state, state, at + WALL))
        self.state, self.since = state, at
        self.period += 1
        self.good, self.out, self.ramp_until = 0, [], -inf

    def open(self, at: float) -> None:
        """Open."""
        self.open_until = at + min(self.cap, self.recovery * self.growth**self.openings)
        self.openings += 1
        self.move(OPEN, at)

    def forget(self) -> None:
        """Begin with counters at zero."""
        self.row = self.openings = 0
        self.troubled = False
        self.marks.clear()
        self.rows.clear()
        self.times.clear()
        self.ramp_until = -inf

    # ------------------------------------------------ operators

    def close(self) -> None:
        """Close."""
        self.look()
        if self.state is not self.base:
            self.move(self.base, self.now)
        self.forget()

    def isolate(self) -> None:
        """Hold open."""
        self.look()
        if self.state is not ISOLATED:
            self.move(ISOLATED, self.now)

    def reset(self) -> None:
        """Close and forget the past; retries and fallbacks are the policy's and stay."""
        self.close()
        self.would = 0
        self.past += Counter(vars(self.totals))
        self.totals = Totals(retries=self.totals.retries, fallbacks=self.totals.fallbacks)
        self.moves, self.durations, self.failure = [], [], None


# ---------------------------------------------------------------------------------------------------- the real thing


class Simulation:
    """One pipeline and its oracle on the same script."""

    def __init__(self, policy: Policy, facts: dict[str, Any], source: random.Random) -> None:
        self.clock = PlainClock()
        self.pipeline = Pipeline(policy, clock=self.clock, hub=EventHub())
        self.circuit = self.pipeline.circuit()
        self.source = source
        self.script = Script(source)
        self.oracle = Oracle(self.script, **facts)
        self.index = 0
        self.depth = 0
        self.calls = 0
        self.inner: list[object] = []
        self.waits: list[float | None] = []
        self.phases = [phase for phase in PHASES if facts.get("attempts", 1) == 1 or max(phase.kinds) < NESTED]

    def operation(self) -> str:
        """Do what the script says."""
        index = self.index
        self.index = index + 1
        kind = self.script.kinds[index]
        self.clock.now += self.script.durations[index]
        if kind == SUCCESS:
            return OK
        if kind >= NESTED:
            kind -= NESTED
            if self.depth < 2:
                self.depth += 1
                for _ in range(1 + index % 3):
                    self.inner.append(self.call())
                self.depth -= 1
                self.clock.now += self.script.durations[index]
        error = ERRORS.get(kind)
        if error is not None:
            raise error
        return BAD if kind == ILL else OK

    def call(self) -> object:
        """Make a call through the pipeline; return its value or the class of its error."""
        self.calls += 1
        try:
            return self.pipeline.call(self.operation)
        except BaseException as error:
            if isinstance(error, RejectedError):
                self.waits.append(error.retry_after)
            return type(error)

    def run(self, number: int) -> None:
        """Make `number` calls in phases, with an order of the operator now and then."""
        made = 0
        while made < number:
            phase = self.source.choices(self.phases, LIKELIHOOD[: len(self.phases)])[0]
            length = min(number - made, int(self.source.triangular(20, CHUNK, 20)))
            self.rewind()
            self.script.extend(phase, length * 4 + 100)
            pauses = self.source.choices(list(phase.pauses), phase.pauses.values(), k=length)
            self.stretch(pauses)
            self.operate()
            self.compare_everything()
            made += length

    def rewind(self) -> None:
        """Begin a new script."""
        self.script.kinds.clear()
        self.script.durations.clear()
        self.index = self.oracle.index = 0

    def stretch(self, pauses: list[int]) -> None:
        """Make calls with these pauses before them, and compare each with its prediction."""
        clock, oracle, machine, call = self.clock, self.oracle, self.circuit.machine, self.call
        for pause in pauses:
            clock.now += pause / 1024
            oracle.now += pause / 1024
            expected = oracle.call(inf)
            actual = call()
            if (
                actual is not expected
                or clock.now != oracle.now
                or self.index != oracle.index
                or machine.state is not oracle.state
                or self.waits != oracle.waits
                or self.inner != oracle.inner
            ):
                pytest.fail(self.report(actual, expected))
            if self.waits:
                self.waits.clear()
                oracle.waits.clear()
            if self.inner:
                self.inner.clear()
                oracle.inner.clear()

    def operate(self) -> None:
        """Let the operator do something, rarely."""
        order = self.source.choices(["nothing", "isolate", "close", "reset"], [160, 5, 10, 1])[0]
        if self.oracle.state is ISOLATED:
            order = self.source.choice(["nothing", "close", "reset"])
        if order != "nothing":
            getattr(self.oracle, order)()
            getattr(self.circuit, order)()

    def report(self, actual: object, expected: object) -> str:
        """Return both sides of a difference."""
        oracle = self.oracle
        return (
            f"seed {SEED}, policy {self.pipeline.name!r}, call {self.calls}: "
            f"got {actual}, expected {expected}; state {self.circuit.machine.state}, expected {oracle.state}; "
            f"time {self.clock.now}, expected {oracle.now}; runs {self.index}, expected {oracle.index}; "
            f"waits {self.waits}, expected {oracle.waits}; nested {self.inner}, expected {oracle.inner}"
        )

    def compare_everything(self) -> None:
        """Compare the snapshot with the oracle's figures."""
        oracle, totals = self.oracle, self.oracle.totals
        oracle.look()
        snapshot = self.pipeline.snapshot()
        (circuit,) = snapshot.circuits
        window = oracle.window()
        expected: dict[str, object] = {
            "state": oracle.state,
            "since": oracle.since + WALL,
            "retry_after": oracle.open_until - oracle.now if oracle.state is OPEN else None,
            "consecutive_failures": oracle.row,
            "window_calls": window[0],
            "window_failures": window[1],
            "window_slow": window[2],
            "probes_in_flight": 0,
            "probe_successes": oracle.good,
            "openings": oracle.openings,
            "would_have_opened": oracle.would,
        }
        actual = {name: getattr(circuit, name) for name in expected}
        expected |= vars(totals)
        actual |= {name: getattr(snapshot.tally, name) for name in vars(totals)}
        expected["history"] = oracle.moves[-32:]
        actual["history"] = [(change.old, change.new, change.at) for change in circuit.history]
        expected["last_failure"] = oracle.failure
        actual["last_failure"] = circuit.last_failure and (circuit.last_failure.type, circuit.last_failure.at)
        if self.pipeline.policy.measures:
            expected["durations"] = len(oracle.durations)
            actual["durations"] = circuit.response_times.count
        differences = {name: (actual[name], value) for name, value in expected.items() if actual[name] != value}
        assert not differences, f"seed {SEED}, {self.pipeline.name!r}, call {self.calls} (got, expected): {differences}"
        del oracle.moves[:-32]

    def compare_quantiles(self) -> None:
        """Compare the sketch with the sorted list of all durations."""
        times = self.circuit.snapshot().response_times
        listed = sorted(self.oracle.durations)
        assert times.count == len(listed) > 0
        assert times.mean == pytest.approx(sum(listed) / len(listed), rel=0.032)
        for q, found in ((0.5, times.p50), (0.95, times.p95), (0.99, times.p99), (1.0, times.maximum)):
            exact = listed[max(1, -int(-q * len(listed) // 1)) - 1]
            assert found == pytest.approx(exact, rel=0.032, abs=2e-6), f"seed {SEED}, quantile {q}"


def policies() -> Iterator[tuple[Policy, dict[str, Any]]]:
    """Give each policy with its facts as the oracle takes them."""

    def breaker(name: str, **changes: Any) -> CircuitBreakerConfig:
        return CircuitBreakerConfig(name, ignored_exceptions=[Unwelcome], **changes)

    config = breaker("plain counts", response_times=False, timeout=None, recovery_timeout=8.0)
    yield Policy(config.name, breaker=config), {"recovery": 8.0}

    config = breaker("deadlines", timeout=4.0, recovery_timeout=8.0, probes=2)
    yield Policy(config.name, breaker=config), {"recovery": 8.0, "places": 2, "limit": 4.0}

    config = breaker(
        "count window", window_kind=WindowKind.COUNT, window=20, minimum_calls=8, failure_rate=0.5, timeout=None,
        slow_call_duration=1.0, slow_call_rate=0.75, probes=3, recovery_timeout=8.0, success_threshold=2,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count", "size": 20, "minimum": 8, "rate": 0.5, "slow_after": 1.0, "slow_rate": 0.75, "places": 3,
        "recovery": 8.0, "needed": 2,
    }  # fmt: skip

    config = breaker(
        "time window", window_kind=WindowKind.TIME, window=10.0, minimum_calls=10, failure_rate=0.25, timeout=None,
        slow_call_duration=1.0, slow_call_rate=0.5, recovery_timeout=4.0, ramp=8.0, ramp_start=0.25,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "time", "size": 10.0, "minimum": 10, "rate": 0.25, "slow_after": 1.0, "slow_rate": 0.5,
        "recovery": 4.0, "ramp": 8.0, "ramp_start": 0.25,
    }  # fmt: skip

    config = breaker(
        "count in time", window_kind=WindowKind.COUNT_IN_TIME, window=8.0, failure_threshold=3, timeout=4.0,
        recovery_timeout=4.0, open_backoff=2.0, max_recovery_timeout=60.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count_in_time", "size": 8.0, "threshold": 3, "limit": 4.0, "recovery": 4.0, "growth": 2.0, "cap": 60.0,
    }  # fmt: skip

    config = breaker("everything", timeout=4.0, recovery_timeout=8.0)
    retry = RetryConfig(
        max_attempts=4, base_delay=0.5, max_delay=60.0, jitter=False, retryable_exceptions=[Broken], max_elapsed=6.0
    )
    yield Policy(config.name, breaker=config, retry=retry, fallback=lambda: ANSWER), {
        "limit": 4.0, "recovery": 8.0, "attempts": 4, "first_delay": 0.5, "longest": 6.0, "answers": True,
    }  # fmt: skip

    config = breaker(
        "metrics only", mode=BreakerMode.METRICS_ONLY, window_kind=WindowKind.TIME, window=20.0, minimum_calls=20,
        failure_rate=0.5, timeout=None, slow_call_duration=1.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config, response_times=False), {
        "base": METRICS_ONLY, "kind": "time", "size": 20.0, "minimum": 20, "rate": 0.5, "slow_after": 1.0,
    }  # fmt: skip

    config = breaker(
        "judged results", window_kind=WindowKind.COUNT, window=50, minimum_calls=5, failure_rate=0.25, timeout=4.0,
        result_predicate=lambda value: value is BAD, open_backoff=1.5, max_recovery_timeout=20.0, recovery_timeout=4.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count", "size": 50, "minimum": 5, "rate": 0.25, "limit": 4.0, "judges_results": True,
        "growth": 1.5, "cap": 20.0, "recovery": 4.0,
    }  # fmt: skip


@pytest.mark.parametrize(("policy", "facts"), [pytest.param(*pair, id=pair[0].name) for pair in policies()])
def test_simulation_agrees_with_the_oracle_on_every_call(policy: Policy, facts: dict[str, Any]) -> None:
    """Each call of a long and eventful life ends as foretold, at the time foretold, and leaves the foretold figures."""
    print(f"seed {SEED} (SCROLLINTEL_TEST_SEED)")
    simulation = Simulation(policy, facts, random.Random(f"{SEED} {policy.name}"))
    simulation.run(CALLS)
    assert simulation.calls >= CALLS
    assert_eventful(simulation.oracle)
    if policy.measures:
        simulation.compare_quantiles()


def assert_eventful(oracle: Oracle) -> None:
    """A simulation in which nothing happens proves nothing: check that this one met all it was made to meet."""
    totals = oracle.past + Counter(vars(oracle.totals))
    kinds = {"successes", "failures", "ignored", "abandoned", "rejections"}
    kinds |= {"timeouts"} if oracle.limit is not None else set()
    kinds |= {"slow"} if oracle.slow_after < inf else set()
    kinds |= {"retries", "fallbacks"} if oracle.attempts > 1 else set()
    if oracle.base is CLOSED:
        kinds |= {"late"}
        assert oracle.period > 1000
    else:
        assert oracle.would > 0
    assert min(totals[kind] for kind in kinds) > 20, dict(totals)
