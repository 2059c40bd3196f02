"""The durable engine: every recovery is one workflow of DBOS Transact. The only file that imports DBOS.

Each step's result is recorded once. Each effect is made harmless to repeat by whoever performs it, because a crash
between an effect and its record performs the step again, with the same key.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from ..core.errors import RecoveryError
from ..recovery.interpreter import PROGRAM_VERSION, Do, Effect, Pause, program
from ..storage.file_lock import FileLock
from ..storage.location import create_private_file, parse_location
from .bounded import BoundedCalls
from .members import Members
from .performing import Halted, Json, Performer, perform

FILE_NAME = "recovery.db"
"""Name of the SQLite file in the data directory, where no other database is named."""
WORKFLOW = "scrollintel_recovery"
POLL = 0.2
"""Seconds between looks for messages on SQLite; PostgreSQL announces them."""
MAX_THREADS = 64
REAP_INTERVAL = 0.5
"""Seconds between looks for runs of executors that are dead."""
MAX_DELAY = 5.0
CALL_TIMEOUT = 3.0
"""Seconds that a caller waits for the engine's database; DBOS itself would try again for ever."""
END_WAIT, END_LOOK = 2.0, 0.02
"""Seconds that runs may take to end when the engine stops, and seconds between two looks."""
SWEEP_INTERVAL = 3600.0
"""Seconds between two looks for runs that have ended long ago."""
KEPT = 7 * 86_400.0
"""Seconds for which the engine keeps runs that have ended; their records live longer, in tables of our own."""

logger = logging.getLogger("scrollintel.recovery")


