"""Runbooks: allow-listed, without a shell, within bounds, and never twice for one plan unless they may."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scrollintel.actions.command import run_bounded
from scrollintel.actions.kinds import StrategyContext
from scrollintel.actions.runbook import RunbookOptions, RunRunbook, redacted
from scrollintel.core.clock import SYSTEM_CLOCK
from scrollintel.core.errors import ConfigError, PlanRefusedError, StepFailedError
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.runbook import Runbook
from scrollintel.recovery.strategy import Observation, Plan
from scrollintel.recovery.target import Target

BAD = Observation(service="web", healthy=False, symptom="full", observed_at=datetime(2026, 1, 1, tzinfo=UTC))


def program(folder: Path, text: str) -> tuple[str, ...]:
    """Return the command of a Python program."""
    path = folder / "program.py"
    path.write_text(text)
    return (sys.executable, "-I", str(path))


def strategy(folder: Path, runbook: Runbook, *arguments: str) -> RunRunbook:
    """Return the strategy that runs a runbook called "clean"."""
    context = StrategyContext(
        target=Target(name="web", service="web"), directory=folder, outbound=OutboundPolicy(),
        probe=lambda depths: [], orders=None, clock=SYSTEM_CLOCK, runbooks={"clean": runbook},  # type: ignore[arg-type]
    )  # fmt: skip
    return RunRunbook(context, RunbookOptions(runbook="clean", arguments=arguments))


def planned(found: RunRunbook, key: str = "rec_1:5:act") -> Plan:
    """Return a plan with the engine's key."""
    plan = found.plan(BAD)
    assert plan is not None
    fields: dict[str, Any] = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    return Plan(**{**fields, "key": key, "epoch": 7})


@pytest.mark.parametrize(
    "argument",
    ["-rf", "--help", "a b", "a;b", "$(id)", "`id`", "a|b", "a\nb", "a\x00b", "'a'", "", "x" * 201, "*", "~"],
)
def test_argument_that_could_be_more_than_an_argument_is_refused(argument: str) -> None:
    """Options, white space, and everything that a shell would read."""
    with pytest.raises(ConfigError):
        RunbookOptions(runbook="clean", arguments=(argument,))


def test_runbook_runs_once_for_a_plan_and_sees_its_key(tmp_path: Path) -> None:
    """A repetition of a finished one does nothing; the program knows target, key and fencing token."""
    log = tmp_path / "log"
    text = (
        f"import os,sys; open({str(log)!r}, 'a').write(' '.join([os.environ['SCROLLINTEL_KEY'], "
        "os.environ['SCROLLINTEL_EPOCH'], os.environ['SCROLLINTEL_TARGET'], *sys.argv[1:]]) + '\\n')"
    )
    found = strategy(tmp_path, Runbook(command=program(tmp_path, text)), "a", "b=1")
    for _ in range(2):
        found.act(planned(found))
    assert log.read_text() == "rec_1:5:act 7 web a b=1\n"
    (marker,) = tmp_path.glob("**/runbooks/*.json")
    long_ago = time.time() - 8 * 86_400.0
    os.utime(marker, (long_ago, long_ago))
    found.act(planned(found, "rec_2:5:act"))
    assert len(log.read_text().splitlines()) == 2
    assert not marker.exists(), "what nobody goes on with any more is not kept"


@pytest.mark.parametrize("repeatable", [False, True])
def test_runbook_that_was_cut_off_runs_again_only_when_it_may(tmp_path: Path, repeatable: bool) -> None:
    """A marker says that it began and not that it ended; people have to look otherwise."""
    flag = tmp_path / "flag"
    command = program(tmp_path, f"import time,os; time.sleep(0 if os.path.exists({str(flag)!r}) else 60)")
    slow = strategy(tmp_path, Runbook(command=command, timeout=0.3, repeatable=repeatable))
    with pytest.raises(StepFailedError, match="longer than"):
        slow.act(planned(slow))
    flag.touch()
    again = strategy(tmp_path, Runbook(command=command, timeout=20.0, repeatable=repeatable))
    if repeatable:
        again.act(planned(again))
    else:
        with pytest.raises(StepFailedError, match="cut off before"):
            again.act(planned(again))


def test_runbook_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    """Only what the operator's file names can be run."""
    found = strategy(tmp_path, Runbook(command=("/bin/true",)))
    found._runbooks = {}
    with pytest.raises(PlanRefusedError, match="no runbook 'clean'"):
        found.plan(BAD)


def test_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """The whole group, at the time limit."""
    mark = tmp_path / "alive"
    text = f"import subprocess,time; subprocess.Popen(['/bin/sh','-c','sleep 1; touch {mark}']); time.sleep(60)"
    began = time.monotonic()
    ran = run_bounded(Runbook(command=program(tmp_path, text), timeout=0.4))
    assert ran.code is None
    assert time.monotonic() - began < 5.0
    time.sleep(1.2)  # the child would have written by now
    assert not mark.exists()


def test_program_is_held_to_its_memory_and_its_output(tmp_path: Path) -> None:
    """Too much memory fails it; of what it says the end is kept."""
    greedy = Runbook(command=program(tmp_path, "x = bytearray(512 * 1024 * 1024)"), memory_bytes=128 * 2**20)
    assert run_bounded(greedy).code != 0
    wordy = Runbook(command=program(tmp_path, "print('x' * 100_000 + 'end')"), output_bytes=1000)
    ran = run_bounded(wordy)
    assert (ran.code, len(ran.output), ran.output.strip().endswith("end")) == (0, 1000, True)


def test_failure_tells_the_exit_code_and_no_secret(tmp_path: Path) -> None:
    """What looks like a secret is taken out of what is kept."""
    text = "import sys; print('password=hunter2 token: abc postgresql://u:p@h/d'); sys.exit(3)"
    found = strategy(tmp_path, Runbook(command=program(tmp_path, text)))
    with pytest.raises(StepFailedError, match="exit code 3") as failed:
        found.act(planned(found))
    assert not any(word in str(failed.value) for word in ("hunter2", "abc", "u:p@"))
    assert redacted("api_key=1") == "api_key=(hidden)"
