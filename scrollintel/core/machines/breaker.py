"""The rules of one circuit: who may pass, what a result changes, and when."""

from __future__ import annotations

from ..config.breaker import BreakerMode, CircuitBreakerConfig
from ..outcome import Verdict
from ..states import CircuitState
from .answers import Permit, Probe, Refusal, Transition
from .leases import NO_LEASES, Leases
from .opening import extent, open_period, reason_to_open, window_of
from .ramp import Ramp, SuccessRamp, TimedRamp, ramp_of
from .window import Window

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, DISABLED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.METRICS_ONLY
_BASE = {BreakerMode.ENABLED: CLOSED, BreakerMode.DISABLED: DISABLED, BreakerMode.METRICS_ONLY: METRICS_ONLY}
SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED


class BreakerMachine:
    """Rules of one circuit. Pure and not thread-safe; the owning gate locks around each call.

    Times are seconds on any monotonic scale. Every method may change the state; what changed waits in
    `transitions` until the gate takes it. `era` rises on each change, and a result counts only in the era in
    which its call was admitted.
    """

    __slots__ = (
        "_leases", "config", "era", "failures", "late", "open_until", "openings", "ramp", "since",
        "state", "successes", "transitions", "window", "would_have_opened",
    )  # fmt: skip

    def __init__(self, config: CircuitBreakerConfig, now: float) -> None:
        self.config = config
        self.state = _BASE[config.mode]
        self.era = 0
        self.since = now
        self.failures = 0
        self.successes = 0
        self.late = 0
        self.openings = 0
        self.open_until = 0.0
        self.would_have_opened = 0
        self.transitions: tuple[Transition, ...] = ()
        self.window: Window | None = window_of(config, now)
        self.ramp: Ramp | None = None
        self._leases = NO_LEASES

    @property
    def calm(self) -> bool:
        """True while a success changes nothing but the number of successes."""
        if self.state is not CLOSED and self.state is not METRICS_ONLY:
            return False
        window = self.window
        return (
            self.failures == 0 and self.ramp is None and (window is None or (window.failures == 0 and window.slow == 0))
        )

    @property
    def probes_in_flight(self) -> int:
        """Probes whose result is awaited, and calls of a success-driven ramp."""
        return len(self._leases)

    @property
    def allowed(self) -> int | None:
        """Calls that a success-driven ramp admits at once, or None without one."""
        return self.ramp.allowed if isinstance(self.ramp, SuccessRamp) else None

    def ramp_left(self, now: float) -> float | None:
        """Return the seconds until a ramp by time is over, or None without one."""
        return max(0.0, self.ramp.end - now) if isinstance(self.ramp, TimedRamp) else None

    def admit(self, now: float, u: float = 0.5) -> Permit | Refusal:
        """Decide whether a call may pass at `now`. Opens the probe round when the wait is over. Never raises.

        `u` in [0, 1) spreads the open period when a lease has ended meanwhile.
        """
        self.advance(now, u)
        state = self.state
        if state is HALF_OPEN:
            if len(self._leases) >= self.config.probes:
                return Refusal(state, max(0.0, self._leases.first_end() - now))
            return self._lend(now)
        if state is OPEN:
            return Refusal(state, self.open_until - now)
        if state is ISOLATED:
            return Refusal(state, None)
        ramp = self.ramp
        if ramp is None:
            return self.era
        if isinstance(ramp, SuccessRamp):
            return self._lend(now) if len(self._leases) < ramp.allowed else Refusal(state, 0.0)
        return self.era if ramp.admits(now, self.config) else Refusal(state, 0.0)

    def start(self, permit: Permit, now: float, limit: float | None = None) -> None:
        """Let the lease of a probe run from `now`, when its attempt begins after a wait in an inner queue.

        `limit` is the time limit of the attempt in seconds, or None when it has none. A lease that has ended is
        over, whether or not somebody has looked since.
        """
        if isinstance(permit, Probe) and now < permit.lease_end:
            config = self.config
            length = config.probe_lease if limit is None else limit + config.probe_margin
            self._leases.move(permit, now + length)

    def extend(self, permit: Permit, seconds: float) -> None:
        """Lengthen a lease by the `seconds` that a probe may spend waiting before it starts."""
        if isinstance(permit, Probe):
            permit.lease_end += seconds

    def advance(self, now: float, u: float = 0.5) -> None:
        """Apply what time alone changes: leases that ended, open periods that are over, a ramp that is done."""
        if now >= self._leases.end and isinstance(self.ramp, SuccessRamp):
            self._end_leases_of_ramp(now, u)
        while self.state is HALF_OPEN or self.state is OPEN:
            if self.state is OPEN:
                if now < self.open_until:
                    return
                self._move(HALF_OPEN, now, "the open period is over")
                return
            end = self._leases.first_end()
            if now < end:
                return
            self._open(end, u, "a probe did not return within its lease")
        if isinstance(self.ramp, TimedRamp) and now >= self.ramp.end:
            self.ramp = None

    def absorb(self, successes: int, now: float) -> None:
        """Count successes that came while the circuit was calm, without looking at each."""
        window = self.window
        if window is not None and (self.state is CLOSED or self.state is METRICS_ONLY):
            window.absorb(successes, now)

    def settle(self, permit: Permit, verdict: Verdict, now: float, slow: bool = False, u: float = 0.5) -> bool:
        """Count the result of an admitted call; False when it came too late to count.

        `slow` tells that it took longer than the configuration allows; `u` in [0, 1) spreads the open period.
        """
        state = self.state
        if state is not CLOSED or self.ramp is not None:
            self.advance(now, u)
        if isinstance(permit, Probe):
            return self._settle_probe(permit, verdict, now, slow, u)
        if permit != self.era:
            self.late += 1
            return False
        if verdict is not IGNORED and verdict is not ABANDONED and self.state is not DISABLED:
            self._count(verdict, now, slow, u)
        return True

    @property
    def growth(self) -> float:
        """Factor by which the present open period is longer than the first one, before jitter."""
        return open_period(self.config, max(0, self.openings - 1)) / self.config.recovery_timeout

    def end_open_period(self, era: int, now: float, reason: str) -> bool:
        """Become half-open before the time; False unless the open period of that era still runs."""
        if self.state is not OPEN or self.era != era:
            return False
        self._move(HALF_OPEN, now, reason)
        return True

    def trip(self, now: float, reason: str, u: float = 0.5) -> bool:
        """Open for a reason that lies outside this circuit; False unless it is closed."""
        if self.state is not CLOSED and self.state is not METRICS_ONLY:
            return False
        self._trip(now, u, reason)
        return True

    def isolate(self, now: float, reason: str) -> None:
        """Refuse every call until `close` or `reset`."""
        if self.state is not ISOLATED:
            self._move(ISOLATED, now, reason)

    def restore_open(self, now: float, remaining: float, reason: str, openings: int = 1) -> bool:
        """Go on with an open period of which `remaining` seconds are left; False unless the circuit is closed.

        `openings` are those in a row so far. More seconds than the configuration can hold a circuit open are cut.
        """
        if self.state is not CLOSED:
            return False
        openings = max(1, openings)
        longest = open_period(self.config, openings - 1) * (1.0 + self.config.open_jitter)
        self._forget(now)
        self.openings = openings
        self.open_until = now + min(max(0.0, remaining), longest)
        self._move(OPEN, now, reason)
        return True

    def close(self, now: float, reason: str) -> None:
        """Admit calls again at once, with counters at zero."""
        base = _BASE[self.config.mode]
        if self.state is base:
            self._forget(now)
        else:
            self._close(now, reason, ramp=False)

    def reconfigure(self, config: CircuitBreakerConfig, now: float) -> None:
        """Go on under another configuration; only state that the change concerns is lost.

        A running open period keeps its end unless `recovery_timeout` changes, and so does a ramp unless `ramp`
        does; a ramp of another kind is over; a window of another kind or size starts empty.
        """
        old, self.config = self.config, config
        if extent(old) != extent(config):
            self.window = window_of(config, now)
        if self.state is OPEN and old.recovery_timeout != config.recovery_timeout:
            self.open_until = self.since + open_period(config, self.openings - 1)
        ramp = self.ramp
        outgrown = isinstance(ramp, SuccessRamp) and ramp.allowed >= config.ramp_limit
        if outgrown or old.ramp_kind is not config.ramp_kind:
            self._end_ramp()
        elif isinstance(ramp, TimedRamp) and old.ramp != config.ramp:
            if config.ramp is None:
                self._end_ramp()
            else:
                ramp.end = self.since + config.ramp
        if old.mode is not config.mode and self.state is not ISOLATED:
            self.close(now, f"the mode is now {config.mode.value}")

    # ------------------------------------------------------------------ inside

    def _count(self, verdict: Verdict, now: float, slow: bool, u: float) -> None:
        failed = verdict is FAILURE
        self.failures = self.failures + 1 if failed else 0
        window = self.window
        if window is not None:
            window.record(now, failed, slow)
        elif self.failures < self.config.failure_threshold:
            return
        reason = reason_to_open(self.config, window, self.failures, failed)
        if reason is not None:
            self._trip(now, u, reason)

    def _lend(self, now: float) -> Probe:
        if self._leases is NO_LEASES:
            self._leases = Leases()
        return self._leases.lend(self.era, now + self.config.lease)

    def _settle_probe(self, probe: Probe, verdict: Verdict, now: float, slow: bool, u: float) -> bool:
        if probe.era != self.era:
            self.late += 1
            return False
        self._leases.take_back(probe)
        if verdict is IGNORED or verdict is ABANDONED:
            return True
        if self.state is CLOSED:
            self._settle_in_ramp(verdict, now, slow, u)
            return True
        if verdict is FAILURE or slow:
            self._open(now, u, "a probe was too slow" if slow and verdict is SUCCESS else "a probe failed")
            return True
        self.successes += 1
        if self.successes >= self.config.success_threshold:
            self._close(now, f"{self.successes} probe{'' if self.successes == 1 else 's'} succeeded", ramp=True)
        return True

    def _settle_in_ramp(self, verdict: Verdict, now: float, slow: bool, u: float) -> None:
        """Count a result of the success-driven ramp, or of a call that was admitted while there was one."""
        ramp = self.ramp
        if isinstance(ramp, SuccessRamp):
            ramp.settle(well=verdict is not FAILURE and not slow)
            if ramp.allowed >= self.config.ramp_limit:
                self._end_ramp()
        self._count(verdict, now, slow, u)

    def _end_leases_of_ramp(self, now: float, u: float) -> None:
        for probe in self._leases.ended(now):
            if self.ramp is None:
                return
            self._leases.take_back(probe)
            self._settle_in_ramp(FAILURE, probe.lease_end, False, u)
        self._leases.first_end()

    def _end_ramp(self) -> None:
        self.ramp = None
        # What is still out comes back as ordinary calls of this era.
        if self.state is CLOSED:
            self._leases = NO_LEASES

    def _trip(self, now: float, u: float, reason: str) -> None:
        if self.state is METRICS_ONLY:
            self.would_have_opened += 1
            self.transitions += (Transition(METRICS_ONLY, OPEN, now, self.era, reason, would=True),)
            self._forget(now)
        else:
            self._open(now, u, reason)

    def _open(self, at: float, u: float, reason: str) -> None:
        period = open_period(self.config, self.openings)
        if self.config.open_jitter:
            period *= 1.0 + self.config.open_jitter * (2.0 * u - 1.0)
        self.openings += 1
        self.open_until = at + period
        self._move(OPEN, at, reason)

    def _close(self, now: float, reason: str, *, ramp: bool) -> None:
        self._forget(now)
        self._move(_BASE[self.config.mode], now, reason, ramp_of(self.config, now) if ramp else None)

    def _forget(self, now: float) -> None:
        self.failures = 0
        self.openings = 0
        self._end_ramp()
        if self.window is not None:
            self.window.clear(now)

    def _move(self, state: CircuitState, at: float, reason: str, ramp: Ramp | None = None) -> None:
        # Gates read era, state and ramp without their lock, in this order: who still sees the old state must hold the
        # old era, and who sees the new one must see its ramp.
        if ramp is not None:
            self.ramp = ramp
        old, self.state = self.state, state
        self.era += 1
        self.ramp = ramp
        self.since = at
        self.successes = 0
        self._leases = NO_LEASES
        self.transitions += (Transition(old, state, at, self.era, reason),)