class _Process:
    """What is one per process, because DBOS is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engine: DurableEngine | None = None  # guarded by lock
        self.workflow: Any = None  # Any: what DBOS makes of `_interpret`; guarded by lock


_PROCESS = _Process()


class EngineTakenError(RecoveryError):
    """This process uses DBOS Transact already, and there can be one of it in a process."""

    code = "recovery_engine_taken"


class DurableEngine:
    """Runs recoveries so that they go on after a crash at any line.

    Arguments:
        performer: Performs steps.
        directory: Where the SQLite file lies.
        url: Address of a PostgreSQL database that several processes share; None (default) is the SQLite file, which
            one process uses at a time.
    """

    is_durable = True

    def __init__(self, performer: Performer, *, directory: Path, url: str | None = None) -> None:
        location = parse_location(url or f"sqlite:///{directory / FILE_NAME}")
        self._performer = performer
        self._url = location.render_as_string(hide_password=False)
        self._file = Path(location.database or "") if location.get_backend_name() == "sqlite" else None
        self._lock = None if self._file is None else FileLock(self._file)
        self._members = Members(make_url(self._url), executor=f"scrollintel-{secrets.token_hex(8)}")
        self._halt = threading.Event()
        self._ready = threading.Event()
        self._runs: set[str] = set()
        self._listening: dict[str, str] = {}  # run → topic that it waits on now
        self._cancelled: dict[str, str] = {}  # run that is performed here → why it is to end
        self._calls = BoundedCalls("scrollintel engine call", CALL_TIMEOUT)
        self._thread = threading.Thread(target=self._keep, name="scrollintel engine", daemon=True)
        self._dbos: Any = None  # Any: the class DBOS once it has been launched
        self._next_sweep = 0.0
        self.state = "starting"
        self.last_error: str | None = None

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Launch in a thread of its own; while the database is away it is tried again and again.

        Raises:
            EngineTakenError: when this process runs another engine, or DBOS for something else.
            DatabaseLockedError: when another process has the SQLite file.
        """
        with _PROCESS.lock:
            if _PROCESS.engine is not None or _is_dbos_taken():
                raise EngineTakenError(
                    "this process runs DBOS already; run `scrollintel serve` as a process of its own"
                )
            if self._lock is not None:
                assert self._file is not None
                create_private_file(self._file)
                self._lock.acquire()
            _PROCESS.engine = self
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until it serves; False after `timeout` seconds."""
        return self._ready.wait(timeout)

    def stop(self, timeout: float = 3.0) -> None:
        """End within `timeout` seconds; runs go on at the next start."""
        self._halt.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        with _PROCESS.lock:
            if _PROCESS.engine is self:
                _PROCESS.engine = None
        self.state = "stopped"

    def _keep(self) -> None:
        """Launch, look after the executors, and destroy at the end."""
        delay = REAP_INTERVAL
        while not self._halt.is_set():
            try:
                if self._dbos is None:
                    self._launch()
                    self._ready.set()
                    delay = REAP_INTERVAL
                self._members.beat()
                self._take_over()
                self._sweep()
                if self.state != "serving":
                    self.state, self.last_error = "serving", None
            except Exception as error:  # the database is away, or refuses; the thread outlives that
                self._away(error)
                delay = min(delay * 2.0, MAX_DELAY)
                self._halt.wait(delay)
                continue
            self._halt.wait(self._members.interval)
        if self._dbos is not None:
            with contextlib.suppress(Exception):
                self._members.leave()
            with contextlib.suppress(Exception):
                _end_waiting(self._runs)
            _quiet_destroy(self._dbos)
        self._members.close()
        if self._lock is not None:
            self._lock.release()

    def _away(self, error: Exception) -> None:
        if self.last_error != type(error).__name__:
            logger.warning("the recovery engine's database cannot be used now: %s", type(error).__name__)
        self.state, self.last_error = "away", type(error).__name__

    def _launch(self) -> None:
        from dbos import DBOS, DBOSConfig
        from dbos._serialization import DBOSPortableJSONSerializer

        self._members.join()
        config: DBOSConfig = {
            "name": "scrollintel",
            "system_database_url": self._url,
            "application_version": f"scrollintel-recovery-{PROGRAM_VERSION}",
            "executor_id": self._members.executor,
            "serializer": DBOSPortableJSONSerializer(),
            "console_log_level": "ERROR",
            "log_level": "ERROR",
            "max_executor_threads": MAX_THREADS,
            "notification_listener_polling_interval_sec": POLL,
            "enable_otlp": False,
        }
        _register(DBOS)
        DBOS(config=config)
        try:
            DBOS.launch()
        except BaseException:
            _quiet_destroy(DBOS)
            raise
        self._dbos = DBOS

    def _take_over(self) -> None:
        """Run what executors have left that are dead; on SQLite all others are, because the file is locked."""
        pending = self._dbos.list_workflows(status=["PENDING"], name=WORKFLOW, load_input=False, load_output=False)
        owners = {run.executor_id for run in pending if run.executor_id} - {self._members.executor}
        dead = sorted(owners) if self._file is not None else self._members.dead(owners)
        if dead:
            self._members.rise()
            self._dbos._recover_pending_workflows(dead)

    def _sweep(self) -> None:
        """Delete runs that have ended long ago."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_INTERVAL
        before = datetime.fromtimestamp(time.time() - KEPT, UTC).isoformat()
        ended = self._dbos.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"], name=WORKFLOW, end_time=before, limit=1000,
            load_input=False, load_output=False,
        )  # fmt: skip
        if ended:
            self._dbos.delete_workflows([run.workflow_id for run in ended])

    # ------------------------------------------------------------------ callers

    def submit(self, run: Json) -> None:
        """Run a recovery; the same id twice runs once.

        Raises:
            ConnectionError: while the engine's database is away; nothing was submitted.
        """
        if self._dbos is None or self.state != "serving":
            raise ConnectionError("the recovery engine's database cannot be used now")
        self._calls.make(lambda: self._start(run))

    def _start(self, run: Json) -> None:
        from dbos import SetWorkflowID

        with SetWorkflowID(run["id"]):
            self._dbos.start_workflow(_PROCESS.workflow, dict(run))

    def send(self, run: str, topic: str, message: Json) -> None:
        """Give a run a message; raises ConnectionError while the engine's database is away."""
        if self._dbos is None:
            raise ConnectionError("the recovery engine's database cannot be used now")
        self._calls.make(lambda: self._dbos.send(run, dict(message), topic=topic))

    def cancel(self, run: str, why: str) -> None:
        """End the waiting of a run, without waiting for that; one that is not performed here, nobody goes on with."""
        if run in self._runs:
            self._cancelled[run] = why
        threading.Thread(target=self._cancel, args=(run, why), name="scrollintel engine cancel", daemon=True).start()

    def _cancel(self, run: str, why: str) -> None:
        topic = self._listening.get(run)
        try:
            if topic is not None:
                self.send(run, topic, {"cancelled": why})
            elif run not in self._runs and self._dbos is not None:
                self._calls.make(lambda: self._dbos.cancel_workflow(run))
        except Exception as error:  # its record says that it is cancelled, and is asked before its next act
            logger.warning("recovery %s has not heard that it is cancelled: %s", run, type(error).__name__)

    def running(self) -> set[str]:
        """Return the ids of the runs that this process performs now."""
        return set(self._runs)

    @property
    def shared(self) -> bool:
        """Whether several processes share the database."""
        return self._file is None

    def unfinished(self) -> set[str] | None:
        """Return the ids of all runs that have not ended, in whichever process; None while that cannot be told."""
        if self._dbos is None:
            return None
        try:
            return self._calls.make(self._listed)
        except ConnectionError:
            return None

    def _listed(self) -> set[str]:
        found = self._dbos.list_workflows(
            status=["PENDING", "ENQUEUED", "DELAYED"], name=WORKFLOW, load_input=False, load_output=False
        )
        return {run.workflow_id for run in found}

    def require_mine(self, run: str) -> int:
        """Return the fencing token; raises LeaseLostError when the run has passed to another process."""
        return self._members.epoch if self._file is not None else self._members.require(run)

    # ------------------------------------------------------------------ a run

    def interpret(self, run: Json) -> None:
        """Drive the program of a run; replayed from its recorded results after a crash."""
        self._runs.add(run["id"])
        try:
            steps = program(run)
            result: Any = None  # Any: a JSON value
            while True:
                try:
                    effect: Effect = steps.send(result)
                except StopIteration:
                    return
                result = self._result(run, effect)
        finally:
            self._runs.discard(run["id"])
            self._listening.pop(run["id"], None)
            self._cancelled.pop(run["id"], None)

    def _result(self, run: Json, effect: Effect) -> Any:  # Any: a JSON value
        if self._halt.is_set():
            raise Halted
        if isinstance(effect, Do):
            step = _Step(self, run, effect)
            return self._dbos.run_step({"name": effect.step}, step)
        seconds = effect.seconds if isinstance(effect, Pause) else effect.timeout
        self._listening[run["id"]] = effect.topic
        why = self._cancelled.get(run["id"])
        if why is not None:  # it was cancelled before anybody could know what it would wait for
            self._dbos.send(run["id"], {"cancelled": why}, topic=effect.topic)
        try:
            return self._dbos.recv(effect.topic, timeout_seconds=seconds)
        finally:
            self._listening.pop(run["id"], None)

    def perform(self, run: Json, effect: Do) -> Any:  # Any: a JSON value
        """Perform a step; raises Halted when the engine stops meanwhile."""
        return perform(self._performer, self._halt, run, effect.step, effect.arguments, effect.key)


