"""Detects an overload that keeps itself alive after its trigger has gone, and lets few calls pass until it ends."""

from __future__ import annotations

from enum import StrEnum
from math import exp, sqrt
from typing import NamedTuple

from ..config.metastability import MetastabilityConfig

RANKS = 4
"""Classes of calls, 0 the most critical one."""
LONGEST = 10
"""Intervals after which a judgement without enough calls is dropped."""
FEW = 5.0
"""Calls in flight beyond the usual ones that are no queue yet, whatever the factor says."""
NOISE = 3.0
"""Standard deviations by which the number of calls may exceed what is normal, because they come at random times."""
_BACK = 0.5
"""Factor of the share of calls that pass, after a judgement that is bad."""
_LOWEST = 0.1
"""Share of `shed_to` below which the share that passes never falls."""
_BELOW = 0.7
"""Factor of the share at which calls failed again; up to there it grows fast next time, and slowly beyond."""
_CARE = 0.1
"""How much slower the share grows there."""
_WATCHED = 3.0
"""Minimum durations after shedding in which the same again is a relapse."""
_SOONER = 5.0
"""How much sooner a relapse is taken for what it is."""
_RECENT = 0.3
"""Weight of the newest judgement in the mix of classes."""


class Phase(StrEnum):
    """What the detector takes the traffic for."""

    LEARNING = "learning"
    """What is usual is not known yet."""
    NORMAL = "normal"
    SUSPECTED = "suspected"
    """Everything speaks for a metastable failure, for half of the minimum duration."""
    SHEDDING = "shedding"
    """A share of the calls passes."""
    RELEASING = "releasing"
    """Those that pass succeed, so their share grows."""


class Vitals(NamedTuple):
    """What is seen of the traffic, or usual in it.

    Attributes:
        good: Calls that succeed each second.
        rate: Calls offered each second.
        attempts: Attempts for each call that ended.
        running: Calls in flight.
    """

    good: float = 0.0
    rate: float = 0.0
    attempts: float = 1.0
    running: float = 0.0

    @property
    def goodput(self) -> float:
        """Share of the offered calls that succeed."""
        return min(1.0, self.good / self.rate) if self.rate > 0.0 else 0.0


class Change(NamedTuple):
    """What the detector did: the phase it is in now, the share of calls that passes, and the reason in one sentence."""

    old: Phase
    new: Phase
    share: float
    sentence: str


