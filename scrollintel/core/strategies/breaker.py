"""One circuit at run time: the breaker's machine with its lock, clock, counters and events."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..chance import chance
from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig, WindowKind
from ..errors import (
    CallTimeoutError,
    CircuitHalfOpenError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    FailureSummary,
    RejectedError,
    text_of,
)
from ..hub import EventHub
from ..locks import new_lock
from ..machines.answers import Permit, Probe, Refusal, Transition
from ..machines.breaker import BreakerMachine
from ..machines.sketch import CLASSIC_BOUNDS, LatencySketch
from ..outcome import MOST_TOLD, Verdict
from ..states import CircuitState, StateChange
from .classify import Classifier, cancels, classifier
from .gate import NO_RESULT, Wait
from .meter import BATCH, CircuitFigures, CircuitReading, Counter, Counts, ReportMark, summarise

if TYPE_CHECKING:
    from ..evidence import Evidence
    from ..snapshot import CircuitSnapshot, Tally
    from .deciding import Noted
    from .health_probe import HealthProber, ProbeTally

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
DISABLED = CircuitState.DISABLED
TIME = WindowKind.TIME
SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED
_RAN = (SUCCESS, FAILURE)
NO_TIMES: Sequence[int] = (0,) * (len(CLASSIC_BOUNDS) + 1)


class Circuit:
    """The gate of one circuit.

    `calm_era` is the machine's era while a success changes nothing but a number, and -1 otherwise. While it is not
    negative, drivers neither enter nor leave: they remember it, and if it is still the same afterwards and
    `boundary` has not passed, they append the duration to `durations` and call `fold` when there are enough of
    them, or call `next_success` when durations are not measured. Everything else goes through `enter` and
    `leave`, which lock.
    """

    __slots__ = (
        "__weakref__", "_changes", "_classify", "_counts", "_evidence", "_failure", "_lock", "_noted", "_plain",
        "_pulled", "_reason", "_rejected", "_sketch", "_summary", "boundary", "calm_era", "clock", "config",
        "durations", "health", "hub", "key", "machine", "next_success", "prober", "queue_limit", "touched",
    )  # fmt: skip

    def __init__(
        self,
        config: CircuitBreakerConfig,
        clock: Clock,
        hub: EventHub,
        *,
        key: str | None = None,
        classify: Classifier | None = None,
        prober: HealthProber | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.hub = hub
        self.key = key
        self.queue_limit = 0.0
        self.touched = 0.0
        self._lock = new_lock()
        self._classify = classify if classify is not None else classifier(config)
        self.machine = BreakerMachine(config, clock.monotonic())
        self._reason = "created"
        self._changes: tuple[StateChange, ...] = ()
        self._noted: deque[Noted] | None = None
        self._evidence: Evidence | None = None
        self.health: ProbeTally | None = None
        self.prober = prober if prober is not None or config.health_probe is None else _new_prober(clock)
        self.calm_era = -1
        self._forget_counts()
        self._refresh()

    def _forget_counts(self, *, plain: bool = False) -> None:
        self.durations = array("d")
        self._sketch: LatencySketch | None = None
        self._counts: Counts | None = None
        self._plain: Counter | None = Counter() if plain else None
        self._rejected: Counter | None = None
        self._failure: tuple[str, str, float] | None = None
        self._summary: tuple[tuple[str, str, float], FailureSummary] | None = None
        self._pulled = 0
        self.next_success: Callable[[], object] = _unprepared if self._plain is None else self._plain.step

    # ------------------------------------------------------------------ calls

    def enter(self, call: Call) -> Permit:
        """Admit an attempt; raises CircuitOpenError when the circuit refuses."""
        machine = self.machine
        # Reads without the lock. A closed circuit admits whatever it remembers; an era that is over by the time the
        # state is read makes a late result. A reader that sees the end of another open period is refused or let on
        # to the lock, both of which were right a moment earlier or later.
        era = machine.era
        if machine.state is CLOSED and machine.ramp is None and machine.era == era:
            return era
        now = self.clock.monotonic()
        if machine.state is OPEN:
            left = machine.open_until - now
            if left > 0.0:
                raise self._refused(OPEN, left)
        with self._lock:
            answer = machine.admit(now, self._spread())
            if self.queue_limit and isinstance(answer, Probe):
                machine.extend(answer, self.queue_limit)
            self._after()
        if isinstance(answer, Refusal):
            raise self._refused(answer.state, answer.retry_after)
        return answer

    def readmit(self) -> int:
        """Return the era for a further attempt of a call on the short way, or -1 when that takes a decision."""
        machine = self.machine
        era = machine.era
        return era if machine.state is CLOSED and machine.ramp is None and machine.era == era else -1

    def refuses_for(self) -> float:
        """Return the seconds for which every call is refused: 0 when one may be admitted, infinite when isolated."""
        machine = self.machine
        state = machine.state
        if state is OPEN:
            return max(0.0, machine.open_until - self.clock.monotonic())
        return inf if state is CircuitState.ISOLATED else 0.0

    def refuse_if_open(self) -> None:
        """Raise CircuitOpenError when that is all that could come of a call; otherwise do nothing."""
        machine = self.machine
        if machine.state is OPEN:
            left = machine.open_until - self.clock.monotonic()
            if left > 0.0:
                rejected = self._rejected
                if rejected is None or self.hub.active:
                    raise self._refused(OPEN, left)
                # The same as `_refused`, in place: a storm of refusals is when their price matters.
                rejected.step()
                raise CircuitOpenError(self.config.name, left, self.last_failure, self.key)

    def resume(self, call: Call, wait: Wait) -> Permit:
        """Never called: a circuit does not let wait."""
        return self.enter(call)

    def give_up(self, call: Call, wait: Wait) -> None:
        """Never called: a circuit does not let wait."""

    def begin(self, permit: Permit, now: float, limit: float | None) -> None:
        """Note that the attempt of a permit starts to run, for at most `limit` seconds."""
        if isinstance(permit, Probe):
            with self._lock:
                self.machine.start(permit, now, limit)

    def extend(self, permit: Permit, seconds: float) -> None:
        """Lengthen the lease of a probe by a wait that is not the dependency's."""
        if isinstance(permit, Probe):
            with self._lock:
                self.machine.extend(permit, seconds)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> Verdict:
        """Count the end of an attempt that `enter` admitted, and return what it counts as."""
        now = self.clock.monotonic()
        began = call.began
        if began is None:
            # The attempt never ran: refused by an inner layer, which counts it, or cancelled while it waited there.
            self.settle(permit, ABANDONED, now, None, error, counted=not isinstance(error, RejectedError))
            return ABANDONED
        expires = call.expires
        overdue = expires is not None and now >= expires
        if error is not None:
            verdict, timed_out = self._judge(error, overdue)
        elif overdue:
            verdict, timed_out = FAILURE, True
        else:
            timed_out = False
            try:
                verdict = FAILURE if self._fails(value) else SUCCESS
            except BaseException:
                # The caller hears of a broken predicate; the circuit gets its permit back and counts nothing.
                self.settle(permit, ABANDONED, now, None, None)
                raise
        self.settle(permit, verdict, now, now - began, error, timed_out=timed_out, measured=call.measured)
        if timed_out:
            limit = now - began if expires is None else expires - began
            self.tell_timeout(limit, call.attempt, abandoned=call.abandoned)
        return verdict

    def settle_first(self, era: int, error: BaseException, now: float, elapsed: float | None, call: Call) -> None:
        """Count the failure of an attempt that passed the circuit without `enter`, as `leave` does."""
        expires = call.expires
        overdue = expires is not None and now >= expires
        verdict, timed_out = self._judge(error, overdue)
        self.settle(era, verdict, now, elapsed, error, timed_out=timed_out, measured=call.measured)
        if timed_out and elapsed is not None:
            self.tell_timeout(elapsed if expires is None else expires - (now - elapsed), call.attempt)

    def settle(
        self,
        permit: Permit,
        verdict: Verdict,
        now: float,
        elapsed: float | None,
        error: BaseException | None,
        *,
        timed_out: bool = False,
        measured: bool = True,
        counted: bool = True,
    ) -> None:
        """Count one result under the lock.

        `measured` tells whether its duration is recorded, `counted` whether it belongs into the tally.
        """
        config = self.config
        slow_after = config.slow_call_duration
        slow = slow_after is not None and elapsed is not None and elapsed > slow_after
        failure = None
        if verdict is FAILURE:
            kind = type(error).__name__ if error is not None else "CallTimeoutError" if timed_out else "result"
            failure = (kind, text_of(error), self.clock.time())
        machine = self.machine
        with self._lock:
            if machine.window is not None:
                self._absorb(now)
            u = chance() if config.open_jitter else 0.5
            decides = permit.__class__ is Probe and machine.state is HALF_OPEN
            if machine.settle(permit, verdict, now, slow, u) and counted and machine.state is not DISABLED:
                counts = self._counts
                if counts is None:
                    counts = self._counts = Counts()
                if verdict is SUCCESS:
                    counts.successes += 1
                    if slow or decides:
                        self._note(now, None, elapsed, slow)
                elif failure is not None:
                    counts.failures += 1
                    counts.timeouts += timed_out
                    self._failure = failure
                    self._note(now, failure[0], elapsed, slow)
                elif verdict is IGNORED:
                    counts.ignored += 1
                else:
                    counts.abandoned += 1
                if slow:
                    counts.slow += 1
                if measured and elapsed is not None and config.response_times and verdict in _RAN:
                    counts.durations += 1
                    self.durations.append(elapsed)
                    if len(self.durations) >= BATCH:
                        self._fold()
            if machine.failures and not machine.transitions:
                self.calm_era = -1
            else:
                self._after()

    def fold(self) -> None:
        """Move the buffered durations into the sketch."""
        # Not `acquire(blocking=False)`: what a signal handler raises right behind that would leave the lock taken.
        with self._lock:
            self._fold()

    def count_plainly(self) -> None:
        """Make the counter for successes whose durations are not measured."""
        with self._lock:
            if self._plain is None:
                self._plain = Counter()
                self.next_success = self._plain.step

    def count_refusal(self) -> None:
        """Count an attempt that did not start."""
        rejected = self._rejected
        if rejected is None:
            with self._lock:
                rejected = self._rejected = self._rejected or Counter()
        rejected.step()

    def tell_timeout(self, timeout: float, attempt: int, *, abandoned: bool = False) -> None:
        """Tell that an attempt did not end within `timeout` seconds."""
        if self.hub.active:
            from ..events import CallTimedOut

            event = CallTimedOut(
                policy=self.name, at=self.clock.time(), timeout=timeout, attempt=attempt, abandoned=abandoned
            )
            self.hub.emit(event)

    # ------------------------------------------------------------------ operators

    @property
    def name(self) -> str:
        """Name of the circuit."""
        return self.config.name

    @property
    def last_failure(self) -> FailureSummary | None:
        """The failure seen last, or None."""
        failure = self._failure
        if failure is None:
            return None
        # Read and kept without the lock: what is kept tells what it was made from, so no newer failure is lost.
        made = self._summary
        if made is not None and made[0] is failure:
            return made[1]
        summary = FailureSummary(*failure)
        self._summary = (failure, summary)
        return summary

    @property
    def state(self) -> CircuitState:
        """Present state, with what time alone has changed."""
        with self._lock:
            self.machine.advance(self.clock.monotonic(), self._spread())
            self._after()
            return self.machine.state

    def trip(self, reason: str, failure: tuple[str, str, float] | None = None) -> bool:
        """Open for a reason that lies outside this circuit, such as those below it; False unless it is closed.

        `failure` is the class, the text and the time of the failure that decided it.
        """
        tripped: list[bool] = []

        def change(now: float) -> None:
            if self.machine.state in (CLOSED, CircuitState.METRICS_ONLY) and failure is not None:
                self._failure = failure
            tripped.append(self.machine.trip(now, reason, self._spread()))

        self._operate(change, anew=True)
        return tripped[0]

    def end_open_period(self, era: int, reason: str = "the health probe says that the service is well") -> bool:
        """Become half-open before the time, so that calls decide; False unless that open period still runs."""
        ended: list[bool] = []
        self._operate(lambda now: ended.append(self.machine.end_open_period(era, now, reason)))
        return ended[0]

    def isolate(self, reason: str = "isolated by an operator") -> None:
        """Refuse every call until `close` or `reset`."""
        self._operate(lambda now: self.machine.isolate(now, reason), anew=True)

    def close(self, reason: str = "closed by an operator") -> None:
        """Admit calls again at once, with the counters of the machine at zero; the tally is kept."""
        self._operate(lambda now: self.machine.close(now, reason), anew=True)

    def restore_open(self, remaining: float, reason: str, openings: int = 1) -> bool:
        """Go on with an open period that another process began; False when the circuit is not closed.

        Arguments:
            remaining: Seconds that are left of it; 0 when it is over, so that the next call is a probe. At most as
                long as the configuration can hold the circuit open.
            reason: Why the circuit is open.
            openings: Openings in a row so far, which lengthen the next one; at least 1.
        """
        restored: list[bool] = []
        self._operate(
            lambda now: restored.append(self.machine.restore_open(now, remaining, reason, openings)), anew=True
        )
        return restored[0]

    def reset(self, reason: str = "reset by an operator") -> None:
        """Close, and forget tally, response times, last failure and history as well."""

        def forget(now: float) -> None:
            self.machine.close(now, reason)
            self.machine.would_have_opened = self.machine.late = 0
            self._forget_counts(plain=self._plain is not None)

        self._operate(forget, anew=True, keep_history=False)

    def reconfigure(self, config: CircuitBreakerConfig) -> None:
        """Go on under `config`, keeping the state that it does not concern."""
        rule = classifier(config)

        if config.health_probe is not None and self.prober is None:
            self.prober = _new_prober(self.clock)

        def apply(now: float) -> None:
            begins = config.health_probe is not None and self.config.health_probe is None
            self.config = config
            self._classify = rule
            self.machine.reconfigure(config, now)
            self._changes = self._changes[-config.history :]
            if begins and self.prober is not None and self.machine.state is OPEN:
                self.prober.notice(self, self.machine.era)

        self._operate(apply)

    def snapshot(self) -> CircuitSnapshot:
        """Return how the circuit stands now."""
        from ..snapshot import CircuitSnapshot

        with self._lock:
            now = self.clock.monotonic()
            machine = self.machine
            machine.advance(now, self._spread())
            self._fold()
            self._absorb(now)
            if machine.window is not None:
                machine.window.turn(now)
            self._after()
            window = machine.window
            return CircuitSnapshot(
                name=self.name,
                key=self.key,
                state=machine.state,
                reason=self._reason,
                since=self.clock.time() - (now - machine.since),
                retry_after=max(0.0, machine.open_until - now) if machine.state is OPEN else None,
                consecutive_failures=machine.failures,
                window_calls=0 if window is None else window.calls,
                window_failures=0 if window is None else window.failures,
                window_slow=0 if window is None else window.slow,
                probes_in_flight=machine.probes_in_flight,
                probe_successes=machine.successes,
                openings=machine.openings,
                would_have_opened=machine.would_have_opened,
                tally=self._tally(),
                response_times=summarise(self._sketch),
                last_failure=self.last_failure,
                history=self._changes,
                evidence=self._evidence,
                ramp_allowed=machine.allowed,
                ramp_left=machine.ramp_left(now),
                health_probes=0 if self.health is None else self.health.asked,
                health_probe_failures=0 if self.health is None else self.health.failed,
                health_probe_error=None if self.health is None else self.health.last,
            )

    def report(self, mark: ReportMark | None = None) -> CircuitReading | None:
        """Return the figures of the circuit for a report, or None when they are those of `mark`.

        Cheap enough to ask of hundreds of circuits each second: what is unchanged costs no quantiles.
        """
        with self._lock:
            now = self.clock.monotonic()
            machine = self.machine
            machine.advance(now, self._spread())
            self._fold()
            self._absorb(now)
            self._after()
            fresh = ReportMark(machine.era, self._ends(), machine.failures, machine.openings, machine.probes_in_flight)
            if fresh == mark:
                return None
            return CircuitReading(
                mark=fresh,
                state=machine.state,
                reason=self._reason,
                since=self.clock.time() - (now - machine.since),
                retry_after=max(0.0, machine.open_until - now) if machine.state is OPEN else None,
                response_times=summarise(self._sketch),
                last_failure=self._failure,
                buckets=self._buckets()[0],
                durations=None if self._sketch is None else self._sketch.counts[:],
            )

    def figures(self) -> CircuitFigures:
        """Return what the circuit has counted, for metrics; costs no quantiles."""
        with self._lock:
            now = self.clock.monotonic()
            machine = self.machine
            machine.advance(now, self._spread())
            self._fold()
            self._absorb(now)
            self._after()
            since = self.clock.time() - (now - machine.since)
            return CircuitFigures(machine.state, since, machine.era, self._ends(), *self._buckets())

    def sketch(self) -> LatencySketch | None:
        """Return a copy of the measured response times, or None without any."""
        with self._lock:
            self._fold()
            return None if self._sketch is None else self._sketch.merge(())

    def quantile(self, q: float) -> tuple[float | None, int]:
        """Return a quantile of the response times in seconds, and how many it rests on."""
        with self._lock:
            self._fold()
            sketch = self._sketch
            return (None, 0) if sketch is None else (sketch.quantile(q), sketch.count)

    def tally(self) -> Tally:
        """Return the counts."""
        with self._lock:
            return self._tally()

    def may_be_dropped(self) -> bool:
        """Tell whether nothing but counts would be lost: nothing refused, and no failure to remember."""
        return self.calm_era >= 0 or self.machine.state is DISABLED

    # ------------------------------------------------------------------ inside; the lock is held

    def _fold(self) -> None:
        durations = self.durations
        number = len(durations)
        if number:
            batch = durations[:number]
            del durations[:number]
            if self._sketch is None:
                self._sketch = LatencySketch()
            self._sketch.add(batch)

    def _ends(self) -> tuple[int, int, int, int, int, int, int, int]:
        """Return the counts in the order of `ReportMark`; what took the short way has been absorbed just now."""
        counts = self._counts or Counts()
        rejections = 0 if self._rejected is None else self._rejected.read()
        return (
            self._pulled + counts.successes, counts.failures, counts.slow, rejections, counts.timeouts,
            self.machine.late, counts.ignored, counts.abandoned,
        )  # fmt: skip

    def _buckets(self) -> tuple[Sequence[int], float]:
        """Return the response times in coarse buckets, and their sum."""
        sketch = self._sketch
        return (NO_TIMES, 0.0) if sketch is None else sketch.classic()

    def _unlocked_successes(self) -> int:
        """Return the successes that took the short way: appended durations but those of `settle`, plus plain ones."""
        number = len(self.durations) + (0 if self._sketch is None else self._sketch.count)
        if self._counts is not None:
            number -= self._counts.durations
        return number if self._plain is None else number + self._plain.read()

    def _absorb(self, now: float) -> None:
        """Hand successes of the short way to the window, if they came while it was watched."""
        number = self._unlocked_successes()
        news, self._pulled = number - self._pulled, number
        if news > 0 and self.calm_era >= 0:
            self.machine.absorb(news, now)

    def _tally(self) -> Tally:
        from ..snapshot import Tally

        counts = self._counts or Counts()
        return Tally(
            successes=self._unlocked_successes() + counts.successes,
            failures=counts.failures,
            slow=counts.slow,
            ignored=counts.ignored,
            abandoned=counts.abandoned,
            late=self.machine.late,
            rejections=0 if self._rejected is None else self._rejected.read(),
            timeouts=counts.timeouts,
        )

    def _judge(self, error: BaseException, overdue: bool) -> tuple[Verdict, bool]:
        """Return the verdict and whether it is a timeout. Whatever ends an attempt after its own end is one.

        That includes a cancellation, which then is the deadline's and not the caller's, at whichever level.
        """
        if overdue and (isinstance(error, Exception) or cancels(error)):
            return FAILURE, True
        verdict = self._classify(error)
        return verdict, verdict is FAILURE and isinstance(error, CallTimeoutError)

    def _fails(self, value: object) -> bool:
        predicate = self.config.result_predicate
        return predicate is not None and value is not NO_RESULT and bool(predicate(value))

    def _spread(self) -> float:
        return chance() if self.config.open_jitter else 0.5

    def _refused(self, state: CircuitState, retry_after: float | None) -> CircuitOpenError:
        """Count a refusal and return its error; the lock is free."""
        self.count_refusal()
        if self.hub.active:
            self._tell_refusal(retry_after)
        if state is OPEN:
            return CircuitOpenError(self.config.name, retry_after, self.last_failure, self.key)
        if state is HALF_OPEN:
            return CircuitHalfOpenError(self.config.name, retry_after, self.last_failure, self.key)
        kind = CircuitIsolatedError if state is CircuitState.ISOLATED else CircuitRampingError
        return kind(self.config.name, retry_after, self.last_failure, self.key)

    def _tell_refusal(self, retry_after: float | None) -> None:
        from ..events import CallRejected

        if not self.hub.wants(CallRejected):
            return
        event = CallRejected(
            policy=self.name, at=self.clock.time(), layer="breaker", retry_after=retry_after, key=self.key
        )
        self.hub.emit(event)

    def _note(self, now: float, kind: str | None, elapsed: float | None, slow: bool) -> None:
        noted = self._noted
        if noted is None:
            noted = self._noted = deque(maxlen=MOST_TOLD)
        noted.append((now, kind, elapsed, slow))

    def _operate(self, change: Callable[[float], None], *, anew: bool = False, keep_history: bool = True) -> None:
        """Change something by order; `anew` forgets the calls that have been noted, because none of them decides it."""
        with self._lock:
            now = self.clock.monotonic()
            self.machine.advance(now, self._spread())
            self._absorb(now)
            if anew:
                self._noted = None
            change(now)
            self._after()
            if not keep_history:
                self._changes = ()
                self._evidence = None

    def _after(self) -> None:
        """Publish what changed and recompute what drivers read without the lock."""
        machine = self.machine
        if machine.transitions:
            transitions, machine.transitions = machine.transitions, ()
            for transition in transitions:
                self._publish(transition)
        self._refresh()

    def _refresh(self) -> None:
        machine = self.machine
        if machine.failures or not machine.calm:
            self.calm_era = -1
            return
        if self.calm_era < 0 and machine.window is not None:
            self._pulled = self._unlocked_successes()
        window = machine.window
        timed = window is not None and self.config.window_kind is TIME
        self.boundary = window.boundary() if timed and window is not None else inf
        self.calm_era = machine.era

    def _publish(self, transition: Transition) -> None:
        """Tell one transition; the hub only queues, so the lock may be held and order is kept."""
        wall = self.clock.time() - (self.clock.monotonic() - transition.at)
        noted, self._noted = self._noted or (), None
        if transition.would:
            if self.hub.watched:
                from ..events import WouldHaveOpened

                self.hub.emit(WouldHaveOpened(policy=self.name, at=wall, reason=transition.reason, key=self.key))
            return
        if transition.new is OPEN and self.config.health_probe is not None and self.prober is not None:
            self.prober.notice(self, transition.era)
        self._reason = transition.reason
        change = StateChange(at=wall, old=transition.old, new=transition.new, reason=transition.reason)
        self._changes = (*self._changes, change)[-self.config.history :]
        evidence = self._evidence_of(transition, noted, wall - transition.at)
        if evidence is not None or transition.new is not CircuitState.HALF_OPEN:
            self._evidence = evidence
        if self.hub.watched:
            from ..events import StateChanged

            opened = transition.new is OPEN
            event = StateChanged(
                policy=self.name,
                at=wall,
                old=transition.old,
                new=transition.new,
                reason=transition.reason,
                era=transition.era,
                key=self.key,
                retry_after=self.machine.open_until - transition.at if opened else None,
                last_failure=self.last_failure if opened else None,
                evidence=evidence,
            )
            self.hub.emit(event)

    def _evidence_of(self, transition: Transition, noted: Sequence[Noted], wall: float) -> Evidence | None:
        if not noted and transition.new is not OPEN:
            return None
        from .deciding import deciding

        return deciding(transition, self.machine, tuple(noted), wall)


def _new_prober(clock: Clock) -> HealthProber:
    from .health_probe import HealthProber

    return HealthProber(clock)


def _unprepared() -> object:
    raise AssertionError("a lane that does not measure durations makes the counter first")
