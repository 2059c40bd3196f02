"""Recoveries: started on request, executed in threads of their own, recorded step by step from beginning to end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from ..control.records import RECOVERIES, SERVICES, RecoveryOperationRecord
from ..core.errors import ScrollIntelError
from ..recovery.runner import RecoveryConfig, RecoveryRunner
from ..security.access import Permission
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .built_in_recovery import Errand
from .caller import SYSTEM, Caller
from .circuits import Circuits
from .degradation import Degradation
from .errors import ConflictError, MissingError
from .own_thread import in_own_thread
from .plane import ControlPlane
from .recovery_history import RecoveryHistory
from .recovery_progress import CutShortError, Progress, interrupted, over, sentence
from .recovery_strategies import Strategies

T = TypeVar("T")
Work = Callable[[], RecoveryOperationRecord]

BUILT_IN_PATIENCE = RecoveryConfig(verify_rounds=10, verify_interval=0.5, timeout=30.0)
LOOK_TIMEOUT = 10.0
"""Seconds that a strategy waits for the event loop."""
MAX_RUNNING = 16
"""Recoveries that run at once; further ones are pending until one of them ends."""
LAUNCH_WAIT = 30.0
"""Seconds from which a recovery that was asked for here and has not begun counts as one that nobody runs."""
STOP_WAIT = 1.0
"""Seconds that a step may take to end when the service stops, and seconds that writing the ends may take."""
RESTARTED = "the control plane went away while it ran"
STOPPED = "the control plane was stopped while it ran"

logger = logging.getLogger("scrollintel.recovery")


@dataclass(frozen=True, slots=True)
class Wish:
    """A recovery that somebody wants.

    Arguments:
        service: What is to be recovered.
        failure_type: What from, as strategies know it.
        reason: For the audit log, or None.
        strategies: Names of those to be tried, in order; see `Strategies` for what is tried when it is empty.
    """

    service: str
    failure_type: str = "unknown"
    reason: str | None = None
    strategies: tuple[str, ...] = ()


class Recoveries:
    """The use cases around recoveries.

    Arguments:
        plane, circuits: The control plane and its circuits.
        runner: Holds the strategies that this process has registered, and how patient recoveries are; none, and
            `BUILT_IN_PATIENCE`, by default.
    """

    def __init__(self, plane: ControlPlane, circuits: Circuits, *, runner: RecoveryRunner | None = None) -> None:
        self._plane = plane
        self._circuits = circuits
        self.runner = RecoveryRunner(config=BUILT_IN_PATIENCE, clock=plane.clock) if runner is None else runner
        self.strategies = Strategies(self.runner)
        self.history = RecoveryHistory(plane)
        self._slots = asyncio.Semaphore(MAX_RUNNING)
        self._asked_for: dict[str, float] = {}  # id → monotonic time, until it is launched
        self._running: dict[str, tuple[Progress, asyncio.Task[None]]] = {}
        self._unwritten: dict[str, RecoveryOperationRecord] = {}  # ends that the database has not taken yet
        self._look: asyncio.Task[None] | None = None
        self._stopping = False
        plane.on_serving.append(lambda: plane.on_loop(self._look_soon))

    def require_known(self, caller: Caller, service: str) -> None:
        """Raise MissingError unless there is such a service and the caller may know of it; on the event loop."""
        known = self._plane.records.get(SERVICES, service) is not None
        known = known or any(session.service == service for session in self._plane.fleet.sessions())
        if not known or not caller.sees(Permission.RECOVERY_READ, service):
            raise MissingError("service", service)

    def may_start(self, caller: Caller, wish: Wish) -> None:
        """Raise unless the caller may start such a recovery of a service that is known; on the event loop.

        Raises:
            MissingError: when there is no service of that name that the caller may see.
            AccessDeniedError: when the caller may not do what the recovery would.
            ConfigError: naming each strategy that there is none of.
        """
        self.require_known(caller, wish.service)
        caller.require_for_new(Permission.RECOVERY_START, wish.service)
        self.strategies.check(caller, wish.service, wish.failure_type, wish.strategies)

    def begin(self, tx: Transaction, caller: Caller, wish: Wish) -> RecoveryOperationRecord:
        """Record a recovery, which starts as soon as that is on disk.

        Raises:
            ConflictError: when the service is being recovered already.
            StoreUnavailableError: when the control plane is about to stop.
        """
        if self._stopping or self._plane.stopping:
            raise StoreUnavailableError("the control plane is stopping", retry_after=2.0)
        for known in tx.values(RECOVERIES):
            if known.service == wish.service and known.finished_at is None:
                raise ConflictError(f"the service {wish.service!r} is being recovered already, by {known.id}")
        record = RecoveryOperationRecord(
            id=f"rec_{secrets.token_hex(8)}",
            service=wish.service,
            failure_type=wish.failure_type,
            status="pending",
            outcome=None,
            strategy=None,
            requested_by=caller.identity.id,
            reason=wish.reason,
            started_at=tx.now,
            finished_at=None,
            duration=None,
        )
        tx.put(RECOVERIES, record)
        tx.audit(
            caller.entry(
                "recovery.start",
                "recovery",
                record.id,
                at=tx.now,
                service=wish.service,
                reason=wish.reason,
                after={"failure_type": wish.failure_type, "strategies": list(wish.strategies)},
            )
        )
        told = {"id": record.id, "failure_type": wish.failure_type, "strategies": list(wish.strategies)}
        self._plane.tell(tx, "recovery.started", told, service=wish.service)
        self._asked_for[record.id] = self._plane.clock.monotonic()
        tx.afterwards(lambda: self._plane.on_loop(self._launch, record, caller, wish))
        return record

    # ------------------------------------------------------------------ running; on the event loop

    def _launch(self, record: RecoveryOperationRecord, caller: Caller, wish: Wish) -> None:
        if self._stopping:
            return
        loop = asyncio.get_running_loop()

        def on_loop(look: Callable[[], T]) -> T:
            return asyncio.run_coroutine_threadsafe(_call(look), loop).result(LOOK_TIMEOUT)

        errand = Errand(self._plane, self._circuits, Degradation(self._plane), caller, wish.service, on_loop)
        progress = Progress(self._plane, record)
        work = self._work(progress, errand, wish)
        task = loop.create_task(self._run(progress, work), name=f"scrollintel recovery {record.id}")
        self._running[record.id] = progress, task
        self._asked_for.pop(record.id, None)
        task.add_done_callback(lambda _: self._running.pop(record.id, None))

    def _work(self, progress: Progress, errand: Errand, wish: Wish) -> Work:
        """Return what runs in the thread of the recovery."""

        def work() -> RecoveryOperationRecord:
            progress.start()
            chain = self.strategies.chain(errand, wish.failure_type, wish.strategies)
            done = self.runner.recover(wish.service, wish.failure_type, strategies=chain, witness=progress)
            return replace(progress.record, status="finished", outcome=done.outcome.value, strategy=done.strategy)

        return work

    async def _run(self, progress: Progress, work: Work) -> None:
        """Run a recovery to its end; an end that cannot be written now is kept for `mark_interrupted`."""
        async with self._slots:
            end = await self._outcome(progress, work)
        self._unwritten[end.id] = end
        try:
            await self._write_end(end)
        except StoreUnavailableError:
            logger.warning("recovery %s has ended, which cannot be written now", end.id)

    async def _outcome(self, progress: Progress, work: Work) -> RecoveryOperationRecord:
        try:
            end = await in_own_thread(work, f"scrollintel recovery {progress.record.id}")
        except CutShortError as error:
            return interrupted(progress.record, self._plane.now, str(error))
        except StoreUnavailableError:
            logger.warning("recovery %s is cut off: its steps cannot be written now", progress.record.id)
            why = "the database went away while it ran; nothing more was done"
            return interrupted(progress.record, self._plane.now, why)
        except Exception as error:  # whatever a strategy does, the record has an end
            logger.warning("recovery %s failed: %s", progress.record.id, type(error).__name__, exc_info=error)
            detail = str(error) if isinstance(error, ScrollIntelError) else type(error).__name__
            end = replace(progress.record, status="finished", outcome="failed", detail=sentence(detail))
        return over(end, self._plane.now)

    # ------------------------------------------------------------------ ends

    async def _write_end(self, end: RecoveryOperationRecord) -> None:
        """Write the end of a recovery, once: what has been ended already stays as it is."""

        def decide(tx: Transaction) -> None:
            known = tx.get(RECOVERIES, end.id)
            if known is None or known.finished_at is not None:
                return
            tx.put(RECOVERIES, end)
            tx.audit(
                SYSTEM.entry(
                    "recovery.finish",
                    "recovery",
                    end.id,
                    at=tx.now,
                    service=end.service,
                    outcome="allowed" if end.outcome in ("recovered", "not_needed") else "failed",
                    after={"outcome": end.outcome, "status": end.status, "strategy": end.strategy},
                )
            )
            told = {"id": end.id, "outcome": end.outcome, "status": end.status}
            self._plane.tell(tx, "recovery.finished", told, service=end.service)
            tx.afterwards(lambda: self._plane.on_loop(self.history.note, end))

        await self._plane.change(decide)
        self._unwritten.pop(end.id, None)

    def _look_soon(self) -> None:
        """Look for recoveries of the life before, now that the database can be written."""
        self.history.renew()
        if not self._stopping:
            self._look = asyncio.get_running_loop().create_task(self._look_now(), name="scrollintel recoveries")

    async def _look_now(self) -> None:
        with suppress(StoreUnavailableError):  # the loop that calls `mark_interrupted` goes on
            await self.mark_interrupted()

    async def mark_interrupted(self) -> None:
        """Give an end to recoveries that nobody runs, and write the ends that an outage has kept from being written."""
        if not self._plane.serving or self._stopping:
            return
        await self.history.load()
        for end in list(self._unwritten.values()):
            await self._write_end(end)
        horizon = self._plane.clock.monotonic() - LAUNCH_WAIT
        for name in [name for name, at in list(self._asked_for.items()) if at < horizon]:
            self._asked_for.pop(name, None)
        for record in self._plane.records.values(RECOVERIES):
            if not any(record.id in known for known in (self._asked_for, self._running, self._unwritten)):
                await self._write_end(interrupted(record, self._plane.now, RESTARTED))

    async def stop(self) -> None:
        """End what runs after the steps that it is in, and mark all that has not come to its end as interrupted.

        Takes `STOP_WAIT` seconds for each of both; what cannot be written is marked at the next start.
        """
        self._stopping = True
        running = dict(self._running)
        tasks = [task for _, task in running.values()]
        for progress, _ in running.values():
            progress.end(STOPPED)
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WAIT)
        for task in tasks:
            task.cancel()
        left = {record.id: record for record in self._plane.records.values(RECOVERIES)}
        left.update((name, progress.record) for name, (progress, _) in running.items() if name in left)
        ends = {name: interrupted(record, self._plane.now, STOPPED) for name, record in left.items()}
        ends.update(self._unwritten)
        if self._plane.serving and ends:
            await asyncio.wait(
                [asyncio.create_task(self._end_quietly(end)) for end in ends.values()], timeout=STOP_WAIT
            )

    async def _end_quietly(self, end: RecoveryOperationRecord) -> None:
        with suppress(StoreUnavailableError):
            await self._write_end(end)


async def _call(look: Callable[[], T]) -> T:
    return look()
