"""The rules of one circuit: who may pass, what a result changes, and when."""

from __future__ import annotations

from math import inf

from ..config.breaker import BreakerMode, CircuitBreakerConfig, RampKind, WindowKind
from ..outcome import Verdict
from ..states import CircuitState
from .window import CountWindow, FailureLog, TimeWindow, Window

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
ISOLATED, DISABLED, METRICS_ONLY = CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.METRICS_ONLY
_BASE = {BreakerMode.ENABLED: CLOSED, BreakerMode.DISABLED: DISABLED, BreakerMode.METRICS_ONLY: METRICS_ONLY}
SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED


_SPENT = -1


class Probe:
    """Leave to try a circuit that is half-open or in a success-driven ramp; counts as failed when its lease ends."""

    __slots__ = ("era", "lease_end")

    def __init__(self, era: int, lease_end: float) -> None:
        self.era = era
        self.lease_end = lease_end


class Refusal:
    """No leave to proceed: the state that refuses and the seconds until it may change, or None."""

    __slots__ = ("retry_after", "state")

    def __init__(self, state: CircuitState, retry_after: float | None) -> None:
        self.state = state
        self.retry_after = retry_after


class Transition:
    """One change of state, for history and events; `would` marks what metrics-only mode did not do."""

    __slots__ = ("at", "era", "new", "old", "reason", "would")

    def __init__(
        self, old: CircuitState, new: CircuitState, at: float, era: int, reason: str, would: bool = False
    ) -> None:
        self.old = old
        self.new = new
        self.at = at
        self.era = era
        self.reason = reason
        self.would = would


Permit = int | Probe
"""Leave to proceed: the era of an ordinary call, or a probe whose return is awaited."""


