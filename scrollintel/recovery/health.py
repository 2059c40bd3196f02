"""How a target is: suspected at the first bad look, declared failed only after a second opinion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .check_health import CheckHealth
from .symptom import RESTARTABLE, Condition, ConditionChange, Depth, FailureType, Look
from .target import Check, Target

HEARTBEAT = "heartbeat"
"""Name of the check that stands for beats that arrive."""
PROGRESS = "progress"
"""Name of the check that stands for the progress that beats tell of."""
DEPTHS = (Depth.ALIVE, Depth.READY, Depth.DEEP)
"""From the shallowest to the deepest; a failure at a shallower one outranks others."""
HELD = frozenset({Condition.RECOVERING, Condition.VALIDATING, Condition.QUARANTINED})
"""Conditions that a recovery sets from outside."""
DEFAULT_START_TIMEOUT = 30.0
"""Seconds of grace after the start of a target that declares no process; as `Process.start_timeout`."""


def _listed(check: Check) -> CheckHealth:
    return CheckHealth(failures=check.failures, window=check.window, successes=check.successes)


def _unlisted(name: str) -> CheckHealth:
    """Return how a signal is counted that no check of the target stands for: one suffices to suspect."""
    return CheckHealth(failures=1, window=1, successes=3 if name in (HEARTBEAT, PROGRESS) else 1)


class TargetHealth:
    """Pure state of one target; fed with looks, it tells when the condition changes.

    A bad look makes the target SUSPECT and asks for a fresh look (`wants_confirmation`). It becomes FAILED when a check
    has `failures` bad looks among the last `window`, or a conclusive one, and a fresh look agreed. It is healed by
    `successes` good looks in a row at every check that failed. (2 of 3 to fail and 3 in a row to heal are the defaults
    of `Check`; kubelet's probes use the same two thresholds.)

    A target that is FAILED tells of a change from FAILED to FAILED when a check at a shallower depth fails as well,
    because that decides what may be done about it.

    Arguments:
        target: What is watched.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.since: float | None = None
        self._checks = {check.name: _listed(check) for check in target.checks}
        self._judged = Condition.UNKNOWN
        self._held: Condition | None = None
        self._withheld = False
        self._grace_ends: float | None = None
        self._told_rank: tuple[int, bool, bool] | None = None

    @property
    def condition(self) -> Condition:
        """The condition in force: what a recovery holds it at, else what the looks add up to."""
        return self._judged if self._held is None else self._held

    @property
    def judged(self) -> Condition:
        """What the looks add up to, whatever the target is held at."""
        return self._judged

    @property
    def held(self) -> Condition | None:
        """What a recovery holds it at, or None."""
        return self._held

    @property
    def withheld(self) -> bool:
        """Whether a declaration waits for `trust`."""
        return self._withheld

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Checks that need a fresh look before anything may be declared, by name."""
        return tuple(name for name, check in self._checks.items() if check.wants_confirmation)

    @property
    def wants_confirmation(self) -> bool:
        """Whether a fresh look is asked for."""
        return any(check.wants_confirmation for check in self._checks.values())

    @property
    def in_grace(self) -> bool:
        """Whether it has started and a check has not been good since; it ends with a look after its time."""
        return self._grace_ends is not None and any(check.awaits_first_good for check in self._checks.values())

    @property
    def worst(self) -> Look | None:
        """The bad look that counts most: shallowest, then conclusive, then newest; None when nothing is bad."""
        return _worst(self._bad())

    @property
    def first_at(self) -> float | None:
        """When the oldest failure began that has not ended, or None."""
        return min((check.bad_since for check in self._checks.values() if check.bad_since is not None), default=None)

    @property
    def looks(self) -> Mapping[str, Look]:
        """The last look of every check."""
        return {name: check.last for name, check in self._checks.items() if check.last is not None}

    # ------------------------------------------------------------------ what happens

    def see(self, look: Look, now: float, *, fresh: bool = False) -> ConditionChange | None:
        """Take a look into account.

        Arguments:
            look: What was found. One at a check that the target does not declare counts at once.
            now: Monotonic seconds.
            fresh: Whether the look was made to confirm a suspicion, with nothing kept from earlier looks.

        Returns:
            What changed, or None.
        """
        check = self._checks.get(look.check)
        if check is None:
            check = self._checks[look.check] = _unlisted(look.check)
        if self._excused(check, look, now):
            check.excuse(look)
        else:
            check.see(look, fresh=fresh)
        return self._settle(look, now)

    def started(self, now: float) -> ConditionChange | None:
        """Forget all looks because the target was started; for its start time only conclusive failures count."""
        grace = DEFAULT_START_TIMEOUT if self.target.process is None else self.target.process.start_timeout
        self._grace_ends = now + grace
        for check in self._checks.values():
            check.restart()
        return self._settle(None, now)

    def hold(self, condition: Condition, now: float) -> ConditionChange | None:
        """Put a condition of a recovery in force until `release`; looks go on being counted.

        Raises:
            ValueError: when it is not RECOVERING, VALIDATING or QUARANTINED.
        """
        if condition not in HELD:
            raise ValueError(f"a target can be held at {', '.join(sorted(HELD))}, not at {condition}")
        old, self._held = self.condition, condition
        return self._told(old, None, now)

    def release(self, now: float) -> ConditionChange | None:
        """Let the looks decide again."""
        old, self._held = self.condition, None
        return self._told(old, self.worst, now)

    def doubt(self) -> None:
        """Withhold declarations and forget the second opinions: the watcher may be what is broken.

        Conclusive failures are declared all the same.
        """
        self._withheld = True
        for check in self._checks.values():
            check.unconfirm()

    def trust(self, now: float) -> ConditionChange | None:
        """Declare what the looks add up to after all."""
        self._withheld = False
        return self._settle(self.worst, now)

    def expect(self, now: float, *, name: str) -> None:
        """Make a signal that comes by itself part of the judgement before its first look, so that it stays UNKNOWN."""
        self._checks.setdefault(name, _unlisted(name))
        if self.since is None:
            self.since = now

    # ------------------------------------------------------------------ working it out

    def _excused(self, check: CheckHealth, look: Look, now: float) -> bool:
        if self._grace_ends is None or look.good or not check.awaits_first_good:
            return False
        if now >= self._grace_ends:
            return False
        return not (look.conclusive and look.failure_type == FailureType.EXITED)

    def _settle(self, look: Look | None, now: float) -> ConditionChange | None:
        old = self.condition
        self._judged = self._judgement()
        return self._told(old, look, now)

    def _judgement(self) -> Condition:
        for check in self._checks.values():
            check.declare(withheld=self._withheld)
        if any(check.failed for check in self._checks.values()):
            return Condition.FAILED
        if any(check.suspect for check in self._checks.values()):
            return Condition.SUSPECT
        if not self._checks or any(check.last is None or check.excused for check in self._checks.values()):
            return Condition.UNKNOWN
        return Condition.HEALTHY

    def _bad(self) -> list[CheckHealth]:
        failed = [check for check in self._checks.values() if check.failed]
        return failed or [check for check in self._checks.values() if check.suspect]

    def _told(self, old: Condition, look: Look | None, now: float) -> ConditionChange | None:
        new, bad = self.condition, self._bad()
        worst = _worst(bad)
        rank = None if worst is None else _rank(worst)
        told = self._told_rank
        worse = new is old is Condition.FAILED and rank is not None and told is not None and rank < told
        if new is old and not worse:
            return None
        self._told_rank = rank if new is Condition.FAILED else None
        self.since = now
        begun = [check.bad_since for check in bad if check.bad_since is not None]
        return ConditionChange(
            target=self.target.name,
            old=old,
            new=new,
            failure_type=None if worst is None else worst.failure_type,
            depth=None if worst is None else worst.depth,
            look=look if worst is None else worst,
            first_at=min(begun, default=now),
            at=now,
        )


def _worst(checks: Iterable[CheckHealth]) -> Look | None:
    looks = [check.last_bad for check in checks if check.last_bad is not None]
    return min(looks, key=lambda look: (*_rank(look), -look.at), default=None)


def _rank(look: Look) -> tuple[int, bool, bool]:
    """Return what a bad look is ranked by, the gravest first: depth, conclusiveness, and whether a restart may help.

    A process that dies refuses connections, and its exit may be heard of only afterwards: that is what is wrong then.
    """
    return DEPTHS.index(look.depth), not look.conclusive, look.failure_type not in RESTARTABLE
