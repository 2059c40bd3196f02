"""The oracle of the simulation: it foretells calls from its own clock and plain lists, without the code under test."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from math import inf

from scrollintel.core.errors import (
    CircuitHalfOpenError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    DeadlineExceededError,
    RejectedError,
)
from scrollintel.core.states import CircuitState
from tests.model.simulation_script import (
    ANSWER,
    BAD,
    BROKEN,
    CANCELLED,
    CLOSED,
    ERRORS,
    HALF_OPEN,
    ILL,
    ISOLATED,
    LEASE,
    MARGIN,
    METRICS_ONLY,
    NESTED,
    OK,
    OPEN,
    SUCCESS,
    UNWELCOME,
    WALL,
    Broken,
    Script,
)


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
            if self.state is ISOLATED or (self.state is OPEN and self.open_until - self.now > delay):
                return end
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
            self.settle(leave, "refused", None, None)
            self.totals.rejections += 1
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
            self.settle(
                leave,
                "failure" if bad else "success",
                elapsed,
                ("CallTimeoutError" if overdue else "result") if bad else None,
                overdue,
            )
            return BAD if kind == ILL else OK
        error = ERRORS[kind]
        if kind == BROKEN or (kind in (CANCELLED, UNWELCOME) and overdue):
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
        if self.state is HALF_OPEN:
            self.waits.append(min(leave.lease_end for leave in self.out) - self.now)
            return CircuitHalfOpenError
        self.waits.append(self.open_until - self.now)
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
        if verdict == "refused":
            return
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
