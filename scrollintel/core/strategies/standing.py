"""How one circuit stands: the breaker's machine with lock and clock, what is ordered, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from ..chance import chance
from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig, WindowKind
from ..hub import EventHub
from ..machines.answers import Transition
from ..machines.breaker import BreakerMachine
from ..states import CircuitState
from .books import Books
from .classify import Classifier, classifier
from .story import UNTOLD, Story

if TYPE_CHECKING:
    from ..snapshot import CircuitSnapshot, Tally
    from .health_probe import HealthProber, ProbeTally
    from .readings import CircuitFigures, CircuitReading, ReportMark

CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN
DISABLED, METRICS_ONLY = CircuitState.DISABLED, CircuitState.METRICS_ONLY
TIME = WindowKind.TIME


class Standing(Books):
    """The state of one circuit, what operators and others order, and what is read of it.

    `calm_era` is the machine's era while a success changes nothing but a number, and -1 otherwise; `boundary` is the
    time on the clock until which that holds.

    Attributes:
        queue_limit: Seconds that a probe may wait in an inner queue before its attempt starts.
        touched: When the circuit was used last, for whoever keeps many of them.
    """

    __slots__ = (
        "__weakref__", "_classify", "_story", "boundary", "calm_era", "clock", "config", "health", "hub", "key",
        "machine", "prober", "queue_limit", "touched",
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
        super().__init__()
        self.config = config
        self.clock = clock
        self.hub = hub
        self.key = key
        self.queue_limit = 0.0
        self.touched = 0.0
        self._classify = classify if classify is not None else classifier(config)
        self.machine = BreakerMachine(config, clock.monotonic())
        self._story: Story | None = None
        self.health: ProbeTally | None = None
        self.prober = prober if prober is not None or config.health_probe is None else _new_prober(clock)
        self.calm_era = -1
        self._refresh()

    # ------------------------------------------------------------------ what is read

    @property
    def name(self) -> str:
        """Name of the circuit."""
        return self.config.name

    @property
    def state(self) -> CircuitState:
        """Present state, with what time alone has changed."""
        with self._lock:
            self.machine.advance(self.clock.monotonic(), self._spread())
            self._after()
            return self.machine.state

    @property
    def story(self) -> Story:
        """What has happened to the circuit, to be read only."""
        return self._story or UNTOLD

    def snapshot(self) -> CircuitSnapshot:
        """Return how the circuit stands now."""
        from .readings import snapshot_of

        with self._lock:
            return snapshot_of(self, self._look(turn=True))

    def report(self, mark: ReportMark | None = None) -> CircuitReading | None:
        """Return the figures of the circuit for a report, or None when they are those of `mark`.

        Cheap enough to ask of hundreds of circuits each second: what is unchanged costs no quantiles.
        """
        from .readings import mark_of, reading_of

        with self._lock:
            now = self._look()
            fresh = mark_of(self)
            return None if fresh == mark else reading_of(self, now, fresh)

    def figures(self) -> CircuitFigures:
        """Return what the circuit has counted, for metrics; costs no quantiles."""
        from .readings import figures_of

        with self._lock:
            return figures_of(self, self._look())

    def tally(self) -> Tally:
        """Return the counts."""
        with self._lock:
            return self._tally(self.machine.late)

    def may_be_dropped(self) -> bool:
        """Tell whether nothing but counts would be lost: nothing refused, and no failure to remember."""
        return self.calm_era >= 0 or self.machine.state is DISABLED

    # ------------------------------------------------------------------ orders

    def trip(self, reason: str, failure: tuple[str, str, float] | None = None) -> bool:
        """Open for a reason that lies outside this circuit, such as those below it; False unless it is closed.

        `failure` is the class, the text and the time of the failure that decided it.
        """
        tripped: list[bool] = []

        def change(now: float) -> None:
            if self.machine.state in (CLOSED, METRICS_ONLY) and failure is not None:
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
            if self._story is not None:
                self._story.changes = self._story.changes[-config.history :]
            if begins and self.prober is not None and self.machine.state is OPEN:
                self.prober.notice(self, self.machine.era)

        self._operate(apply)

    # ------------------------------------------------------------------ inside; the lock is held

    def _spread(self) -> float:
        return chance() if self.config.open_jitter else 0.5

    def _own_story(self) -> Story:
        story = self._story
        if story is None:
            story = self._story = Story()
        return story

    def _absorb(self, now: float) -> None:
        """Hand successes of the short way to the window, if they came while it was watched."""
        news = self._pull()
        if news > 0 and self.calm_era >= 0:
            self.machine.absorb(news, now)

    def _look(self, *, turn: bool = False) -> float:
        """Take what time and the short way have brought, and return the time.

        `turn` lets the window let go of what is too old as well.
        """
        now = self.clock.monotonic()
        self.machine.advance(now, self._spread())
        self._fold()
        self._absorb(now)
        if turn and self.machine.window is not None:
            self.machine.window.turn(now)
        self._after()
        return now

    def _operate(self, change: Callable[[float], None], *, anew: bool = False, keep_history: bool = True) -> None:
        """Change something by order; `anew` forgets the calls that have been noted, because none of them decides it."""
        with self._lock:
            now = self.clock.monotonic()
            self.machine.advance(now, self._spread())
            self._absorb(now)
            if anew and self._story is not None:
                self._story.noted = None
            change(now)
            self._after()
            if not keep_history and self._story is not None:
                self._story.forget_changes()

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
            self._pull()
        window = machine.window
        timed = window is not None and self.config.window_kind is TIME
        self.boundary = window.boundary() if timed and window is not None else inf
        self.calm_era = machine.era

    def _publish(self, transition: Transition) -> None:
        """Tell one transition; the hub only queues, so the lock may be held and order is kept."""
        at = self.clock.time() - (self.clock.monotonic() - transition.at)
        story = self._own_story()
        if transition.would:
            story.noted = None
            if self.hub.watched:
                from ..events import WouldHaveOpened

                self.hub.emit(WouldHaveOpened(policy=self.name, at=at, reason=transition.reason, key=self.key))
            return
        opened = transition.new is OPEN
        if opened and self.config.health_probe is not None and self.prober is not None:
            self.prober.notice(self, transition.era)
        evidence = story.add(transition, self.machine, at, self.config.history)
        if self.hub.watched:
            from ..events import StateChanged

            event = StateChanged(
                policy=self.name,
                at=at,
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


def _new_prober(clock: Clock) -> HealthProber:
    from .health_probe import HealthProber

    return HealthProber(clock)
