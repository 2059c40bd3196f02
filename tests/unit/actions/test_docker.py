"""Docker by a recorded API, over TCP and over a real Unix socket: one restart for one start that was looked at."""

from __future__ import annotations

import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from scrollintel.actions.docker import ContainerOptions, RestartContainer
from scrollintel.actions.kinds import strategy_kinds
from scrollintel.core.errors import ConfigError, PlanRefusedError, ScrollIntelError
from scrollintel.outbound.policy import OutboundPolicy
from tests.servers.recorder import Answer, Asked, HttpRecorder

from .rig import Bench


class Engine:
    """Answers as a Docker engine does, with one container."""

    def __init__(self) -> None:
        self.starts = 1
        self.state: dict[str, Any] = {"Running": True, "Paused": False}
        self.asked: list[str] = []

    def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
        self.asked.append(f"{asked.method} {asked.path}")
        if asked.method == "POST":
            self.starts += 1
            return Answer(204)
        started = f"2026-01-02T03:04:{self.starts:02}.5Z"
        return Answer(200, {"Id": "abc123", "Name": "/orders", "State": {**self.state, "StartedAt": started}})


def test_container_of_one_plan_twice_is_restarted_once(tmp_path: Path) -> None:
    """The moment of the start tells that it has happened, and the proof needs a new one."""
    engine, bench = Engine(), Bench(tmp_path)
    with HttpRecorder(engine.answer) as server:
        strategy = RestartContainer(bench.context, ContainerOptions(container="orders", url=server.url, grace=3))
        plan = bench.plan(strategy)
        bench.good = True
        assert not strategy.verify(plan)
        strategy.act(plan)
        strategy.act(plan)
        assert strategy.verify(plan)
    assert [line for line in engine.asked if line.startswith("POST")] == ["POST /containers/abc123/restart?t=3"]


def test_container_that_is_paused_is_left_alone(tmp_path: Path) -> None:
    """Somebody has paused it on purpose."""
    engine, bench = Engine(), Bench(tmp_path)
    engine.state["Paused"] = True
    with HttpRecorder(engine.answer) as server:
        strategy = RestartContainer(bench.context, ContainerOptions(container="orders", url=server.url))
        with pytest.raises(PlanRefusedError, match="paused"):
            strategy.plan(strategy.observe())


def test_container_behind_a_unix_socket_is_reached_when_the_file_says_so(tmp_path: Path) -> None:
    """The engine's usual socket works, and only when the outbound rules list it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"Id": "abc123", "State": {"Running": true, "StartedAt": "now"}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of tests clean."""

    path = tmp_path / "docker.sock"
    options = ContainerOptions(container="orders", socket=str(path))
    with socketserver.UnixStreamServer(str(path), Handler) as server:
        assert server.address_family == socket.AF_UNIX
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        bench = Bench(tmp_path, policy=OutboundPolicy(private=(f"unix:{path}",)))
        plan = bench.plan(RestartContainer(bench.context, options))
        with pytest.raises(ScrollIntelError, match="may not be reached"):
            bench = Bench(tmp_path, policy=OutboundPolicy())
            bench.plan(RestartContainer(bench.context, options))
        server.shutdown()
        thread.join()
    assert plan.parameters == {"id": "abc123", "started_at": "now"}


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a?x", "-a"])
def test_container_options_with_a_name_that_is_none_are_refused(name: str) -> None:
    """A name cannot lead to another path of the API."""
    with pytest.raises(ConfigError, match="container"):
        ContainerOptions(container=name)


def test_kinds_for_other_machines_ship() -> None:
    """A configuration can name them, and their options describe themselves."""
    shipped = strategy_kinds()
    names = {"webhook", "restart-rollout", "delete-pod", "scale", "restart-container", "failover", "patroni"}
    assert names <= set(shipped)
    assert all(shipped[name].options.json_schema() for name in names)