class _Step:
    """A step as DBOS calls it; the result is what it records."""

    def __init__(self, engine: DurableEngine, run: Json, effect: Do) -> None:
        self._engine = engine
        self._run = run
        self._effect = effect
        self.__name__ = self.__qualname__ = effect.step

    def __call__(self) -> Any:  # Any: a JSON value
        return self._engine.perform(self._run, self._effect)


def _interpret(run: dict[str, Any]) -> None:  # Any: JSON values
    engine = _PROCESS.engine
    if engine is None:
        raise Halted
    engine.interpret(run)


def _register(dbos: Any) -> None:  # Any: the class DBOS
    """Name the one workflow; once, because names live as long as the process."""
    with _PROCESS.lock:
        if _PROCESS.workflow is None:
            _PROCESS.workflow = dbos.workflow(name=WORKFLOW, max_recovery_attempts=20)(_interpret)


def _is_dbos_taken() -> bool:
    """Tell whether the program has a DBOS of its own, without loading it."""
    import sys

    module = sys.modules.get("dbos._dbos")
    return module is not None and getattr(module, "_dbos_global_instance", None) is not None


def _end_waiting(runs: set[str]) -> None:
    """Have runs that wait for a message end as those do that perform a step, with nothing recorded.

    DBOS itself would let them wait on, for an hour where a person is asked: the process would not end before, and a
    message that comes in the next life could be taken by this one.
    """
    from dbos._dbos import _get_dbos_instance

    store: Any = _get_dbos_instance()._sys_db  # Any: a method of this one instance, which is given up, is replaced
    store.recv_consume = _halted
    deadline = time.monotonic() + END_WAIT
    while runs and time.monotonic() < deadline:
        for _, _, waiting in store.notifications_map.snapshot():
            waiting.set()
        time.sleep(END_LOOK)


def _halted(*_: object) -> None:
    raise Halted


def _quiet_destroy(dbos: Any) -> None:  # Any: the class DBOS
    with contextlib.suppress(Exception):
        dbos.destroy()
