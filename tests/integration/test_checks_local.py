"""Checks of this machine: programs, units, disks, memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.recovery.symptom import Depth, FailureType
from scrollintel.watch.kinds import check_kinds
from tests.servers.looks import look, probe_of
from tests.servers.processes import eventually

SYSTEMCTL = """#!/bin/sh
[ "$1" = show ] || exit 2
cat "{folder}/$2" 2>/dev/null || printf 'LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\n'
"""

HOLDS = """
import subprocess, sys, time
kept = bytearray(int(sys.argv[1]))
kept[::4096] = b"x" * len(kept[::4096])
if len(sys.argv) > 2:
    subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2], sys.argv[1]])
print(1, flush=True)
time.sleep(300)
"""


def script(folder: Path, text: str, name: str = "check") -> str:
    """Write a program and return its path."""
    file = folder / name
    file.write_text(text)
    file.chmod(0o700)
    return str(file)


@pytest.mark.asyncio
async def test_command_check_judges_the_exit_code_and_tells_the_last_line(tmp_path: Path) -> None:
    """Codes that are listed are good; the failure has the name that the file gives it."""
    program = script(tmp_path, "#!/bin/sh\necho first\necho 'the queue is full' >&2\nexit $1\n")
    assert (await look("command", command=[program, "0"])).good
    bad = await look("command", command=[program, "3"])
    assert (bad.good, bad.failure_type) == (False, FailureType.NOT_READY)
    assert bad.detail == "c: exit code 3: the queue is full"
    assert (await look("command", command=[program, "3"], exit_codes=[0, 3])).good
    named = await look("command", command=[program, "1"], failure_type="queue_full")
    assert named.failure_type == "queue_full"


@pytest.mark.asyncio
async def test_command_check_passes_arguments_as_they_are_without_a_shell(tmp_path: Path) -> None:
    """What a shell would run, expand or split is one argument."""
    program = script(tmp_path, '#!/bin/sh\n[ "$#" = 2 ] || exit 9\nprintf %s "$1"\nexit 1\n')
    for argument in ("$(touch pwned)", "; touch pwned", "`touch pwned`", "a b | c > pwned", "${HOME}", "*"):
        said = await look("command", command=[program, argument, ""[:0] or "x"], directory=str(tmp_path))
        assert said.detail == f"c: exit code 1: {argument}"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.asyncio
async def test_command_check_sees_a_clean_environment_with_secrets_from_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the control plane's own environment is passed on but PATH, HOME, LANG and TZ."""
    monkeypatch.setenv("SCROLLINTEL_KEY", "a secret of the control plane")
    monkeypatch.setenv("CHECK_PASSWORD", "hunter2")
    program = script(tmp_path, "#!/bin/sh\nenv | sort | tr '\\n' ' '\nexit 1\n")
    said = (await look("command", command=[program], environment={"PASSWORD": "{env:CHECK_PASSWORD}"})).detail
    assert "PASSWORD=hunter2" in said
    assert "SCROLLINTEL_KEY" not in said and "CHECK_PASSWORD" not in said


@pytest.mark.asyncio
async def test_command_check_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """Its children too, and a program that never reads or stops writing does no harm."""
    pids = tmp_path / "pids"
    program = script(tmp_path, f"#!/bin/sh\nsleep 300 & echo $! >> {pids}; echo $$ >> {pids}; yes\n")
    said = await look("command", command=[program], timeout=0.3, depth=Depth.ALIVE)
    assert (said.failure_type, said.detail) == (FailureType.UNRESPONSIVE, "c: no answer within 0.3 s")
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 2
    assert eventually(lambda: not any(_runs(number) for number in numbers))


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.asyncio
async def test_command_check_of_a_program_that_is_not_there_or_not_absolute_is_bad(tmp_path: Path) -> None:
    """It is told so, and nothing is looked for on the path."""
    assert "absolute path" in (await look("command", command=["true"])).detail
    assert (await look("command", command=[str(tmp_path / "missing")])).failure_type == FailureType.UNREACHABLE


