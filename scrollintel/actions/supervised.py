"""One local process of a target: started at most once at a time, known again after a restart of the control plane."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

from ..core.errors import RecoveryError
from ..outbound.references import SecretUnavailableError, resolve
from ..recovery.target import Process, Target
from .spawn import TAKEN, start_ticks

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""Variables of this process that programs see."""
CLOCK_SLACK = 1.0
"""Seconds by which the start of a process and the time of its pidfile may disagree."""
SPAWN_TIMEOUT = 10.0
"""Seconds within which a program has begun or said why not."""
STATUS = 200
"""Descriptor over which the shim says what went wrong."""
MAX_LOG = 16 * 1024 * 1024
"""Bytes of output from which a log is set aside at the next start; one older one is kept."""
LOOK = 0.01
KILL_WAIT = 5.0
"""Seconds after SIGKILL in which the kernel has to be done with a process."""


class ProcessError(RecoveryError):
    """A process cannot be started or ended; the text says why."""

    code = "process_failed"


class Instance(NamedTuple):
    """One life of a process: its number, and when it started, in clock ticks since the machine did."""

    pid: int
    ticks: int | None

    @property
    def is_alive(self) -> bool:
        """Whether it runs; one that is dead and not collected yet does not."""
        return start_ticks(self.pid) == self.ticks and not _is_zombie(self.pid)


