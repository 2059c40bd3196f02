"""A real dependency fails under a real application: people hear of it through a real receiver, also over a restart."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel import CircuitBreakerConfig, FaultToleranceManager, connect

from ..servers.processes import eventually, kill
from ..servers.program import Program
from ..servers.recorder import Answer, Asked, HttpRecorder

QUICK = {"open_for": 0.5, "settle": 5.0, "group_window": 0.2, "flap_openings": 100, "stale_for": 3600}


@pytest.fixture
def receiver() -> Iterator[HttpRecorder]:
    """Receive notices."""
    with HttpRecorder() as server:
        yield server


@pytest.fixture
def dependency() -> Iterator[HttpRecorder]:
    """Answer the application; with 503 while `down` is put in."""
    with HttpRecorder() as server:
        yield server


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(receiver: HttpRecorder, port: int) -> dict[str, Any]:
    """Return the program's settings: a webhook, and alerts that do not wait for minutes."""
    notifications = f'[[notifications]]\nkind = "webhook"\nurl = "{receiver.url}"\n'
    tables = {"server": {"port": port}, "alerts": QUICK, "outbound": {"private": ["127.0.0.0/8"]}}
    return {"settings": tables, "more": notifications}


def told(receiver: HttpRecorder) -> list[tuple[str, list[tuple[str, str, str | None]]]]:
    """Return the kinds of the notices so far, each with state, name and target of its alerts."""
    with receiver.news:
        notices = [asked.json() for asked in receiver.asked]
    return [
        (notice["type"], [(item["state"], item["name"], item["target"]) for item in notice["data"].get("alerts", [])])
        for notice in notices
    ]


class Application:
    """Calls a dependency over HTTP through a circuit, and has joined a control plane."""

    def __init__(self, url: str, dependency: str, cache: Path) -> None:
        self.manager = FaultToleranceManager()
        self._dependency = dependency
        self._config = CircuitBreakerConfig("payments", failure_threshold=2, recovery_timeout=0.3, success_threshold=1)
        self.connection = connect(url, service="orders", manager=self.manager, cache_dir=cache)

    def call(self) -> None:
        """Make one call; whether it succeeds does not matter."""
        with suppress(Exception):
            self.manager.execute_blocking(self._ask, circuit_breaker_config=self._config)

    def _ask(self) -> int:
        return httpx2.get(self._dependency).raise_for_status().status_code

    def calls_until(self, what: Any) -> bool:
        """Call again and again until it is so; tell whether that came."""

        def step() -> bool:
            self.call()
            time.sleep(0.02)
            return bool(what())

        return eventually(step)


def test_failure_is_told_once_over_a_restart_and_so_is_its_end(
    tmp_path: Path, receiver: HttpRecorder, dependency: HttpRecorder
) -> None:
    """The dependency answers 503, the control plane is killed and starts again, the dependency recovers."""

    def unavailable(_: Asked) -> Answer:
        return Answer(503)

    fine = dependency.answer
    firing = ("alert_firing", [("firing", "CircuitOpenTooLong", "payments")])
    resolved = ("alert_resolved", [("resolved", "CircuitOpenTooLong", "payments")])
    with ExitStack() as stack:
        first = stack.enter_context(Program(tmp_path / "plane", **settings(receiver, free_port())))
        application = Application(first.url, dependency.url, tmp_path / "cache")
        stack.callback(application.connection.close, 5)
        assert application.calls_until(lambda: application.connection.status().connected)
        dependency.answer = unavailable
        assert application.calls_until(lambda: told(receiver) == [firing])
        with first.client() as client:
            assert application.calls_until(lambda: client.get("/alerts").json()["items"][0]["told_at"])
            (shown,) = client.get("/alerts").json()["items"]
        assert (shown["state"], shown["service"], shown["severity"]) == ("firing", "orders", 2)
        assert shown["runbook"] == "docs/runbooks.md#circuitopentoolong"
        assert shown["evidence"]["last_failure"].endswith("HTTPStatusError")
        until = time.monotonic() + 1.5  # for what has been told to be on disk
        assert application.calls_until(lambda: time.monotonic() > until)
        port = int(first.url.rpartition(":")[2])
        kill(first.process)
        second = stack.enter_context(Program(tmp_path / "plane", **settings(receiver, port)))
        with second.client() as client:
            (again,) = client.get("/alerts").json()["items"] or [None]
            assert again is not None and again["fingerprint"] == shown["fingerprint"]
        assert application.calls_until(lambda: application.connection.status().connected)
        until = time.monotonic() + 3.0
        assert application.calls_until(lambda: time.monotonic() > until)
        assert told(receiver) == [firing], "a restart tells nothing twice"
        dependency.answer = fine
        assert application.calls_until(lambda: len(told(receiver)) > 1)
        assert told(receiver) == [firing, resolved]
    subjects = {asked.json()["data"]["subject"] for asked in receiver.asked}
    assert subjects == {"alerts:service:orders"}


def test_thresholds_are_taken_over_without_a_restart(tmp_path: Path, receiver: HttpRecorder) -> None:
    """A stop switch that is on for a moment is pending; with a shorter bound it fires, and people hear of it."""
    folder = tmp_path / "plane"
    with Program(folder, **settings(receiver, free_port())) as server, server.client() as client:
        client.put("/automation/stop-switch", json={"reason": "a test"}).raise_for_status()
        assert eventually(lambda: client.get("/alerts", params={"state": "pending"}).json()["items"])
        (pending,) = client.get("/alerts").json()["items"]
        assert (pending["name"], pending["evidence"]["bound"]) == ("automation_stopped", 3600.0)
        file = folder / "scrollintel.toml"
        file.write_text(file.read_text().replace("[alerts]\n", "[alerts]\nstopped_for = 0\n"))
        taken = client.post("/configuration-file/reload").json()
        assert taken == {"applied": True, "targets": 0, "needs_restart": []}
        assert eventually(lambda: told(receiver) == [("alert_firing", [("firing", "AutomationStopped", None)])])