class MetastabilityMachine:
    """Rules of one detector. Pure and not thread-safe; the owner locks.

    It judges spans of `interval` seconds or more. In a span that is not suspicious it learns what is usual. A span is
    suspicious when goodput is low although no more calls come than usual, and these make more attempts or are more in
    flight than usual. Suspicious spans in a row lead to SHEDDING; one of good goodput ends the row. Soon after shedding
    has ended a shorter row does, and the share that passes then grows slowly from where it failed.

    Times are seconds on any monotonic scale; a `now` that goes back is read as the latest one seen.

    Attributes:
        phase: What the traffic is taken for.
        share: Share of the calls that passes, 1 unless calls are shed.
        usual, seen: What is usual, and what the latest judgement saw.
        changes: What has changed since the owner took it last.
    """

    __slots__ = (
        "_attempts", "_ceiling", "_config", "_ended", "_era", "_good", "_judged", "_judged_good", "_known", "_mix",
        "_now", "_offered", "_ranks", "_relapse_until", "_running", "_start", "_suspect_since", "changes", "phase",
        "seen", "share", "usual",
    )  # fmt: skip

    def __init__(self, config: MetastabilityConfig, now: float) -> None:
        self._config = config
        self.phase = Phase.LEARNING
        self.share = 1.0
        self.usual = Vitals()
        self.seen = Vitals()
        self.changes: tuple[Change, ...] = ()
        self._known = 0.0
        self._mix = [0.0] * RANKS
        self._now = self._start = now
        self._running = 0
        self._era = 0
        self._suspect_since: float | None = None
        self._ceiling = 1.0
        self._relapse_until = now
        self._ranks = [0] * RANKS
        self._clear(now)

    @property
    def running(self) -> int:
        """Calls in flight."""
        return self._running

    def reconfigure(self, config: MetastabilityConfig) -> None:
        """Go on under `config` with what has been learnt; without `sheds` all calls pass."""
        self._config = config
        if not config.sheds and self.phase in (Phase.SHEDDING, Phase.RELEASING):
            self._over("shedding was switched off")

    def enter(self, now: float, rank: int, draw: float) -> int | None:
        """Count an offered call and return its permit, or None when it is shed.

        Arguments:
            now: Seconds.
            rank: Class of the call, from 0, the most critical one, to 3.
            draw: A random number from 0 up to but not including 1.
        """
        self.turn(now)
        self._offered += 1
        self._ranks[rank] += 1
        if self.share < 1.0 and draw >= self.shares()[rank]:
            return None
        self._running += 1
        return self._era

    def leave(self, permit: int, now: float, attempts: int, *, good: bool) -> None:
        """Count the end of a call that passed, with the attempts that it made and whether its caller got an answer."""
        self.turn(now)
        self._running = max(0, self._running - 1)
        self._ended += 1
        self._attempts += attempts
        self._good += good
        if permit == self._era:
            self._judged += 1
            self._judged_good += good

    def forget_running(self) -> None:
        """Take no call for running, as a forked child must."""
        self._running = 0

    def shares(self) -> tuple[float, ...]:
        """Return the share of each class that passes, by rank: the most critical calls fill the whole share first."""
        if self.share >= 1.0:
            return (1.0,) * RANKS
        total = sum(self._mix)
        if total <= 0.0:
            return (self.share,) * RANKS
        left = self.share * total
        found = []
        for offered in self._mix:
            passing = min(offered, left)
            left -= passing
            # A class of which nothing was seen passes while there is room, so that it is not shut out by chance.
            found.append(passing / offered if offered > 0.0 else float(left > 0.0))
        return tuple(found)

    def turn(self, now: float) -> None:
        """Judge the present span when it is over."""
        self._now = now = max(now, self._now)
        elapsed = now - self._start
        config = self._config
        if elapsed < config.interval:
            return
        if self.share < 1.0:
            self._judge_shedding(elapsed)
        elif self._offered >= config.min_calls:
            self._judge(elapsed)
        elif elapsed < LONGEST * config.interval:
            return
        else:
            self._quiet()

    # ------------------------------------------------------------------ in ordinary times

    def _judge(self, elapsed: float) -> None:
        config = self._config
        self._look(elapsed)
        seen, usual = self.seen, self.usual
        low = seen.goodput < config.low_goodput * usual.goodput
        expected = usual.rate * elapsed
        normal = self._offered <= config.normal_load * expected + NOISE * sqrt(expected)
        sustained = (
            seen.attempts >= usual.attempts + config.high_retries
            or seen.running >= config.high_queue * usual.running + FEW
        )
        if self.phase is Phase.LEARNING:
            self._learn(elapsed)
            self._known += elapsed
            if self._known >= config.learning:
                self.phase = Phase.NORMAL
        elif low and sustained:
            if normal:
                self._suspect()
            else:
                self._calm("more calls come than usual")  # the trigger is still there
        elif self._is_good(seen.goodput) or not sustained:
            self._calm("goodput is back" if self._is_good(seen.goodput) else "retries and queues are as usual")
            self._learn(elapsed)
        self._clear(self._now)

    def _suspect(self) -> None:
        config = self._config
        if self._suspect_since is None:
            self._suspect_since = self._start
        lasts = self._now - self._suspect_since
        relapse = self._suspect_since < self._relapse_until
        if relapse:
            lasts *= _SOONER
        if self.phase is Phase.NORMAL and lasts >= config.minimum_duration / 2.0:
            self._move(Phase.SUSPECTED, self._diagnosis())
        if self.phase is Phase.SUSPECTED and config.sheds and lasts >= config.minimum_duration:
            self._era += 1
            self.share = max(config.shed_to, self._trickle())
            self._ceiling = _BELOW * self._ceiling if relapse else 1.0
            self._move(Phase.SHEDDING, self._diagnosis())

    def _calm(self, why: str) -> None:
        self._suspect_since = None
        if self.phase is Phase.SUSPECTED:
            self._over(why)

    def _quiet(self) -> None:
        """End a span in which too few calls came to say anything."""
        if self.phase is not Phase.LEARNING:
            self._calm("hardly any calls come")
        self._clear(self._now)

    def _learn(self, elapsed: float) -> None:
        """Let what is usual follow what is seen, the more the longer the span was; at first it is their mean."""
        config = self._config
        if self.phase is Phase.LEARNING:
            weight = elapsed / (self._known + elapsed)
        else:
            weight = 1.0 - exp(-elapsed / config.memory)
        pairs = zip(self.usual, self.seen, strict=True)
        self.usual = Vitals(*(old + weight * (new - old) for old, new in pairs))

    # ------------------------------------------------------------------ while calls are shed

    def _judge_shedding(self, elapsed: float) -> None:
        config = self._config
        # Few calls pass, so fewer have to do.
        enough = max(1.0, config.min_calls * self.share)
        if self._judged < enough:
            if elapsed < LONGEST * config.interval:
                return
            if self._offered < enough:
                self._over("hardly any calls come")
                self._clear(self._now)
                return
        judged = self._judged
        goodput = self._judged_good / judged if judged else 0.0
        self._look(elapsed)
        self.seen = self.seen._replace(good=goodput * self.seen.rate)
        if self._is_good(goodput):
            self._grow()
        elif goodput < config.low_goodput * self.usual.goodput:
            if self.phase is Phase.RELEASING:
                self._ceiling = _BELOW * self.share
            share = max(config.shed_to * _LOWEST, self._trickle(), self.share * _BACK)
            if share < self.share:
                self.share = share
                self._move(Phase.SHEDDING, f"{goodput:.0%} of the calls that pass succeed, so fewer pass")
        self._clear(self._now)

    def _grow(self) -> None:
        growth = self._config.growth
        if self.share < self._ceiling:
            self.share = min(self._ceiling, self.share * growth)
        else:
            self.share = min(1.0, self.share * (1.0 + _CARE * (growth - 1.0)))
        if self.share < 1.0:
            self._move(Phase.RELEASING, f"{self.seen.goodput:.0%} of the calls that pass succeed, so more pass")
        else:
            self._relapse_until = self._now + _WATCHED * self._config.minimum_duration
            self._over("all calls pass again, and they succeed")

    # ------------------------------------------------------------------ helpers

    def _trickle(self) -> float:
        """Return the share that lets one call pass in each interval, without which nothing could be judged."""
        usual = self.usual.rate * self._config.interval
        return 1.0 / usual if usual > 2.0 else 0.5

    def _is_good(self, goodput: float) -> bool:
        """Tell whether goodput is as usual: above the middle between low and usual, so that nothing flutters."""
        return goodput >= (1.0 + self._config.low_goodput) / 2.0 * self.usual.goodput

    def _look(self, elapsed: float) -> None:
        self.seen = Vitals(
            good=self._good / elapsed,
            rate=self._offered / elapsed,
            attempts=self._attempts / self._ended if self._ended else self.seen.attempts,
            running=float(self._running),
        )

    def _diagnosis(self) -> str:
        seen, usual = self.seen, self.usual
        made = f"{seen.attempts:.2g} attempt{'' if f'{seen.attempts:.2g}' == '1' else 's'}"
        return (
            f"goodput is {seen.goodput:.0%} where {usual.goodput:.0%} is usual, although {seen.rate:.3g} calls a "
            f"second are no more than the usual {usual.rate:.3g}: each makes {made} (usual "
            f"{usual.attempts:.2g}), and {seen.running:.0f} are in flight (usual {usual.running:.2g})"
        )

    def _over(self, why: str) -> None:
        self.share = 1.0
        self._suspect_since = None
        self._move(Phase.NORMAL, why)

    def _move(self, phase: Phase, sentence: str) -> None:
        old, self.phase = self.phase, phase
        self.changes += (Change(old, phase, self.share, sentence),)

    def _clear(self, now: float) -> None:
        """Begin a new span."""
        for rank, offered in enumerate(self._ranks):
            self._mix[rank] += _RECENT * (offered - self._mix[rank])
        self._start = now
        self._ranks = [0] * RANKS
        self._offered = self._ended = self._attempts = self._good = 0
        self._judged = self._judged_good = 0
