"""One target under watch: its probes, its health, its beats, and the tasks that look."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Collection
from typing import Protocol

from ..recovery.health import DEFAULT_START_TIMEOUT, HEARTBEAT, PROGRESS, TargetHealth
from ..recovery.symptom import Condition, ConditionChange, Depth, FailureType, Look
from ..recovery.target import Check, Target
from .beats import Beats
from .doubt import LAG_SHARE, Lag
from .kinds import Probe, ProbeContext, Sentinel, check_kinds

JITTER = 0.1
"""Share by which an interval varies, so that checks do not run in step."""
CONFIRM_DELAYS = (0.001, 0.002, 0.004)
"""Seconds between the looks that confirm what the kernel has told."""
SUSPECT_INTERVAL = 0.1
"""Longest interval while a target is suspected, seconds."""
BEAT_INTERVAL = 0.05
"""Seconds between looks at the silence of a target that beats."""
GRACE = 1.1
"""Times the check's own timeout after which a look that does not end by itself is cancelled."""

SIGNALS = frozenset({HEARTBEAT, PROGRESS})

logger = logging.getLogger("scrollintel.watch")


class Surroundings(Protocol):
    """What a target shares with the others."""

    lag: Lag
    slots: asyncio.Semaphore
    random: random.Random

    def changed(self, watched: Watched, change: ConditionChange | None) -> None:
        """Take what a look has led to."""


