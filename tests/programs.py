"""Programs that a machine may lack: tests that need one do not run there, and the end of the run says so by name.

A test is marked `@pytest.mark.needs("promtool")`. Where the environment says CI=true, a program that is missing makes
the run fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

PACKAGES: Final = {
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
"""Debian's package of each program that may be missing; every other one is there, or its test fails."""
NAMES: Final = {"alertmanager": ("prometheus-alertmanager", "alertmanager")}
"""What a program is called, where that is not its name here; Debian has renamed it."""
SENT = "scrollintel_missing_programs"
_WELL = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
MARK = "needs(program, ...): runs only where these programs are installed: " + ", ".join(PACKAGES)


def find(program: str) -> Path | None:
    """Return where a program lies, or None when this machine lacks it."""
    for name in NAMES.get(program, (program,)):
        place = shutil.which(name)
        if place is not None:
            return Path(place)
    return None


def path_of(program: str) -> str:
    """Return the path of a program that the running test needs."""
    place = find(program)
    assert place is not None, f"a test that runs {program} carries the mark needs({program!r})"
    return str(place)


class Programs:
    """The plugin: leaves out the tests whose programs are missing, and tells at the end."""

    def __init__(self) -> None:
        self.missing: Counter[str] = Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the tests that cannot run here, of those that were asked for."""
        kept, left_out = [], []
        for item in items:
            lacking = [name for name in _needs(item) if find(name) is None]
            self.missing.update(lacking)
            (left_out if lacking else kept).append(item)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = kept

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # Any: a worker of pytest-xdist
        """Hear what a worker process has left out; all of them collect the same tests."""
        self.missing |= Counter(getattr(node, "workeroutput", {}).get(SENT, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the main process, and fail where everything has to be there."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SENT] = dict(self.missing)
        elif self.missing and is_required() and session.exitstatus in _WELL:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name each missing program, how many tests did not run, and how it is installed."""
        for line in self.told():
            terminalreporter.write_line(line, yellow=True)

    def told(self) -> list[str]:
        """Return the paragraph that ends the run; nothing when nothing is missing."""
        if not self.missing:
            return []
        lines = ["", "Some tests did not run, because programs are missing:"]
        for program, count in sorted(self.missing.items()):
            tests = "1 test" if count == 1 else f"{count} tests"
            lines.append(f"  {program}: {tests} did not run; apt-get install -y {PACKAGES[program]}")
        if is_required():
            lines.append("CI=true: everything has to be there, so the run has failed.")
        return lines


def is_required() -> bool:
    """Tell whether a missing program makes the run fail."""
    return os.environ.get("CI", "").lower() == "true"


def _needs(item: pytest.Item) -> list[str]:
    """Return the programs that a test needs."""
    names = list(dict.fromkeys(str(name) for mark in item.iter_markers("needs") for name in mark.args))
    unknown = [name for name in names if name not in PACKAGES]
    if unknown:
        raise pytest.UsageError(f"{item.nodeid} needs {unknown}; known programs: {', '.join(PACKAGES)}")
    return names
