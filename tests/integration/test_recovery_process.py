"""Recoveries when the control plane that runs them is killed or stopped in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..servers.control_plane import ServerProcess

Json = dict[str, Any]


class StuckServer(ServerProcess):
    """A control plane whose recoveries of "orders" act and never end."""

    program = "tests.servers.serve_stuck"


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[StuckServer]:
    """Run such a control plane on each database, with the service registered."""
    with StuckServer(tmp_path / "data", database_url=database_url) as running:
        httpx2.post(f"{running.api}/services", json={"name": "orders"}).raise_for_status()
        yield running


def until(server: ServerProcess, operation: str, status: str, steps: int) -> Json:
    """Return a recovery once it has that status and that many steps."""
    deadline = time.monotonic() + 20.0
    shown: Json = {}
    while time.monotonic() < deadline:
        shown = httpx2.get(f"{server.api}/recovery/{operation}").json()
        if shown["status"] == status and len(shown["steps"]) == steps:
            return shown
        time.sleep(0.02)
    raise AssertionError(f"the recovery is {shown}")


def begun(server: ServerProcess) -> str:
    """Start a recovery, wait until it acts, and return its id."""
    answer = httpx2.post(f"{server.api}/recovery/initiate", json={"service": "orders"})
    assert answer.status_code == 202, answer.text
    operation: str = answer.json()["id"]
    acting = until(server, operation, "running", 3)
    assert [step["succeeded"] for step in acting["steps"]] == [True, True, None]
    return operation


def check_interrupted(server: ServerProcess, operation: str, detail: str) -> None:
    """Check that a recovery is shown with what had finished, and with what may have taken effect."""
    shown = until(server, operation, "interrupted", 3)
    assert shown["outcome"] == "failed"
    assert detail in shown["detail"]
    assert [(step["step"], step["succeeded"]) for step in shown["steps"]] == [
        ("observe", True),
        ("plan", True),
        ("act", None),
    ]
    assert "may or may not have taken effect" in shown["steps"][2]["detail"]
    assert shown["finished_at"] is not None


def test_recovery_killed_in_the_middle_keeps_its_finished_steps(server: StuckServer) -> None:
    """After SIGKILL and a restart it is interrupted, its finished steps are there, and another one can begin."""
    operation = begun(server)
    server.kill()
    server.start()
    check_interrupted(server, operation, "went away while it ran")
    assert begun(server) != operation


def test_recovery_stopped_in_the_middle_is_marked_before_the_server_has_gone(server: StuckServer) -> None:
    """An orderly stop takes under 3 s although a step does not end, and leaves no recovery behind that seems to run."""
    operation = begun(server)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3.0
    server.start()
    check_interrupted(server, operation, "was stopped while it ran")