class Watched:
    """On the watcher's event loop.

    Arguments:
        target: What is watched.
        context: What probes may use.
        around: What it shares with the others.
    """

    def __init__(self, target: Target, context: ProbeContext, around: Surroundings) -> None:
        self.target = target
        self.health = TargetHealth(target)
        self.beats = _beats(target)
        self._around = around
        kinds = check_kinds()
        self._probes: dict[str, tuple[Check, Probe]] = {}
        for check in target.checks:
            kind = kinds[check.kind]
            options = kind.options.from_dict(dict(check.options))
            self._probes[check.name] = check, kind.build(target, check, options, context)
        self._tasks: list[asyncio.Task[None]] = []
        self.looks = 0
        self.discarded = 0

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Start the tasks."""
        for check, probe in self._probes.values():
            self._begin(self._repeat(check, probe), check.name)
            if isinstance(probe, Sentinel):
                self._begin(self._guard(check, probe, probe), f"{check.name} sentinel")
        if self.beats is not None:
            self.health.expect(time.monotonic(), name=HEARTBEAT)
            self._begin(self._listen(self.beats), HEARTBEAT)

    def _begin(self, work: object, name: str) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine
        task.set_name(f"watch {self.target.name} {name}")
        self._tasks.append(task)

    async def stop(self) -> None:
        """End the tasks and let go of what probes hold."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, probe in self._probes.values():
            await probe.close()

    # ------------------------------------------------------------------ looking

    async def probe(self, depths: Collection[Depth]) -> list[Look]:
        """Take a fresh look by every check of these depths, all at once; they are counted as well."""
        found = [item for item in self._probes.values() if item[0].depth in depths]
        looks = await asyncio.gather(*(self._look(check, probe) for check, probe in found))
        seen = [look for look in looks if look is not None]
        for look in seen:
            self.see(look, fresh=True)
        if self.beats is not None and Depth.ALIVE in depths:
            seen += self._heard(self.beats)
        return seen

    def see(self, look: Look, *, fresh: bool = False) -> None:
        """Count a look."""
        self.looks += 1
        self._around.changed(self, self.health.see(look, time.monotonic(), fresh=fresh))

    async def _repeat(self, check: Check, probe: Probe) -> None:
        """Look again and again; a first bad look is followed at once by a fresh one."""
        await asyncio.sleep(self._around.random.random() * min(check.interval, 1.0))
        while True:
            began = time.monotonic()
            look = await self._look(check, probe)
            if look is not None:
                self.see(look)
                if not look.good and check.name in self.health.unconfirmed:
                    fresh = await self._look(check, probe)
                    if fresh is not None:
                        self.see(fresh, fresh=True)
            interval = check.interval
            if self.health.judged is Condition.SUSPECT:
                interval = min(interval, SUSPECT_INTERVAL)
            interval *= 1.0 + JITTER * (2.0 * self._around.random.random() - 1.0)
            await asyncio.sleep(max(0.0, interval - (time.monotonic() - began)))

    async def _guard(self, check: Check, probe: Probe, sentinel: Sentinel) -> None:
        """Wait for what a probe notices by itself, and confirm it by a fresh look."""
        while True:
            try:
                look = await sentinel.lost()
            except Exception:  # there is nothing to wait for now; the ordinary looks say what is wrong
                await asyncio.sleep(min(check.interval, SUSPECT_INTERVAL))
                continue
            self.see(look)
            fresh = await self._confirm(check, probe)
            if fresh is not None:
                self.see(fresh, fresh=True)
            await asyncio.sleep(min(check.interval, SUSPECT_INTERVAL))

    async def _confirm(self, check: Check, probe: Probe) -> Look | None:
        """Look until a look is bad, a few times within milliseconds, and return the last look.

        The kernel closes the sockets of a process that dies one after the other: the one that listens may still take
        a connection when the end of another one is heard of.
        """
        look = await self._look(check, probe)
        for delay in CONFIRM_DELAYS:
            if look is None or not look.good:
                break
            await asyncio.sleep(delay)
            look = await self._look(check, probe)
        return look

    async def _look(self, check: Check, probe: Probe) -> Look | None:
        """Look once, bounded; None when this process was too slow to say anything about silence."""
        async with self._around.slots:
            began = time.monotonic()
            try:
                async with asyncio.timeout(check.timeout * GRACE):
                    look = await probe.look()
            except Exception as error:  # whatever a check does, it is a result
                wrong = FailureType.UNRESPONSIVE if check.depth is Depth.ALIVE else FailureType.NOT_READY
                said = f"no answer within {check.timeout:g} s" if isinstance(error, TimeoutError) else _name(error)
                look = Look(
                    target=self.target.name, check=check.name, depth=check.depth, good=False, failure_type=wrong,
                    detail=f"{check.name}: {said}", at=time.monotonic(),
                )  # fmt: skip
        if look.good or look.conclusive or self._around.lag.since(began) <= check.timeout * LAG_SHARE:
            return look
        self.discarded += 1
        return None

    # ------------------------------------------------------------------ beats

    def beat(self, progress: float | str | None) -> None:
        """Take a beat."""
        if self.beats is None:
            return
        now = time.monotonic()
        self.beats.take(now, progress)
        self._tell(HEARTBEAT, now)
        if self.beats.heartbeat.progress_timeout is not None and not self.beats.is_stalled(now):
            self._tell(PROGRESS, now)

    async def _listen(self, beats: Beats) -> None:
        """Look for silence and for beats without progress."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(min(BEAT_INTERVAL, beats.heartbeat.timeout / 4.0))
            now = time.monotonic()
            if self._around.lag.since(began) > beats.heartbeat.timeout * LAG_SHARE:
                continue
            if beats.is_silent(now):
                await self._silent(beats, now)
                await asyncio.sleep(SUSPECT_INTERVAL)
            elif beats.is_stalled(now):
                await self._stalled(beats, now)

    async def _silent(self, beats: Beats, now: float) -> None:
        """Suspect at once; fail when a fresh look at what is alive fails too, or when nothing else can be asked."""
        detail = f"no beat for {beats.silence(now):.2f} s"
        self._tell(HEARTBEAT, now, FailureType.SILENT, detail)
        alive = [look for look in await self.probe([Depth.ALIVE]) if look.check not in SIGNALS]
        now = time.monotonic()
        if not beats.is_silent(now):
            return
        if any(not look.good for look in alive) or (not alive and beats.silence(now) > 2.0 * beats.heartbeat.timeout):
            self._tell(HEARTBEAT, now, FailureType.SILENT, detail, fresh=True)

    async def _stalled(self, beats: Beats, now: float) -> None:
        """Suspect at once; fail when it still beats without progress a moment later."""
        detail = f"beats go on, but nothing has progressed for {now - beats.progressed_at:.2f} s"
        self._tell(PROGRESS, now, FailureType.STALLED, detail)
        count = beats.count
        await asyncio.sleep(SUSPECT_INTERVAL)
        now = time.monotonic()
        if beats.is_stalled(now) and beats.count > count:
            self._tell(PROGRESS, now, FailureType.STALLED, detail, fresh=True)

    def _heard(self, beats: Beats) -> list[Look]:
        now = time.monotonic()
        silent, stalled = beats.is_silent(now) or not beats.count, beats.is_stalled(now)  # proof needs a beat
        found = [
            self._signal(HEARTBEAT, now, FailureType.SILENT if silent else None, "beats" if not silent else "silent")
        ]
        if beats.heartbeat.progress_timeout is not None:
            wrong = FailureType.STALLED if stalled else None
            found.append(self._signal(PROGRESS, now, wrong, "stalled" if stalled else "progresses"))
        return found

    def _tell(
        self, name: str, now: float, failure_type: str | None = None, detail: str = "", *, fresh: bool = False
    ) -> None:
        last = self.health.looks.get(name)
        if failure_type is None and last is not None and last.good and self.health.judged is Condition.HEALTHY:
            return  # nothing changes, and beats may come often
        self.see(self._signal(name, now, failure_type, detail or "beats"), fresh=fresh)

    def _signal(self, name: str, now: float, failure_type: str | None, detail: str) -> Look:
        return Look(
            target=self.target.name, check=name, depth=Depth.ALIVE, good=failure_type is None,
            failure_type=failure_type, detail=f"{name}: {detail}", at=now,
        )  # fmt: skip

    # ------------------------------------------------------------------ from outside

    def started(self) -> ConditionChange | None:
        """Begin anew, because the target was started."""
        now = time.monotonic()
        if self.beats is not None:
            self.beats.restart(now)
        return self.health.started(now)


def _name(error: Exception) -> str:
    return type(error).__name__


def _beats(target: Target) -> Beats | None:
    if target.heartbeat is None:
        return None
    grace = DEFAULT_START_TIMEOUT if target.process is None else target.process.start_timeout
    return Beats(target.heartbeat, time.monotonic(), grace=grace)
