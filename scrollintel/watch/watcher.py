"""The watcher: looks at all targets in a thread of its own and tells of every change of a condition."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..recovery.symptom import Condition, ConditionChange, Depth, Look
from ..recovery.target import Target
from .doubt import FEWEST, Lag, canary
from .kinds import ProbeContext
from .watched import Watched

T = TypeVar("T")
MAX_LOOKS = 200
"""Looks at once; each holds about one socket."""
CALL_TIMEOUT = 10.0
"""Seconds that a caller waits for the watcher's loop."""
SECOND_ROUND = 0.25
"""Seconds between everything failing at once and the second look at it."""
DOWN = frozenset({Condition.SUSPECT, Condition.FAILED})

logger = logging.getLogger("scrollintel.watch")


@dataclass(frozen=True, slots=True)
class TargetView:
    """How a target stands.

    Arguments:
        target: What is declared.
        condition, judged: What is in force, and what the looks alone add up to.
        since: Monotonic seconds since when, or None.
        looks: The last look of every check.
        suspicion: How unusual the present silence is, for ranking; 0 without beats.
        last_beat: Monotonic seconds of the last beat, or None.
        progressed_at: Monotonic seconds of the last progress, or None.
        discarded: Looks that were dropped because this process lagged.
    """

    target: Target
    condition: Condition
    judged: Condition
    since: float | None
    looks: tuple[Look, ...]
    suspicion: float
    last_beat: float | None
    progressed_at: float | None
    discarded: int

    @classmethod
    def unseen(cls, target: Target) -> TargetView:
        """Return how a target stands that this process does not watch now."""
        return cls(target, Condition.UNKNOWN, Condition.UNKNOWN, None, (), 0.0, None, None, 0)