@pytest.mark.asyncio
async def test_disk_check_tells_the_room_that_is_left(tmp_path: Path) -> None:
    """By share or by bytes, whichever is short; a path that has gone is no room."""
    free = shutil.disk_usage(tmp_path).free
    assert (await look("disk", path=str(tmp_path), free_percent=0.0)).good
    short = await look("disk", path=str(tmp_path), free_percent=0.0, free_bytes=free * 2 + 1)
    assert (short.failure_type, "% free" in short.detail) == (FailureType.DISK_FULL, True)
    assert (await look("disk", path=str(tmp_path), free_percent=100.0)).failure_type == FailureType.DISK_FULL
    assert not (await look("disk", path=str(tmp_path / "gone"))).good


@pytest.mark.asyncio
async def test_disk_check_of_a_file_system_that_hangs_holds_one_thread_however_often_it_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of the network that is away must not take the threads of everything else."""
    hanging, begun = threading.Event(), []

    def usage(path: object) -> object:
        begun.append(path)
        hanging.wait(20.0)
        return shutil._ntuple_diskusage(100, 10, 90)  # type: ignore[attr-defined]  # what the real one returns

    monkeypatch.setattr(shutil, "disk_usage", usage)
    probe = probe_of("disk", path=str(tmp_path), timeout=0.05)
    try:
        for _ in range(3):
            assert (await probe.look()).detail.endswith("no answer within 0.05 s")
        assert len(begun) == 1
    finally:
        hanging.set()
    async with asyncio.timeout(10.0):
        while not (await probe.look()).good:
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_memory_check_counts_what_the_process_and_its_children_hold() -> None:
    """A stranger of the same number does not count, and neither does a target that does not run."""
    held = 64 * 1024 * 1024
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(held), "child"], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            identity = process.pid, psutil.Process(process.pid).create_time()
            assert (await look("memory", max_bytes=3 * held, pid_of=lambda _: identity)).good
            much = await look("memory", max_bytes=2 * held, pid_of=lambda _: identity)
            assert much.failure_type == FailureType.MEMORY_HIGH
            stranger = process.pid, identity[1] - 100.0
            assert (await look("memory", max_bytes=1, pid_of=lambda _: stranger)).good
            assert (await look("memory", max_bytes=1)).detail == "c: no process"
        finally:
            os.killpg(process.pid, 9)


@pytest.mark.asyncio
async def test_systemd_check_reads_what_systemctl_says_of_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that prints recorded answers of systemctl stands in for it: there is no systemd in a container."""
    script(tmp_path, SYSTEMCTL.format(folder=tmp_path), "systemctl")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    states = {
        "good.service": ("active", "running", None),
        "starting.service": ("activating", "auto-restart", FailureType.NOT_READY),
        "dead.service": ("failed", "failed", FailureType.EXITED),
        "stopped.service": ("inactive", "dead", FailureType.EXITED),
    }
    for unit, (state, sub, wrong) in states.items():
        said = f"ActiveState={state}\nSubState={sub}\nResult=success\nLoadState=loaded\n"
        (tmp_path / unit).write_text(said)
        assert (await look("systemd", unit=unit, depth=Depth.ALIVE)).failure_type == wrong, unit
    absent = await look("systemd", unit="absent.service")
    assert (absent.failure_type, absent.detail) == (FailureType.NOT_READY, "c: there is no such unit")
    assert "no unit is named" in (await look("systemd")).detail
    assert "no unit is named" in (await look("systemd", unit="--version")).detail
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "no systemctl" in (await look("systemd", unit="good.service")).detail


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("command", {"command": []}),
        ("command", {"command": ["/bin/true"], "exit_codes": [256]}),
        ("command", {"command": ["/bin/true", 5]}),
        ("disk", {"path": "/", "free_percent": 101}),
        ("memory", {"max_bytes": 0}),
        ("tcp", {"host": "a", "port": 0}),
        ("grpc", {"host": "a", "port": 65536}),
        ("systemd", {"unit": "a\nb"}),
    ],
)
def test_options_out_of_range_are_refused_with_their_name(kind: str, options: dict[str, object]) -> None:
    """The error names the field and the range."""
    with pytest.raises(ConfigError) as caught:
        check_kinds()[kind].options.from_dict(options)
    assert any(name in str(caught.value) for name in options)