class BreakerMachine:
    """Rules of one circuit. Pure and not thread-safe; the owning gate locks around each call.

    Times are seconds on any monotonic scale. Every method may change the state; what changed waits in
    `transitions` until the gate takes it. `era` rises on each change, and a result counts only in the era in
    which its call was admitted.
    """

    __slots__ = (
        "_allowed", "_credit", "_probes", "_ramp_end", "config", "era", "failures", "late", "open_until", "openings",
        "since", "state", "successes", "transitions", "window", "would_have_opened",
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
        self.window: Window | None = _window(config, now)
        self._probes: tuple[Probe, ...] = ()
        self._ramp_end: float | None = None
        self._credit = 0.0
        self._allowed = 0

    @property
    def calm(self) -> bool:
        """True while a success changes nothing but the number of successes."""
        if self.state is not CLOSED and self.state is not METRICS_ONLY:
            return False
        window = self.window
        return (
            self.failures == 0
            and self._ramp_end is None
            and (window is None or (window.failures == 0 and window.slow == 0))
        )

    @property
    def ramps(self) -> bool:
        """True while traffic returns step by step."""
        return self._ramp_end is not None

    @property
    def probes_in_flight(self) -> int:
        """Probes whose result is awaited, and calls of a success-driven ramp."""
        return len(self._probes)

    @property
    def allowed(self) -> int | None:
        """Calls that a success-driven ramp admits at once, or None without one."""
        return self._allowed or None

    def ramp_left(self, now: float) -> float | None:
        """Return the seconds until a ramp by time is over, or None without one."""
        end = self._ramp_end
        return None if end is None or self._allowed else max(0.0, end - now)

    def admit(self, now: float, u: float = 0.5) -> Permit | Refusal:
        """Decide whether a call may pass at `now`. Opens the probe round when the wait is over. Never raises.

        `u` in [0, 1) spreads the open period when a lease has ended meanwhile.
        """
        self.advance(now, u)
        state = self.state
        if state is HALF_OPEN:
            if len(self._probes) >= self.config.probes:
                return Refusal(state, max(0.0, min(probe.lease_end for probe in self._probes) - now))
            probe = Probe(self.era, now + self.config.lease)
            self._probes = (*self._probes, probe)
            return probe
        if state is OPEN:
            return Refusal(state, self.open_until - now)
        if state is ISOLATED:
            return Refusal(state, None)
        if self._ramp_end is None:
            return self.era
        if self._allowed:
            if len(self._probes) >= self._allowed:
                return Refusal(state, 0.0)
            probe = Probe(self.era, now + self.config.lease)
            self._probes = (*self._probes, probe)
            return probe
        return self.era if self._ramp_admits(self._ramp_end - now) else Refusal(state, 0.0)

    def start(self, permit: Permit, now: float, limit: float | None = None) -> None:
        """Let the lease of a probe run from `now`, when its attempt begins after a wait in an inner queue.

        `limit` is the time limit of the attempt in seconds, or None when it has none. A lease that has ended is
        over, whether or not somebody has looked since.
        """
        if isinstance(permit, Probe) and now < permit.lease_end:
            config = self.config
            permit.lease_end = now + (config.probe_lease if limit is None else limit + config.probe_margin)

    def extend(self, permit: Permit, seconds: float) -> None:
        """Lengthen a lease by the `seconds` that a probe may spend waiting before it starts."""
        if isinstance(permit, Probe):
            permit.lease_end += seconds

    def advance(self, now: float, u: float = 0.5) -> None:
        """Apply what time alone changes: leases that ended, open periods that are over, a ramp that is done."""
        if self._allowed:
            self._end_leases_of_ramp(now, u)
        while self.state is HALF_OPEN or self.state is OPEN:
            if self.state is OPEN:
                if now < self.open_until:
                    return
                self._move(HALF_OPEN, now, "the open period is over")
                return
            ended = [probe.lease_end for probe in self._probes if probe.lease_end <= now]
            if not ended:
                return
            self._open(min(ended), u, "a probe did not return within its lease")
        if self._ramp_end is not None and now >= self._ramp_end:
            self._ramp_end = None

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
        if state is not CLOSED or self._ramp_end is not None:
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
        return self._period(max(0, self.openings - 1)) / self.config.recovery_timeout

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
        longest = self._period(openings - 1) * (1.0 + self.config.open_jitter)
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
        if _extent(old) != _extent(config):
            self.window = _window(config, now)
        if self.state is OPEN and old.recovery_timeout != config.recovery_timeout:
            self.open_until = self.since + self._period(self.openings - 1)
        if old.ramp_kind is not config.ramp_kind:
            self._end_ramp()
        elif self._allowed >= config.ramp_limit:
            self._end_ramp()
        elif self._ramp_end is not None and not self._allowed and old.ramp != config.ramp:
            self._ramp_end = None if config.ramp is None else self.since + config.ramp
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
        reason = self._reason_to_open(failed)
        if reason is not None:
            self._trip(now, u, reason)

    def _settle_probe(self, probe: Probe, verdict: Verdict, now: float, slow: bool, u: float) -> bool:
        if probe.era != self.era:
            self.late += 1
            return False
        probe.era = _SPENT
        self._probes = tuple(other for other in self._probes if other is not probe)
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
        if self._allowed and (verdict is FAILURE or slow):
            self._allowed = max(1, self._allowed // 2)
        elif self._allowed:
            self._allowed += 1
            if self._allowed >= self.config.ramp_limit:
                self._end_ramp()
        self._count(verdict, now, slow, u)

    def _end_leases_of_ramp(self, now: float, u: float) -> None:
        for probe in sorted(self._probes, key=lambda probe: probe.lease_end):
            if probe.lease_end > now or not self._allowed:
                return
            probe.era = _SPENT
            self._probes = tuple(other for other in self._probes if other is not probe)
            self._settle_in_ramp(FAILURE, probe.lease_end, False, u)

    def _end_ramp(self) -> None:
        self._ramp_end = None
        self._allowed = 0
        # What is still out comes back as ordinary calls of this era.
        self._probes = () if self.state is CLOSED else self._probes

    def _reason_to_open(self, failed: bool) -> str | None:
        config, window = self.config, self.window
        if window is None:
            if failed and self.failures >= config.failure_threshold:
                return f"{self.failures} failures in a row"
            return None
        if config.window_kind is WindowKind.COUNT_IN_TIME:
            if failed and window.failures >= config.failure_threshold:
                return f"{window.failures} failures within {config.window_size:g} s"
            return None
        calls = window.calls
        if calls < config.minimum_calls:
            return None
        if window.failures and window.failures / calls >= config.failure_rate:
            return f"{window.failures} of {calls} calls failed"
        if window.slow and window.slow / calls >= config.slow_call_rate:
            return f"{window.slow} of {calls} calls were slow"
        return None

    def _trip(self, now: float, u: float, reason: str) -> None:
        if self.state is METRICS_ONLY:
            self.would_have_opened += 1
            self.transitions += (Transition(METRICS_ONLY, OPEN, now, self.era, reason, would=True),)
            self._forget(now)
        else:
            self._open(now, u, reason)

    def _period(self, openings: int) -> float:
        """Return the open period after `openings` earlier ones in a row, before jitter."""
        config = self.config
        if config.open_backoff <= 1.0:
            return config.recovery_timeout
        # The exponent is bounded so that a power of any base stays finite; the cap is reached long before.
        grown = config.recovery_timeout * config.open_backoff ** min(openings, 150)
        return min(config.max_recovery_timeout, grown)

    def _open(self, at: float, u: float, reason: str) -> None:
        period = self._period(self.openings)
        if self.config.open_jitter:
            period *= 1.0 + self.config.open_jitter * (2.0 * u - 1.0)
        self.openings += 1
        self.open_until = at + period
        self._move(OPEN, at, reason)

    def _close(self, now: float, reason: str, *, ramp: bool) -> None:
        self._forget(now)
        self._credit = 0.0
        ramp_end = None
        if ramp and self.config.ramp_kind is RampKind.SUCCESS:
            self._allowed, ramp_end = 1, inf
        elif ramp and self.config.ramp is not None:
            ramp_end = now + self.config.ramp
        self._move(_BASE[self.config.mode], now, reason, ramp_end)

    def _forget(self, now: float) -> None:
        self.failures = 0
        self.openings = 0
        self._end_ramp()
        if self.window is not None:
            self.window.clear(now)

    def _move(self, state: CircuitState, at: float, reason: str, ramp_end: float | None = None) -> None:
        # Gates read era, state and ramp without their lock, in this order: who still sees the old state must hold the
        # old era, and who sees the new one must see its ramp.
        if ramp_end is not None:
            self._ramp_end = ramp_end
        old, self.state = self.state, state
        self.era += 1
        self._ramp_end = ramp_end
        if ramp_end is None:
            self._allowed = 0
        self.since = at
        self.successes = 0
        self._probes = ()
        self.transitions += (Transition(old, state, at, self.era, reason),)

    def _ramp_admits(self, seconds_left: float) -> bool:
        """Spread admissions evenly: each arrival adds the present share, a full credit admits one."""
        assert self.config.ramp is not None
        left = seconds_left / self.config.ramp
        share = 1.0 - (1.0 - self.config.ramp_start) * min(1.0, max(0.0, left))
        self._credit += share
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True


def _extent(config: CircuitBreakerConfig) -> tuple[object, ...]:
    """Return what decides how much a window remembers."""
    kind = config.window_kind
    if kind is WindowKind.CONSECUTIVE:
        return (kind,)
    if kind is WindowKind.COUNT_IN_TIME:
        return (kind, config.window_size, config.failure_threshold)
    return (kind, config.window_size)


def _window(config: CircuitBreakerConfig, now: float) -> Window | None:
    if config.window_kind is WindowKind.COUNT:
        return CountWindow(int(config.window_size))
    if config.window_kind is WindowKind.TIME:
        return TimeWindow(config.window_size, now)
    if config.window_kind is WindowKind.COUNT_IN_TIME:
        return FailureLog(config.window_size, config.failure_threshold)
    return None
