"""The breaker's rules against an account book: lists of what happened, added up anew for each question."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollintel.core.config.breaker import BreakerMode, CircuitBreakerConfig, RampKind, WindowKind
from scrollintel.core.machines.answers import Permit, Probe, Refusal
from scrollintel.core.machines.breaker import BreakerMachine
from scrollintel.core.outcome import Verdict
from scrollintel.core.states import CircuitState
from tests.thoroughness import examples

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, DISABLED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.METRICS_ONLY
BASE = {BreakerMode.ENABLED: CLOSED, BreakerMode.DISABLED: DISABLED, BreakerMode.METRICS_ONLY: METRICS_ONLY}
COUNTING = (CLOSED, METRICS_ONLY)
NEUTRAL = (Verdict.IGNORED, Verdict.ABANDONED)


@st.composite
def configs(draw: st.DrawFn) -> CircuitBreakerConfig:
    """Draw a configuration. All numbers are eighths, so that sums and shares are exact."""
    kind = draw(st.sampled_from(WindowKind))
    window: dict[str, Any] = {}
    if kind is WindowKind.COUNT:
        window["window"] = draw(st.integers(4, 8))
    elif kind is WindowKind.TIME:
        window["window"] = draw(st.sampled_from([5.0, 10.0, 20.0]))
    elif kind is WindowKind.COUNT_IN_TIME:
        window["window"] = draw(st.sampled_from([2.0, 8.0]))
    if kind in (WindowKind.COUNT, WindowKind.TIME):
        window["slow_call_duration"] = draw(st.sampled_from([None, 1.0]))
        window["slow_call_rate"] = draw(st.sampled_from([0.5, 0.75, 1.0]))
    ramp: dict[str, Any] = {"ramp": draw(st.sampled_from([None, None, 2.0, 8.0]))}
    if draw(st.integers(0, 2)) == 0:
        ramp = {"ramp_kind": RampKind.SUCCESS, "ramp_limit": draw(st.sampled_from([2, 4, 8]))}
    return CircuitBreakerConfig(
        "model",
        failure_threshold=draw(st.integers(1, 4)),
        recovery_timeout=draw(st.sampled_from([1.0, 2.0, 4.0])),
        success_threshold=draw(st.integers(1, 3)),
        timeout=draw(st.sampled_from([None, 1.0, 3.0])),
        window_kind=kind,
        **window,
        failure_rate=draw(st.sampled_from([0.25, 0.5, 0.75, 1.0])),
        minimum_calls=draw(st.integers(1, 4)),
        probes=draw(st.integers(1, 3)),
        probe_margin=draw(st.sampled_from([0.0, 1.0])),
        probe_lease=draw(st.sampled_from([2.0, 6.0])),
        open_backoff=draw(st.sampled_from([1.0, 1.5, 2.0])),
        max_recovery_timeout=draw(st.sampled_from([4.0, 10.0])),
        open_jitter=draw(st.sampled_from([0.0, 0.5, 1.0])),
        **ramp,
        ramp_start=draw(st.sampled_from([0.25, 0.5, 1.0])),
        mode=draw(st.sampled_from([BreakerMode.ENABLED] * 6 + [BreakerMode.METRICS_ONLY, BreakerMode.DISABLED])),
    )


@dataclass
class Told:
    """One line of the book: a transition, or one that metrics-only mode left out."""

    old: CircuitState
    new: CircuitState
    at: float
    would: bool = False


@dataclass
class Visit:
    """A call that was admitted: its era, the end of its lease while one runs, and whether it is still out."""

    era: int
    lease_end: float | None
    out: bool = True
    leased: bool = False
    """Whether it was admitted with a lease, so that its return counts once at most."""


@dataclass
class Entry:
    """One result that counts."""

    at: float
    failed: bool
    slow: bool


@dataclass
class Book:
    """What is known about a circuit, as lists; every figure is counted anew."""

    config: CircuitBreakerConfig
    start: CircuitState
    born: float
    told: list[Told] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    window_from: int = 0
    forgotten: int = 0
    """Lines told before the circuit last began with counters at zero."""
    visits: list[Visit] = field(default_factory=list)
    good_probes: list[int] = field(default_factory=list)
    late: int = 0
    open_until: float = 0.0
    ramp_end: float | None = None
    allowed: int = 0
    """Calls that the success-driven ramp admits at once; 0 without one."""
    shares: list[Fraction] = field(default_factory=list)
    passed: int = 0

    @property
    def moves(self) -> list[Told]:
        """Transitions that took place."""
        return [line for line in self.told if not line.would]

    @property
    def state(self) -> CircuitState:
        """State after the last transition."""
        return self.moves[-1].new if self.moves else self.start

    @property
    def since(self) -> float:
        """Time of the last transition."""
        return self.moves[-1].at if self.moves else self.born

    @property
    def era(self) -> int:
        """Number of transitions."""
        return len(self.moves)

    @property
    def failures_in_a_row(self) -> int:
        """Failures since the last success."""
        number = 0
        for entry in reversed(self.entries):
            if not entry.failed:
                break
            number += 1
        return number

    @property
    def openings(self) -> int:
        """Openings since the counters were last at zero."""
        return sum(line.new is OPEN and not line.would for line in self.told[self.forgotten :])

    @property
    def probe_successes(self) -> int:
        """Successful probes of this era."""
        return self.good_probes.count(self.era)

    @property
    def probes_out(self) -> list[Visit]:
        """Probes of this era that have not come back."""
        return [visit for visit in self.visits if visit.out and visit.era == self.era and visit.lease_end is not None]

    def remembered(self, now: float) -> list[Entry]:
        """Return the results that the window covers at `now`."""
        entries, config = self.entries[self.window_from :], self.config
        size = config.window_size
        if config.window_kind is WindowKind.COUNT:
            return entries[-int(size) :]
        if config.window_kind is WindowKind.TIME:
            width = size / 10
            return [entry for entry in entries if floor(entry.at / width) > floor(now / width) - 10]
        if config.window_kind is WindowKind.COUNT_IN_TIME:
            young = [entry for entry in entries if entry.failed and now - entry.at < size]
            return young[-config.failure_threshold :]
        return []

    def move(self, new: CircuitState, at: float) -> None:
        """Write a transition down."""
        self.told.append(Told(self.state, new, at))
        self.ramp_end, self.allowed = None, 0

    def forget(self) -> None:
        """Begin with counters at zero."""
        self.entries, self.window_from, self.forgotten, self.ramp_end = [], 0, len(self.told), None
        self.end_success_ramp()

    def end_success_ramp(self) -> None:
        """What is still out comes back as ordinary calls, whenever it does."""
        if self.allowed:
            self.allowed = 0
            for visit in self.probes_out:
                visit.lease_end = None

    def open(self, at: float, u: float) -> None:
        """Open at a time, for a period that grows with the openings before."""
        config = self.config
        period = config.recovery_timeout
        for _ in range(self.openings):
            period = min(period * config.open_backoff, config.max_recovery_timeout)
        if config.open_backoff == 1.0:
            period = config.recovery_timeout
        low, high = period * (1 - config.open_jitter), period * (1 + config.open_jitter)
        self.open_until = at + low + (high - low) * u
        self.move(OPEN, at)

    def look(self, now: float, u: float) -> None:
        """Write down what time alone has done by `now`."""
        while self.allowed:
            late = [visit for visit in self.probes_out if visit.lease_end is not None and visit.lease_end <= now]
            if not late:
                break
            first = min(late, key=lambda visit: visit.lease_end or 0.0)
            assert first.lease_end is not None
            first.out = False
            self.step_of_ramp(Verdict.FAILURE, first.lease_end, False, u)
        if self.state is HALF_OPEN:
            ends = sorted(visit.lease_end for visit in self.probes_out if visit.lease_end is not None)
            if ends and ends[0] <= now:
                self.open(ends[0], u)
        if self.state is OPEN and self.open_until <= now:
            self.move(HALF_OPEN, now)
        if self.ramp_end is not None and self.ramp_end <= now:
            self.ramp_end = None

    def lets_in(self, now: float) -> bool:
        """Tell whether a call may pass, after `look`."""
        if self.state is HALF_OPEN:
            return len(self.probes_out) < self.config.probes
        if self.state in (OPEN, ISOLATED):
            return False
        if self.allowed:
            return len(self.probes_out) < self.allowed
        if self.ramp_end is None or self.config.ramp is None:
            return True
        left = min(Fraction(1), Fraction(self.ramp_end - now) / Fraction(self.config.ramp))
        self.shares.append(1 - (1 - Fraction(self.config.ramp_start)) * left)
        if sum(self.shares) - self.passed < 1:
            return False
        self.passed += 1
        return True

    def count(self, visit: Visit, verdict: Verdict, now: float, slow: bool, u: float) -> bool:
        """Write a result down, after `look`; False when it is late."""
        if visit.era != self.era or (visit.leased and not visit.out):
            self.late += 1
            return False
        visit.out = False
        if verdict in NEUTRAL or self.state is DISABLED:
            return True
        if self.state is HALF_OPEN:
            self._count_probe(verdict is Verdict.FAILURE or slow, now, u)
        elif visit.leased:
            self.step_of_ramp(verdict, now, slow, u)
        else:
            self.enter(verdict, now, slow, u)
        return True

    def step_of_ramp(self, verdict: Verdict, now: float, slow: bool, u: float) -> None:
        """Let the success-driven ramp go up or down, and write the result down as any other."""
        if self.allowed:
            bad = verdict is Verdict.FAILURE or slow
            self.allowed = max(1, self.allowed // 2) if bad else self.allowed + 1
            if self.allowed >= self.config.ramp_limit:
                self.end_success_ramp()
        self.enter(verdict, now, slow, u)

    def enter(self, verdict: Verdict, now: float, slow: bool, u: float) -> None:
        """Write a result of a closed circuit down, and open if that is called for."""
        failed = verdict is Verdict.FAILURE
        self.entries.append(Entry(now, failed, slow))
        if self.must_open(now, failed):
            if self.state is METRICS_ONLY:
                self.told.append(Told(METRICS_ONLY, OPEN, now, would=True))
                self.forget()
            else:
                self.open(now, u)

    def _count_probe(self, bad: bool, now: float, u: float) -> None:
        if bad:
            self.open(now, u)
            return
        self.good_probes.append(self.era)
        if self.probe_successes >= self.config.success_threshold:
            self.move(BASE[self.config.mode], now)
            self.forget()
            if self.config.ramp_kind is RampKind.SUCCESS:
                self.allowed = 1
            elif self.config.ramp is not None:
                self.ramp_end, self.shares, self.passed = now + self.config.ramp, [], 0

    def must_open(self, now: float, failed: bool) -> bool:
        """Tell whether the results call for opening, the last one having failed or not."""
        config = self.config
        if config.window_kind is WindowKind.CONSECUTIVE:
            return self.failures_in_a_row >= config.failure_threshold
        entries = self.remembered(now)
        failures, slow = sum(entry.failed for entry in entries), sum(entry.slow for entry in entries)
        if config.window_kind is WindowKind.COUNT_IN_TIME:
            return failed and failures >= config.failure_threshold
        if len(entries) < config.minimum_calls:
            return False
        return (failures > 0 and Fraction(failures, len(entries)) >= Fraction(config.failure_rate)) or (
            slow > 0 and Fraction(slow, len(entries)) >= Fraction(config.slow_call_rate)
        )

    def reconfigure(self, config: CircuitBreakerConfig, now: float) -> None:
        """Go on under another configuration."""
        old, self.config = self.config, config
        threshold_matters = config.window_kind is WindowKind.COUNT_IN_TIME
        if config.window_kind is not old.window_kind or (
            config.window_kind is not WindowKind.CONSECUTIVE and config.window_size != old.window_size
        ) or (threshold_matters and config.failure_threshold != old.failure_threshold):  # fmt: skip
            self.window_from = len(self.entries)
        if self.state is OPEN and config.recovery_timeout != old.recovery_timeout:
            period = config.recovery_timeout * config.open_backoff ** (self.openings - 1)
            cap = config.max_recovery_timeout if config.open_backoff > 1.0 else period
            self.open_until = self.since + min(period, cap)
        if config.ramp_kind is not old.ramp_kind:
            self.ramp_end = None
            self.end_success_ramp()
        elif self.allowed >= config.ramp_limit:
            self.end_success_ramp()
        elif self.ramp_end is not None and config.ramp != old.ramp:
            self.ramp_end = None if config.ramp is None else self.since + config.ramp
        if config.mode is not old.mode and self.state is not ISOLATED:
            self.close(now)

    def close(self, now: float) -> None:
        """Close by hand."""
        if self.state is not BASE[self.config.mode]:
            self.move(BASE[self.config.mode], now)
        self.forget()


waits = st.integers(0, 24).map(lambda eighths: eighths / 8) | st.sampled_from([7.0, 13.0, 40.0])
draws = st.sampled_from([0.0, 0.25, 0.5, 0.75])
verdicts = st.sampled_from(
    [Verdict.FAILURE, Verdict.FAILURE, Verdict.FAILURE, Verdict.SUCCESS, Verdict.SUCCESS, *NEUTRAL]
)
results = st.tuples(verdicts, st.booleans())
series = (
    st.lists(results, min_size=1, max_size=8)
    | st.integers(1, 6).map(lambda number: [(Verdict.FAILURE, False)] * number)
    | st.integers(1, 6).map(lambda number: [(Verdict.SUCCESS, False)] * number)
)
picks = st.integers(0, 1000)


class BreakerComparison(RuleBasedStateMachine):
    """Machine and book hear of the same arrivals, results, orders and times."""

    @initialize(config=configs(), now=st.sampled_from([-40.0, 0.0, 1000.0]))
    def create(self, config: CircuitBreakerConfig, now: float) -> None:
        """Begin with a new circuit."""
        self.now = now
        self.machine = BreakerMachine(config, now)
        self.book = Book(config, BASE[config.mode], now)
        self.permits: list[tuple[Permit, Visit]] = []
        self.checked = 0

    def arrive(self, u: float) -> bool:
        """A call arrives; both must agree whether it passes."""
        self.book.look(self.now, u)
        expected = self.book.lets_in(self.now)
        answer = self.machine.admit(self.now, u)
        assert expected is not isinstance(answer, Refusal)
        if isinstance(answer, Refusal):
            self.check_refusal(answer)
            return False
        lease_end = None
        if self.book.state is HALF_OPEN or self.book.allowed:
            assert isinstance(answer, Probe)
            lease_end = self.now + self.book.config.lease
            assert answer.lease_end == lease_end
        else:
            assert answer == self.book.era
        visit = Visit(self.book.era, lease_end, leased=lease_end is not None)
        self.book.visits.append(visit)
        self.permits.append((answer, visit))
        assert len(self.book.probes_out) <= (self.book.allowed or self.book.config.probes)
        return True

    def check_refusal(self, refusal: Refusal) -> None:
        """A refusal tells the state and when it may change."""
        book = self.book
        assert refusal.state is book.state
        if book.state is OPEN:
            assert refusal.retry_after == book.open_until - self.now > 0.0
        elif book.state is HALF_OPEN:
            first = min(visit.lease_end for visit in book.probes_out if visit.lease_end is not None)
            assert refusal.retry_after == first - self.now > 0.0
        else:
            assert refusal.retry_after == (None if book.state is ISOLATED else 0.0)

    def finish(self, permit: Permit, visit: Visit, result: tuple[Verdict, bool], u: float) -> None:
        """A call ends; both must agree whether it counts."""
        verdict, slow = result[0], result[1] and self.book.config.slow_call_duration is not None
        self.book.look(self.now, u)
        expected = self.book.count(visit, verdict, self.now, slow, u)
        assert self.machine.settle(permit, verdict, self.now, slow, u) is expected

    @rule(seconds=waits)
    def wait(self, seconds: float) -> None:
        """Time passes, and nobody looks."""
        self.now += seconds

    @rule(offset=st.sampled_from([0.0, 0.0, -0.125, 0.125]))
    def wait_for_the_next_moment(self, offset: float) -> None:
        """Time passes to the end of the open period, a lease or a ramp, or just beside it."""
        book = self.book
        moments = [visit.lease_end for visit in book.probes_out if visit.lease_end is not None]
        moments += [book.open_until] if book.state is OPEN else []
        moments += [] if book.ramp_end is None else [book.ramp_end]
        moment = min((moment for moment in moments if moment > self.now), default=self.now) + offset
        self.now = max(self.now, moment)

    @rule(u=draws)
    def look(self, u: float) -> None:
        """Somebody looks."""
        self.book.look(self.now, u)
        self.machine.advance(self.now, u)

    @rule(u=draws)
    def admit(self, u: float) -> None:
        """A call arrives and stays out."""
        self.arrive(u)

    @rule(series=series, u=draws)
    def calls(self, series: list[tuple[Verdict, bool]], u: float) -> None:
        """Calls come and go at once."""
        for result in series:
            if self.arrive(u):
                self.finish(*self.permits.pop(), result, u)

    @precondition(lambda self: self.book.state is OPEN or self.book.state is HALF_OPEN)
    @rule(u=draws, further=st.integers(0, 4), out=st.integers(0, 4))
    def come_back(self, u: float, further: int, out: int) -> None:
        """The outage is over: probes succeed until it closes, then further calls do, and some stay out."""
        self.now = max(self.now, self.book.open_until)
        for _ in range(self.book.config.success_threshold + further):
            if self.arrive(u):
                self.finish(*self.permits.pop(), (Verdict.SUCCESS, False), u)
        for _ in range(out):
            self.arrive(u)

    @rule(present=st.booleans(), u=draws)
    def ask(self, present: bool, u: float) -> None:
        """A health probe answers yes, for the present period or a former one; it ends an open one and nothing else."""
        self.look(u)
        era = self.book.era if present else self.book.era - 1
        ends = present and self.book.state is OPEN
        if ends:
            self.book.move(HALF_OPEN, self.now)
        assert self.machine.end_open_period(era, self.now, "the probe says so") is ends

    @precondition(lambda self: self.book.state is not CLOSED or self.book.era % 3 == 0)
    @rule(u=draws)
    def trip(self, u: float) -> None:
        """Something outside opens the circuit; only a closed one can be opened, and one that only records is not."""
        self.look(u)
        closed = self.book.state in COUNTING
        if self.book.state is METRICS_ONLY:
            self.book.told.append(Told(METRICS_ONLY, OPEN, self.now, would=True))
            self.book.forget()
        elif closed:
            self.book.open(self.now, u)
        assert self.machine.trip(self.now, "it is told to", u) is closed

    @precondition(lambda self: self.permits)
    @rule(pick=picks, result=results, u=draws, again=st.booleans())
    def settle(self, pick: int, result: tuple[Verdict, bool], u: float, again: bool) -> None:
        """Any call that is out comes back; some probe comes back twice."""
        permit, visit = self.permits.pop(pick % len(self.permits))
        self.finish(permit, visit, result, u)
        if again and isinstance(permit, Probe):
            self.finish(permit, visit, result, u)

    @precondition(lambda self: self.permits)
    @rule(pick=picks, limit=st.sampled_from([None, 1.0, 8.0]), queue=st.booleans())
    def begin(self, pick: int, limit: float | None, queue: bool) -> None:
        """An attempt waits in an inner queue, or starts after it; a lease that has ended cannot be renewed."""
        permit, visit = self.permits[pick % len(self.permits)]
        if queue:
            self.machine.extend(permit, 2.0)
            visit.lease_end = None if visit.lease_end is None else visit.lease_end + 2.0
            return
        self.machine.start(permit, self.now, limit)
        if visit.lease_end is not None and self.now < visit.lease_end:
            config = self.book.config
            visit.lease_end = self.now + (config.probe_lease if limit is None else limit + config.probe_margin)

    @rule(order=st.sampled_from(["isolate", "close"]) | configs(), u=draws)
    def operate(self, order: str | CircuitBreakerConfig, u: float) -> None:
        """An operator isolates, closes, or replaces the policy; the gate looks before it does so."""
        self.look(u)
        if isinstance(order, CircuitBreakerConfig):
            self.book.reconfigure(order, self.now)
            self.machine.reconfigure(order, self.now)
        elif order == "close":
            self.book.close(self.now)
            self.machine.close(self.now, "an order")
        else:
            if self.book.state is not ISOLATED:
                self.book.move(ISOLATED, self.now)
            self.machine.isolate(self.now, "an order")

    @precondition(lambda self: self.machine.calm)
    @rule(successes=st.integers(1, 12), seconds=waits)
    def absorb(self, successes: int, seconds: float) -> None:
        """Successes that came while the circuit was calm are handed over later, as one number."""
        before, self.now = self.now, self.now + seconds
        if self.book.config.window_kind is WindowKind.TIME:
            window = self.machine.window
            assert window is not None
            window.turn(before)
        self.book.entries += [Entry(before, False, False)] * successes
        self.machine.absorb(successes, self.now)

    # ------------------------------------------------------------------ what must hold at any time

    @invariant()
    def state_and_figures_agree(self) -> None:
        """Every figure is the sum of what the book holds."""
        machine, book = self.machine, self.book
        assert (machine.state, machine.era, machine.since) == (book.state, book.era, book.since)
        assert machine.failures == book.failures_in_a_row
        assert machine.successes == book.probe_successes
        assert machine.openings == book.openings
        assert machine.probes_in_flight == len(book.probes_out)
        assert machine.allowed == (book.allowed or None)
        assert machine.late == book.late
        assert machine.would_have_opened == sum(line.would for line in book.told)
        if book.state is OPEN:
            assert machine.open_until == book.open_until
        if machine.window is not None:
            # A copy, because the end of a lease may still be due, which is written down at its own time.
            window = copy.deepcopy(machine.window)
            window.turn(self.now)
            entries = book.remembered(self.now)
            assert window.calls == len(entries)
            assert window.failures == sum(entry.failed for entry in entries)
            assert window.slow == sum(entry.slow for entry in entries)
        else:
            assert book.config.window_kind is WindowKind.CONSECUTIVE

    @invariant()
    def transitions_are_told_once_and_in_order(self) -> None:
        """Each transition is told once, with the next era, and begins where the last one ended."""
        news, self.machine.transitions = self.machine.transitions, ()
        expected = self.book.told[self.checked :]
        assert [(t.old, t.new, t.at, t.would) for t in news] == [(t.old, t.new, t.at, t.would) for t in expected]
        state = self.book.start
        era = 0
        for line in self.book.told:
            assert line.old is state
            if not line.would:
                era, state = era + 1, line.new
        assert all(transition.reason for transition in news)
        assert not news or news[-1].era == era
        self.checked = len(self.book.told)
        for line in expected:
            event(f"{line.old.value} -> {'would ' if line.would else ''}{line.new.value}")

    @invariant()
    def nobody_passes_before_the_time(self) -> None:
        """While it is open before its time, or isolated, no call is admitted, whatever number is drawn."""
        if self.machine.state is ISOLATED or (self.machine.state is OPEN and self.now < self.machine.open_until):
            for u in (0.0, 0.999):
                assert isinstance(twin(self.machine).admit(self.now, u), Refusal)

    @invariant()
    def calm_means_that_a_success_changes_nothing(self) -> None:
        """While calm, a success adds one to the window and changes nothing else, looked at singly or absorbed."""
        if not self.machine.calm:
            return
        event("calm")
        if self.machine.window is not None:
            self.machine.window.turn(self.now)
        singly, absorbed = twin(self.machine), twin(self.machine)
        permit = singly.admit(self.now)
        assert permit == self.machine.era
        assert singly.settle(self.machine.era, Verdict.SUCCESS, self.now) is True
        absorbed.absorb(1, self.now)
        for other in (singly, absorbed):
            assert other.calm
            assert figures(other) == figures(self.machine)
            if self.machine.window is not None and other.window is not None:
                assert (other.window.failures, other.window.slow) == (0, 0)
        if singly.window is not None and absorbed.window is not None:
            assert singly.window.calls == absorbed.window.calls


def figures(machine: BreakerMachine) -> tuple[object, ...]:
    """Return all that a machine knows but its window."""
    return (
        machine.state, machine.era, machine.since, machine.failures, machine.successes, machine.openings,
        machine.late, machine.would_have_opened, machine.probes_in_flight, len(machine.transitions),
    )  # fmt: skip


def twin(machine: BreakerMachine) -> BreakerMachine:
    """Return a copy that can be tried without disturbing the machine."""
    return copy.deepcopy(machine, {id(machine.config): machine.config})


BreakerComparison.TestCase.settings = settings(
    max_examples=examples(400), stateful_step_count=60, deadline=None, derandomize=True, print_blob=True
)
TestBreakerAgainstBook = BreakerComparison.TestCase