class Watcher:
    """Watches targets. Its methods may be called from any thread but its own.

    Arguments:
        on_change: Is told of every change of a condition, in the watcher's thread; must not block.
        context: What probes may use.
        seed: Of the jitter; random by default.
    """

    def __init__(
        self, *, on_change: Callable[[ConditionChange], None], context: ProbeContext, seed: int | None = None
    ) -> None:
        self._on_change = on_change
        self._context = context
        self._watched: dict[str, Watched] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._round: asyncio.Task[None] | None = None
        self.lag = Lag()
        self.random = random.Random(seed)
        self.slots = asyncio.Semaphore(MAX_LOOKS)
        self.doubts = 0
        self.errors = 0
        self._fresh: set[asyncio.Task[list[Look]]] = set()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Start the thread, unless it runs; nothing is watched before `apply`."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name="scrollintel watcher", daemon=True)
        self._thread.start()
        self._ready.wait(CALL_TIMEOUT)

    def stop(self, timeout: float = 5.0) -> None:
        """End all looks and the thread; waits up to `timeout` seconds."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or self._over is None:
            return
        try:
            loop.call_soon_threadsafe(self._over.set)
        except RuntimeError:  # it has ended by itself
            return
        thread.join(timeout)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            self.errors += 1
            logger.exception("the watcher has ended by an error; nothing is watched any more")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        lag = asyncio.create_task(self.lag.run(), name="watch lag")
        self._ready.set()
        await self._over.wait()
        lag.cancel()
        if self._round is not None:
            self._round.cancel()
        await asyncio.gather(*(watched.stop() for watched in self._watched.values()), return_exceptions=True)
        self._watched = {}

    # ------------------------------------------------------------------ callers

    def apply(
        self, targets: Sequence[Target], context: ProbeContext | None = None, *, started: Collection[str] = ()
    ) -> None:
        """Watch exactly these targets from now on; what is declared as before keeps its state.

        Arguments:
            targets: What is watched.
            context: What probes may use from now on, if that changes; every target begins anew then.
            started: Names of those that have just been started, as told by `started`, but before the first look.

        Raises:
            ConfigError: when options of a check are wrong; everything stays as it was then.
        """
        self._call(self._apply(targets, context or self._context, started))

    def probe(self, target: str, depths: Collection[Depth]) -> list[Look]:
        """Take fresh looks at a target, one for each check of these depths; blocks. Empty for an unknown target."""
        return self._call(self._probe(target, depths))

    def hold(self, target: str, condition: Condition) -> None:
        """Put a condition of a recovery in force: RECOVERING, VALIDATING or QUARANTINED."""
        self._soon(lambda watched: watched.health.hold(condition, time.monotonic()), target)

    def release(self, target: str) -> None:
        """Let the looks decide again."""
        self._soon(lambda watched: watched.health.release(time.monotonic()), target)

    def started(self, target: str) -> None:
        """Begin anew with a target, because it was started: failures do not count until it has had its time."""
        self._soon(lambda watched: watched.started(), target)

    def report(self, look: Look) -> None:
        """Take a look that came by itself; a bad one has the target looked at, at once."""
        loop = self._loop
        if loop is not None:
            _from_outside(loop, lambda: self._reported(look))

    def beat(self, target: str, progress: float | str | None = None) -> None:
        """Take a beat of a target; unknown ones are ignored."""
        loop = self._loop
        if loop is not None:
            _from_outside(loop, lambda: self._beat(target, progress))

    def snapshot(self) -> list[TargetView]:
        """Return how all targets stand; from any thread."""
        now = time.monotonic()
        return [_view(watched, now) for watched in list(self._watched.values())]

    def is_healthy(self, target: str) -> bool:
        """Tell whether the looks alone find a target healthy, whatever it is held at; from any thread."""
        watched = self._watched.get(target)
        return watched is not None and watched.health.judged is Condition.HEALTHY

    def expects_beats(self, target: str) -> bool:
        """Tell whether a target is watched that beats."""
        watched = self._watched.get(target)
        return watched is not None and watched.beats is not None

    # ------------------------------------------------------------------ on the loop

    async def _apply(self, targets: Sequence[Target], context: ProbeContext, started: Collection[str]) -> None:
        wanted = {target.name: target for target in targets}
        same = self._watched if context == self._context else {}
        kept = {name: watched for name, watched in same.items() if wanted.get(name) == watched.target}
        fresh = {name: Watched(target, context, self) for name, target in wanted.items() if name not in kept}
        self._context = context
        gone = [watched for name, watched in self._watched.items() if name not in kept]
        self._watched = {name: kept.get(name) or fresh[name] for name in wanted}
        await asyncio.gather(*(watched.stop() for watched in gone))
        for watched in [self._watched[name] for name in started]:
            self.changed(watched, watched.started())
        for watched in fresh.values():
            watched.start()

    async def _probe(self, target: str, depths: Collection[Depth]) -> list[Look]:
        watched = self._watched.get(target)
        return [] if watched is None else await watched.probe(depths)

    def _reported(self, look: Look) -> None:
        watched = self._watched.get(look.target)
        if watched is None or look.good:
            return
        task = asyncio.ensure_future(watched.probe([Depth.ALIVE, Depth.READY, Depth.DEEP]))
        task.set_name(f"watch {look.target} {look.check}")
        self._fresh.add(task)
        task.add_done_callback(self._fresh.discard)

    def _beat(self, target: str, progress: float | str | None) -> None:
        watched = self._watched.get(target)
        if watched is not None:
            watched.beat(progress)

    def changed(self, watched: Watched, change: ConditionChange | None) -> None:
        """Take what a look has led to; called by targets."""
        if change is None:
            return
        if change.new in DOWN and self._all_at_once() and self._round is None:
            self._doubt()
        try:
            self._on_change(change)
        except Exception:
            self.errors += 1
            logger.exception("a listener to conditions failed")

    # ------------------------------------------------------------------ doubt

    def _all_at_once(self) -> bool:
        states = [watched.health.judged for watched in self._watched.values() if watched.health.held is None]
        return len(states) >= FEWEST and all(state in DOWN for state in states)

    def _doubt(self) -> None:
        """Withhold what is not conclusive until a second round of looks, with this process proven to work, agrees."""
        self.doubts += 1
        logger.warning("all targets seem to fail at once; this process looks at itself first")
        for watched in self._watched.values():
            watched.health.doubt()
        self._round = asyncio.create_task(self._second_round(), name="watch second round")

    async def _second_round(self) -> None:
        try:
            while True:
                await asyncio.sleep(SECOND_ROUND)
                began = time.monotonic()
                if await canary() and self.lag.since(began) < SECOND_ROUND:
                    break
            await asyncio.gather(*(watched.probe(list(Depth)) for watched in self._watched.values()))
            for watched in list(self._watched.values()):
                self.changed(watched, watched.health.trust(time.monotonic()))
        finally:
            self._round = None

    # ------------------------------------------------------------------ between threads

    def _call(self, work: Coroutine[Any, Any, T]) -> T:  # Any: as typeshed declares it
        if self._loop is None:
            work.close()
            raise RuntimeError("the watcher has not been started")
        try:
            asked = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise RuntimeError("the watcher has been stopped") from None
        return asked.result(CALL_TIMEOUT)

    def _soon(self, action: Callable[[Watched], ConditionChange | None], target: str) -> None:
        def act() -> None:
            watched = self._watched.get(target)
            if watched is not None:
                self.changed(watched, action(watched))

        if self._loop is not None:
            _from_outside(self._loop, act)


def _from_outside(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(action)
    except RuntimeError:  # the watcher has stopped: nobody wants to know any more
        return


def _view(watched: Watched, now: float) -> TargetView:
    beats = watched.beats
    heard = beats is not None and beats.count > 0
    return TargetView(
        target=watched.target,
        condition=watched.health.condition,
        judged=watched.health.judged,
        since=watched.health.since,
        looks=tuple(watched.health.looks.values()),
        suspicion=beats.suspicion.value(beats.silence(now)) if beats is not None and heard else 0.0,
        last_beat=beats.last_at if beats is not None and heard else None,
        progressed_at=beats.progressed_at if beats is not None and heard else None,
        discarded=watched.discarded,
    )
