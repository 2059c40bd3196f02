"""The one thread that changes the database: it runs changes in order, commits them in groups, and heals by itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.errors import ScrollIntelError
from .commands import Command, Decide, Outcome, resolve, settle
from .errors import StandbyError, StoreUnavailableError
from .ledger import Ledger
from .transaction import Changes, Records, Transaction

T = TypeVar("T")

MAX_GROUP = 256
"""Changes that one commit takes along; more of them wait for the next."""
MAX_QUEUE = 10_000
"""Changes that may wait; further ones are refused with `StoreUnavailableError`."""
FIRST_DELAY, LONGEST_DELAY = 0.2, 2.0
"""Seconds between attempts to reach the database; doubling."""

logger = logging.getLogger("scrollintel.storage")


class WriterState(StrEnum):
    """`SERVING` writes; `STANDBY` waits for another process to give up its lock; `UNAVAILABLE` has no database."""

    STARTING = "starting"
    SERVING = "serving"
    STANDBY = "standby"
    UNAVAILABLE = "unavailable"
    STOPPED = "stopped"


class Writer:
    """Runs changes one after the other and commits them in groups.

    A change is a function of a `Transaction`. Its caller hears the result when the group is on disk; what raised an
    error leaves nothing behind. When a commit fails, all its callers hear `StoreUnavailableError`, the connection is
    dropped, and records are loaded afresh when the database answers again, so that memory never knows more than it.

    Arguments:
        ledger: Turns changes into rows, and rows into records.
        records: The committed records, which readers look at.
        clock: Source of UTC moments.
        on_loaded: Called in the writer's thread when the records are loaded, before any change; an error of it keeps
            the writer from serving.
        on_state: Called in the writer's thread after each change of state.
    """

    def __init__(
        self,
        ledger: Ledger,
        records: Records,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_loaded: Callable[[], object] = lambda: None,
        on_state: Callable[[WriterState], object] = lambda state: None,
    ) -> None:
        self.records = records
        self.state = WriterState.STARTING
        self.since = clock.monotonic()
        self.commits = 0
        self.changes = 0
        self.last_error: str | None = None
        self._ledger = ledger
        self._clock = clock
        self._on_loaded = on_loaded
        self._on_state = on_state
        self._queue: deque[Command[Any]] = deque()
        self._group: list[Command[Any]] = []
        self._wake = threading.Condition()
        self._stopping = False
        self.settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrollintel-writer", daemon=True)

    # ------------------------------------------------------------------ callers

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the first attempt to reach the database has ended, well or badly; False after `timeout` s."""
        return self.settled.wait(timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Commit what is queued, let go of the database and end the thread; waits up to `timeout` seconds."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def waiting(self) -> int:
        """Changes in the queue."""
        return len(self._queue)

    async def change(self, decide: Decide[T]) -> T:
        """Make a change and return its result once it is on disk; see `give_up` for how long that may take.

        Raises:
            StoreUnavailableError: when the database cannot be written now; the change was not made, or it is unknown
                whether the commit that failed took effect.
            StandbyError: when another process serves.
            Exception: what `decide` raised; nothing was changed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(Command(decide, loop, future, self._clock.monotonic()))
        return await future

    def give_up(self, older_than: float) -> None:
        """Answer whoever has awaited a `change` for more than `older_than` seconds; on their event loop.

        One look at all of them now and then, because a timer for each would cost as much as the rest of a change.
        """
        with self._wake:
            commands = [*self._group, *self._queue]
        if not commands:
            return
        latest, loop = self._clock.monotonic() - older_than, asyncio.get_running_loop()
        late = StoreUnavailableError(
            "the database has not answered in time; whether the change was made is unknown", retry_after=2.0
        )
        for command in commands:
            if command.loop is loop and 0.0 < command.asked_at < latest:
                resolve([(command, None, late)])

    def change_blocking(self, decide: Decide[T], timeout: float | None = 30.0) -> T:
        """Do the same from a thread that may block, for at most `timeout` seconds."""
        future: Future[T] = Future()
        self._submit(Command(decide, None, future))
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise StoreUnavailableError("the database has not answered in time", retry_after=1.0) from None

    def change_unheard(self, decide: Decide[object]) -> None:
        """Make a change that nobody waits for; an error of it is logged."""

        def careful(tx: Transaction) -> None:
            try:
                decide(tx)
            except Exception:
                logger.exception("a change that nobody waits for failed")
                raise

        self._submit(Command(careful, None, Future()))

    async def maintain(self, job: Callable[[Connection], T]) -> T:
        """Run a job on the writing connection, in a transaction of its own, between two groups of changes.

        For work on histories, which no record in memory depends on: roll-up, expiry.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(Command(lambda tx: self._ledger.maintain(job), loop, future))
        return await future

    def _submit(self, command: Command[T]) -> None:
        with self._wake:
            if self.state is not WriterState.SERVING or self._stopping:
                raise self._refusal()
            if len(self._queue) >= MAX_QUEUE:
                raise StoreUnavailableError("too many changes are waiting for the database", retry_after=1.0)
            self._queue.append(command)
            if len(self._queue) == 1:
                self._wake.notify()

    def _refusal(self) -> StoreUnavailableError:
        if self.state is WriterState.STANDBY:
            return StandbyError()
        return StoreUnavailableError("the database cannot be written now", retry_after=1.0)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping:
            try:
                self._ledger.open()
                self.records.replace(self._ledger.load())
                self._on_loaded()
            except StandbyError:
                self._turn(WriterState.STANDBY)
            except Exception as error:
                self._note(error)
                self._turn(WriterState.UNAVAILABLE)
            else:
                delay = FIRST_DELAY
                self.last_error = None
                self._turn(WriterState.SERVING)
                self._serve()
            self.settled.set()
            self._ledger.close()
            with self._wake:
                if not self._stopping:
                    self._wake.wait(delay)
            delay = min(delay * 2.0, LONGEST_DELAY)
        self._turn(WriterState.STOPPED)
        self._refuse_all()

    def _serve(self) -> None:
        """Commit groups until the database fails or the writer stops."""
        self.settled.set()
        while True:
            with self._wake:
                if not self._queue and not self._stopping:
                    self._wake.wait(1.0)
                idle = not self._queue
                if idle and self._stopping:
                    return
                commands = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]
                self._group = commands
            if idle:  # asked without the lock: a database that is silent for seconds must keep no caller waiting
                if not self._alive():
                    self._refuse_all()
                    return
                continue
            served = self._commit([command for command in commands if not command.forsaken])
            self._group = []
            if not served:
                return

    def _commit(self, commands: list[Command[Any]]) -> bool:
        """Make a group of changes durable and tell their callers; False when the database has failed."""
        group = Changes()
        outcomes = [self._decide(command, group) for command in commands]
        try:
            if group:
                self._ledger.write(group)
                self.commits += 1
        except Exception as error:
            return self._commit_apart(commands, error) if _is_refusal(error) else self._fail(outcomes, error)
        self.changes += len(outcomes)
        self.records.apply(group.overlay)
        for action in group.afterwards:
            try:
                action()
            except Exception:  # the change is on disk; what follows it must not undo the thread
                logger.exception("an action after a change failed")
        settle(outcomes)
        return True

    def _commit_apart(self, commands: list[Command[Any]], error: Exception) -> bool:
        """Commit one by one what the database has refused together, so that one bad change harms no other."""
        if len(commands) == 1:
            logger.error("the database refuses a change: %s", type(error).__name__)
            settle([(commands[0], None, error)])
            return True
        for number, command in enumerate(commands, 1):
            if not self._commit([command]):
                settle([(rest, None, self._refusal()) for rest in commands[number:]])
                return False
        return True

    def _fail(self, outcomes: list[Outcome], error: Exception) -> bool:
        """Tell all callers of a group that it is lost, and that the database has to be opened anew."""
        self._note(error)
        self._turn(WriterState.UNAVAILABLE)
        lost = StoreUnavailableError("the change could not be written", retry_after=1.0)
        settle([(command, None, lost if failed is None else failed) for command, _, failed in outcomes])
        self._refuse_all()
        return False

    def _decide(self, command: Command[T], group: Changes) -> Outcome:
        mine = Changes()
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        try:
            result = command.decide(Transaction(self.records, group, mine, now, self._ledger.next_sequence))
            self._ledger.seal(mine)
        except Exception as error:
            return command, None, error
        group.absorb(mine)
        return command, result, None

    def _alive(self) -> bool:
        """Tell whether the connection still holds what it must: asked while nothing is to be written."""
        try:
            self._ledger.ping()
        except Exception as error:
            self._note(error)
            self._turn(WriterState.UNAVAILABLE)
            return False
        return True

    def _note(self, error: Exception) -> None:
        text = str(error) if isinstance(error, ScrollIntelError) else type(error).__name__
        if text != self.last_error:
            logger.warning("changes cannot be written now: %s", text)
        self.last_error = text

    def _turn(self, state: WriterState) -> None:
        with self._wake:
            if state is self.state:
                return
            self.state = state
            self.since = self._clock.monotonic()
        self._on_state(state)

    def _refuse_all(self) -> None:
        with self._wake:
            commands = list(self._queue)
            self._queue.clear()
        settle([(command, None, self._refusal()) for command in commands])


def _is_refusal(error: Exception) -> bool:
    """Tell whether the database works and refuses what it was told to write, or its driver cannot even say it."""
    if not isinstance(error, StatementError):
        return isinstance(error, OverflowError | UnicodeEncodeError)
    if error.connection_invalidated:
        return False
    return isinstance(error, DataError | IntegrityError) or not isinstance(error, DBAPIError)
