"""An adaptive concurrency limit: slots whose number follows the response times, and a waiting line."""

from __future__ import annotations

from array import array
from typing import Any

from ..config.limit import AdaptiveLimitConfig
from ..outcome import Verdict
from .latency import Baseline, LatencyWindow
from .limit_rules import RULES, Reading
from .line import Place, PriorityLine
from .patience import Patience

WINDOW = 0.1
"""Seconds that a window lasts at least."""
_ENOUGH = 5  # samples for which a window is closed early
_LONGEST = 1.0  # seconds after which any sample will do
_LOOK = 0.02  # seconds between two looks at a window that is not ready
BATCH = 64
"""Response times that may wait for the lock."""
_UNLEARNT_BACKOFF = 0.9
_SUCCESS, _FAILURE = Verdict.SUCCESS, Verdict.FAILURE
RANKS = 4


class Flight:
    """A slot in use.

    Attributes:
        started: When it was taken.
        holder, owner: Free for the owner's use.
    """

    __slots__ = ("holder", "owner", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.holder = 0
        self.owner: Any = None


class LimitMachine:
    """Rules of one adaptive limit. Pure and not thread-safe; the owning gate locks.

    Response times are gathered in windows of at least 0.1 s and five samples, or one second (two response times when
    that is longer) and any sample. Calls in flight count from their start: what a call has run within the window counts
    as soon as it has run for longer than the learnt response time and four of its mean deviations, so that a dependency
    that hangs shrinks the limit before a single call has ended. Verdicts: SUCCESS is a response time, FAILURE tells of
    overload and counts as ten times the learnt response time, all others count for nothing. After each window the rule
    of the configured algorithm gives the next limit, which is kept within its bounds. It grows only when at least half
    of it was in use. Nor does slowness alone push it below twice the calls in flight, so that noise at low traffic
    costs nothing.

    After it has shrunk, the response times of one response time (ten learnt ones at most) are left out: they belong to
    calls that were sent under the larger limit. TCP cuts once in a round trip for the same reason (RFC 6582).

    At the smallest limit it stays until the baseline has caught up with what is measured there, so that it does not
    come back to the edge of the tolerance.

    Nothing about the dependency is set by hand: the first second (ten response times when that is longer) gives the
    baseline, see `latency.Baseline`. Until then the limit stays, and is cut by a tenth after each window in which
    most results tell of overload.

    A freed slot passes to the most critical place in line, the oldest one within a class. The line has
    `max_waiting` places. Without that number it has `max_limit` for a burst, and as many as there are slots when it
    stands longer than that, see `patience.Patience`: then it only moves the overload to our side (failsafe-go lets one
    to two times the limit wait, Envoy nobody).

    While at most half of the slots are in use and the window has seen as many calls at once, a slot may be taken and
    given back without these methods, and without a lock, because nothing is to be decided: a key of one's own goes into
    `in_flight` with the present time, if that is before `look_at` and there are fewer than `quick`, and is taken out
    again; the response time goes to `samples`. Whoever finds somebody in line then, `look_at` passed, or `BATCH`
    samples, calls `catch_up`. So more slots than there are can be in use by the calls alone that had looked and not yet
    taken theirs when the last one went.

    Times are seconds on any monotonic scale; a `now` that goes back is read as the latest one seen.

    Attributes:
        config: The configuration in force.
        estimate: The limit as a real number, from `min_limit` to `max_limit`.
        limit: Slots: its whole part.
        line: Places in line.
        in_flight: When each call in flight began, by its `Flight` or a key of its own; nearly ordered by start.
        quick: Calls in flight below which a slot can be taken without a lock.
        look_at: When the window is looked at next.
        samples: Response times that are not in the window yet.
        woken: Places that were granted or sent away since the list was emptied; the owner wakes their holders.
    """

    __slots__ = (
        "_baseline", "_cap", "_now", "_patience", "_rule", "_settling", "_window", "config", "estimate", "in_flight",
        "limit", "line", "look_at", "quick", "samples", "woken",
    )  # fmt: skip

    def __init__(self, config: AdaptiveLimitConfig, now: float) -> None:
        self.config = config
        self.estimate = float(config.first_limit)
        self.limit = config.first_limit
        self.woken: list[Place[Flight]] = []
        self._now = now
        self._patience = Patience(now)
        self._settling = False
        self.in_flight: dict[object, float] = {}
        self.samples = array("d")
        self.quick = 0
        self.line: PriorityLine[Flight] = PriorityLine(RANKS)
        self._baseline = Baseline()
        self._window = LatencyWindow(now)
        self.look_at = now + WINDOW
        self._cap = self._baseline.cap
        self._rule = RULES[config.algorithm]()

    @property
    def running(self) -> int:
        """Slots in use; more than `limit` right after it has shrunk."""
        return len(self.in_flight)

    @property
    def waiting(self) -> int:
        """Places taken in line."""
        return self.line.waiting

    @property
    def longest_line(self) -> int:
        """Places that the line may have now."""
        if self.config.max_waiting is not None:
            return self.config.max_waiting
        return self.config.max_limit if self._patience.left > 0.0 else self.limit

    @property
    def baseline(self) -> float | None:
        """The learnt response time in seconds, or None until there is one."""
        return self._baseline.mean

    def acquire(self, now: float, rank: int) -> Flight | Place[Flight] | None:
        """Return a slot, a place in line, or None when there is neither.

        Arguments:
            now: Seconds.
            rank: Class of the call, from 0, the most critical one, to 3.
        """
        if now < self._now:
            now = self._now
        else:
            self._now = now
        if now >= self.look_at:
            self._look(now)
        # A free slot means an empty line, since whoever frees one serves the line first.
        if len(self.in_flight) < self.limit:
            return self._start(now)
        place, gone = self.line.join(rank, self.longest_line)
        if gone is not None:
            self.woken.append(gone)
        # Who gives a slot back without a lock takes it out and then looks at the line; here it is the other way round,
        # so one of the two sees.
        if len(self.in_flight) < self.limit:
            self._serve(now)
        return place

    def release(self, flight: Flight, now: float, verdict: Verdict) -> None:
        """Give a slot back, once, with how its call ended.

        Raises:
            RuntimeError: when the slot is not taken; a caller released twice.
        """
        try:
            del self.in_flight[flight]
        except KeyError:
            raise RuntimeError("a slot was released that nobody holds") from None
        if now < self._now:
            now = self._now
        else:
            self._now = now
        if verdict is _SUCCESS:
            seconds = now - flight.started
            self._window.add(seconds if seconds < self._cap else self._cap)
        elif verdict is _FAILURE:
            self._window.overloads += 1
        if now >= self.look_at:
            self._look(now)
        if self.line.waiting:
            self._serve(now)

    def catch_up(self, now: float, verdict: Verdict = Verdict.IGNORED) -> None:
        """Do what is due after a slot was given back without a lock, whose call ended with `verdict` if it failed."""
        now = self._advance(now)
        self._drain()
        if verdict is _FAILURE:
            self._window.overloads += 1
        if now >= self.look_at:
            self._look(now)
        if self.line.waiting:
            self._serve(now)

    def withdraw(self, place: Place[Flight]) -> Flight | None:
        """Leave the line; return the slot that was granted meanwhile, which the caller then owns, or None."""
        if place.granted:
            return place.slot
        self.line.leave(place)
        return None

    def reconfigure(self, config: AdaptiveLimitConfig, now: float) -> None:
        """Go on under `config`: limit, baseline, slots in use and line are kept as far as the new bounds allow."""
        now = self._advance(now)
        if config.algorithm is not self.config.algorithm:
            self._rule = RULES[config.algorithm]()
        self.config = config
        self._set(self.estimate)
        self._serve(now)

    def keep(self, flights: list[Flight], now: float) -> None:
        """Go on with an empty line and only these slots in use."""
        self.in_flight = {flight: flight.started for flight in flights}
        self.samples = array("d")
        self.line.clear()
        self.woken.clear()
        self._restart(self._advance(now))

    def flights(self) -> list[Flight]:
        """Return the slots in use that were taken under the lock, the oldest first."""
        return [flight for flight in self.in_flight if type(flight) is Flight]

    # ------------------------------------------------------------------ inside

    def _advance(self, now: float) -> float:
        if now < self._now:
            return self._now
        self._now = now
        return now

    def _start(self, now: float) -> Flight:
        flight = Flight(now)
        self.in_flight[flight] = now
        if len(self.in_flight) > self._window.peak:
            self._window.peak = len(self.in_flight)
            self._ease()
        return flight

    def _ease(self) -> None:
        """Say up to where slots need no lock; only a half of them, so that callers at the same moment find room."""
        self.quick = min(self._window.peak, self.limit // 2)

    def _drain(self) -> None:
        """Take the response times over that have come without the lock; more may come meanwhile."""
        samples = self.samples[:]
        del self.samples[: len(samples)]
        for seconds in samples:
            self._window.add(seconds if seconds < self._cap else self._cap)

    def _serve(self, now: float) -> None:
        while self.line.waiting and len(self.in_flight) < self.limit:
            place = self.line.first()
            place.slot = self._start(now)
            place.granted = True
            self.woken.append(place)

    def _set(self, estimate: float) -> None:
        self.estimate = min(float(self.config.max_limit), max(float(self.config.min_limit), estimate))
        self.limit = int(self.estimate)
        self._ease()
        self._shorten()

    def _shorten(self) -> None:
        """Send those away who wait beyond what the line may have."""
        if self.line.waiting > self.longest_line:
            self.woken.extend(self.line.shorten(self.longest_line))

    def _restart(self, now: float) -> None:
        self._window.restart(now, len(self.in_flight))
        self._cap = self._baseline.cap
        self.look_at = now + WINDOW
        self._ease()

    def _look(self, now: float) -> None:
        """Judge the window when it is ready."""
        self.look_at = now + _LOOK
        self._patience.pass_time(now, self.line.waiting, self._baseline.mean)
        self._shorten()
        self._drain()
        if self._settling:
            self._settling = False
            self._restart(now)
        elif self._baseline.mean is None:
            self._look_first(now)
        else:
            self._look_again(now, self._baseline.mean)

    def _look_again(self, now: float, usual: float) -> None:
        """Follow what the window says when it says enough."""
        baseline, window, before = self._baseline, self._window, self.estimate
        late = baseline.late(list(self.in_flight.values()), now, window.started)
        elapsed = now - window.started
        heard = window.answers + window.overloads + late / usual
        if heard < _ENOUGH and elapsed < max(_LONGEST, 2.0 * usual):
            return
        sample, answered = window.sample(late, baseline.cap), window.sample()
        if sample is not None:
            peak = window.peak
            reading = Reading(
                before, usual / baseline.lower_bound(sample), self.config.tolerance,
                window.overloads / sample.number, peak, window.answers / elapsed,
            )  # fmt: skip
            after = self._rule(reading)
            if after < before and not reading.used and not window.overloads:
                after = min(before, max(after, 2.0 * peak))
            if answered is not None:
                alone = int(before) <= self.config.min_limit
                baseline.learn(answered, elapsed, full=peak >= int(before), alone=alone)
                if alone and baseline.trails(answered):
                    after = min(after, before)
            self._set(after)
        self._restart(now)
        if self.estimate < before:
            # What ends now was sent under the larger limit; to judge it again would shrink twice for one cause.
            self._settling = True
            self.look_at = now + min(usual if answered is None else answered.mean, baseline.cap)
        self._serve(now)

    def _look_first(self, now: float) -> None:
        """Begin with a baseline when enough has ended, and shrink meanwhile when most of it tells of overload."""
        window = self._window
        if window.overloads > window.answers and window.overloads + window.answers >= _ENOUGH:
            self._set(self.estimate * _UNLEARNT_BACKOFF)
            self._restart(now)
            return
        first = window.first(now, [now - started for started in list(self.in_flight.values())])
        if first is not None:
            self._baseline.begin(first)
            self._restart(now)
