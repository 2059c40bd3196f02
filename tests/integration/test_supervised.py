"""Local processes under a lock: started once, known again, ended for certain; never a stranger, never two."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.actions.supervised import Instance, ProcessError, SupervisedProcess
from scrollintel.recovery.target import Process, Target

from ..servers.processes import eventually


def supervised(folder: Path, *command: str, stop_timeout: float = 2.0, **environment: str) -> SupervisedProcess:
    """Return a supervised process of that command."""
    process = Process(command=command, stop_timeout=stop_timeout, environment=environment)
    return SupervisedProcess(Target(name="web", service="web", process=process), folder)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[SupervisedProcess]:
    """A process that sleeps, not started yet; it is gone in the end."""
    made = supervised(tmp_path, "/bin/sleep", "300")
    yield made
    running = made.running()
    if running is not None:
        made.kill_now(running)


def test_process_is_started_once_and_known_to_whoever_comes_later(sleeper: SupervisedProcess, tmp_path: Path) -> None:
    """A second start gives the instance that runs; another object over the same files knows it with its key."""
    first = sleeper.start("key-1")
    assert sleeper.start("key-2") == first
    later = supervised(tmp_path, "/bin/sleep", "300")
    assert later.known() == (first, "key-1")
    assert later.is_locked()


def test_two_starters_at_once_start_one_process(tmp_path: Path) -> None:
    """Of eight that start at the same moment all but one find the lock taken or the instance running."""
    everybody = [supervised(tmp_path, "/bin/sleep", "300") for _ in range(8)]
    barrier, refused = threading.Barrier(8), []

    def start(one: SupervisedProcess) -> None:
        barrier.wait()
        try:
            one.start()
        except ProcessError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start, args=(one,)) for one in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = everybody[0].running()
    assert running is not None
    assert all("lives" in text or "without telling" in text for text in refused)
    everybody[0].kill_now(running)
    assert eventually(lambda: not everybody[0].is_locked(), 5.0)


@pytest.mark.parametrize("state", [None, signal.SIGSTOP], ids=["running", "stopped"])
def test_process_that_is_ended_has_gone(sleeper: SupervisedProcess, state: signal.Signals | None) -> None:
    """Also one that is stopped; it is no zombie, and its lock is free."""
    instance = sleeper.start()
    if state is not None:
        os.kill(instance.pid, state)
    sleeper.end(instance)
    assert not instance.is_alive
    assert sleeper.running() is None
    assert not sleeper.is_locked()


def test_process_that_ignores_the_request_to_stop_is_killed_after_its_time(tmp_path: Path) -> None:
    """SIGKILL follows SIGTERM."""
    program = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(300)"
    )
    made = supervised(tmp_path, sys.executable, "-I", "-c", program, stop_timeout=0.2)
    instance = made.start()
    assert eventually(lambda: "on" in (tmp_path / "web.log").read_text(), 10.0)
    made.end(instance)
    assert made.running() is None


def test_children_that_outlive_their_parent_keep_a_second_instance_away(tmp_path: Path) -> None:
    """They hold the lock, nobody kills them, and the start goes on once they have ended."""
    script = tmp_path / "parent.sh"
    script.write_text("(read line < hold) &\ntouch forked\nsleep 300\n")
    os.mkfifo(tmp_path / "hold")
    process = Process(command=("/bin/sh", str(script)), directory=str(tmp_path))
    made = SupervisedProcess(Target(name="db", service="db", process=process), tmp_path)
    instance = made.start()
    assert eventually((tmp_path / "forked").exists, 10.0)
    os.kill(instance.pid, signal.SIGKILL)
    assert eventually(lambda: made.running() is None, 5.0)
    with pytest.raises(ProcessError, match="lives"):
        made.start()
    with pytest.raises(ProcessError, match="children"):
        made.await_unlocked(0.05)
    (tmp_path / "hold").write_text("go\n")
    end_group(instance.pid)
    made.await_unlocked(10.0)
    again = made.start()
    made.kill_now(again)
    end_group(again.pid)


def end_group(group: int) -> None:
    """Nothing of the processes that a test started stays behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def test_stranger_with_the_same_number_is_left_alone(sleeper: SupervisedProcess, tmp_path: Path) -> None:
    """A number alone is no identity: another process that has it by now is not touched."""
    with subprocess.Popen(["/bin/sleep", "300"]) as stranger:
        instance = Instance(stranger.pid, 1)
        assert not instance.is_alive
        sleeper.end(instance)
        sleeper.kill_now(instance)
        assert stranger.poll() is None
        stranger.kill()


def test_the_control_plane_itself_is_never_ended(sleeper: SupervisedProcess) -> None:
    """Neither this process nor those that it descends from."""
    for pid in (os.getpid(), os.getppid(), 1):
        with pytest.raises(ProcessError, match="belongs to the control plane"):
            sleeper.end(Instance(pid, None))


def test_program_that_cannot_be_started_is_told_with_the_reason(tmp_path: Path) -> None:
    """A path that is none, and a name that is nowhere."""
    with pytest.raises(ProcessError, match="FileNotFoundError"):
        supervised(tmp_path, "/nonexistent/program").start()
    with pytest.raises(ProcessError, match="there is no program"):
        supervised(tmp_path, "no-such-program").start()


def test_environment_is_clean_but_for_what_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the control plane's own environment leaks, its secrets least of all."""
    monkeypatch.setenv("SECRET_OF_THE_PLANE", "x")
    made = supervised(tmp_path, "/usr/bin/env", GIVEN="yes", PASSED="{env:SECRET_OF_THE_PLANE}")
    made.start()
    assert eventually(lambda: "GIVEN=yes" in (tmp_path / "web.log").read_text(), 10.0)
    said = (tmp_path / "web.log").read_text().splitlines()
    assert {"PASSED=x", "SCROLLINTEL_TARGET=web"} <= set(said)
    assert not any("SECRET_OF_THE_PLANE" in line for line in said)
    with pytest.raises(ProcessError, match="no usable secret"):
        supervised(tmp_path, "/usr/bin/env", MISSING="{env:NO_SUCH_VARIABLE}").start()