class SupervisedProcess:
    """The process of a target. Its methods may block; callers see to it that only one acts at a time.

    Arguments:
        target: Declares the process.
        directory: Where pidfile, lock and log lie, unless the declaration says otherwise.
    """

    def __init__(self, target: Target, directory: Path) -> None:
        assert target.process is not None, "a target without a process has none to be supervised"
        self.process: Process = target.process
        self._name = target.name
        name = re.sub(r"[^A-Za-z0-9._-]", "_", target.name)
        self.pidfile = Path(self.process.pidfile) if self.process.pidfile else directory / f"{name}.pid"
        self._lock = self.pidfile.with_name(self.pidfile.name + ".lock")
        self._log = Path(self.process.log) if self.process.log else directory / f"{name}.log"

    @property
    def log(self) -> Path:
        """The file that takes its output."""
        return self._log

    # ------------------------------------------------------------------ who it is

    def known(self) -> tuple[Instance, str] | None:
        """Return the last instance that has begun, dead or alive, and the key that it was started with."""
        try:
            content = json.loads(self.pidfile.read_bytes())
            if isinstance(content, int):  # a pidfile that the program itself writes
                return (Instance(content, start_ticks(content)), "") if self._wrote(content) else None
            return Instance(int(content["pid"]), content["ticks"]), str(content["key"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _wrote(self, pid: int) -> bool:
        """Tell whether a process may have written the pidfile: one that began later only has got its number."""
        began = _began(pid)
        return began is not None and began <= self.pidfile.stat().st_mtime + CLOCK_SLACK

    def running(self) -> Instance | None:
        """Return the instance that runs, or None."""
        found = self.known()
        return found[0] if found is not None and found[0].is_alive else None

    def move(self, other: SupervisedProcess) -> None:
        """Have another declaration of this process know the instance that runs; raises OSError."""
        if other.pidfile == self.pidfile or self.running() is None or other.running() is not None:
            return
        other.pidfile.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for mine, theirs in ((self._lock, other._lock), (self.pidfile, other.pidfile)):
            if mine.exists():
                shutil.move(mine, theirs) if mine.stat().st_dev != theirs.parent.stat().st_dev else mine.rename(theirs)

    def is_locked(self) -> bool:
        """Tell whether somebody of an instance lives: itself, or a child that it has left behind."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    # ------------------------------------------------------------------ starting

    def start(self, key: str = "") -> Instance:
        """Start it, unless it runs; returns the instance that runs then.

        Raises:
            ProcessError: when it cannot be started, or somebody of an old instance lives.
        """
        running = self.running()
        if running is not None:
            return running
        for path in (self.pidfile, self._log):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        reader, writer = os.pipe()
        try:
            high = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, STATUS + 1)
            os.close(writer)
            try:
                pid = self._spawn(high, key)
            finally:
                os.close(high)
            self._await_begin(reader, pid)
        finally:
            os.close(reader)
        found = self.known()
        if found is None or found[0].pid != pid:
            raise ProcessError("the process has begun without telling who it is")
        return found[0]

    def _spawn(self, status: int, key: str) -> int:
        command = list(self.process.command)
        program = command[0] if "/" in command[0] else shutil.which(command[0])
        if program is None:
            raise ProcessError(f"there is no program {command[0]!r}")
        shim = str(Path(__file__).with_name("spawn.py"))
        arguments = [
            sys.executable, "-I", "-S", shim, str(STATUS), str(self._lock), str(self.pidfile), key,
            self.process.directory or "", "--", program, *command[1:],
        ]  # fmt: skip
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["SCROLLINTEL_TARGET"] = self._name
        try:
            environment |= {name: resolve(value) for name, value in self.process.environment.items()}
        except SecretUnavailableError as error:
            raise ProcessError(str(error)) from None
        log = self._open_log()
        try:
            return os.posix_spawn(
                sys.executable,
                arguments,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, status, STATUS),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD],
            )
        finally:
            os.close(log)

    def _open_log(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size > MAX_LOG:
                self._log.replace(self._log.with_name(self._log.name + ".1"))
        return os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    @staticmethod
    def _await_begin(reader: int, pid: int) -> None:
        """Wait until the program has begun: the status descriptor closes without a word."""
        ready = _readable(reader, SPAWN_TIMEOUT)
        said = os.read(reader, 1024).decode("utf-8", "replace") if ready else "it took too long"
        if not said:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0 if ready else os.WNOHANG)
        if said == TAKEN:
            raise ProcessError("somebody of the old instance lives: its lock is taken")
        raise ProcessError(f"the program cannot be started: {said}")

    # ------------------------------------------------------------------ ending

    def end(self, instance: Instance) -> None:
        """End an instance with all of its process group: SIGTERM, and SIGKILL after the time to stop.

        Nothing happens when it has gone. Another process that has its number by now is left alone.

        Raises:
            ProcessError: when it cannot be ended.
        """
        if instance.pid in _untouchable():
            raise ProcessError(f"process {instance.pid} belongs to the control plane itself")
        descriptor = _pidfd(instance)
        try:
            if instance.is_alive:
                self._signal(instance, signal.SIGTERM)
                self._signal(instance, signal.SIGCONT)  # one that is stopped could not follow
                if not _gone(instance, descriptor, self.process.stop_timeout):
                    self._signal(instance, signal.SIGKILL)
                    if not _gone(instance, descriptor, KILL_WAIT):
                        raise ProcessError(f"process {instance.pid} does not end")
        finally:
            if descriptor is not None:
                os.close(descriptor)
        _collect(instance.pid)

    def kill_now(self, instance: Instance) -> None:
        """End an instance that does not answer: it cannot be asked, so SIGKILL at once."""
        if instance.is_alive and instance.pid not in _untouchable():
            descriptor = _pidfd(instance)
            try:
                self._signal(instance, signal.SIGKILL)
                if not _gone(instance, descriptor, KILL_WAIT):
                    raise ProcessError(f"process {instance.pid} does not end")
            finally:
                if descriptor is not None:
                    os.close(descriptor)
        _collect(instance.pid)

    def await_unlocked(self, seconds: float) -> None:
        """Wait until nobody of an old instance lives; raises ProcessError after so many seconds."""
        deadline = time.monotonic() + seconds
        while self.is_locked():
            if time.monotonic() >= deadline:
                raise ProcessError("children of the old instance do not end")
            time.sleep(LOOK)

    @staticmethod
    def _signal(instance: Instance, number: signal.Signals) -> None:
        """Send a signal to the group when the instance leads one, which it does when it was started here."""
        if not instance.is_alive:
            return
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(instance.pid) == instance.pid:
                os.killpg(instance.pid, number)
            else:
                os.kill(instance.pid, number)


def _pidfd(instance: Instance) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(instance.pid)
    except OSError:
        return None


def _gone(instance: Instance, descriptor: int | None, seconds: float) -> bool:
    """Wait until an instance has gone; tell whether that came in time."""
    deadline = time.monotonic() + seconds
    while instance.is_alive:
        left = deadline - time.monotonic()
        if left <= 0.0:
            return False
        if descriptor is None:
            time.sleep(min(LOOK, left))
        else:
            _readable(descriptor, left)
    return True


def _began(pid: int) -> float | None:
    """Return when a process began, as seconds since 1970; None for one that is not there."""
    ticks = start_ticks(pid)
    if ticks is None:
        return None
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor, of whatever number, can be read; tell whether that came in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000.0))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return True


def _collect(pid: int) -> None:
    """Collect a child of ours; others are somebody else's to collect."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _untouchable() -> set[int]:
    """Return the numbers of this process, of those that it descends from, and of the first one."""
    found, pid = {0, 1, os.getpid()}, os.getppid()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return found
