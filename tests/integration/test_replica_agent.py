"""A replica with a real server: it joins, reports, obeys, acknowledges, and goes on without the control plane."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel import CircuitBreakerConfig, CircuitState, EventHub, FaultToleranceManager, Policy, connect

from ..servers.control_plane import server_process

TOKEN = "planted-secret-token"


class ControlPlane:
    """A scripted control plane; `raw` answers everything instead when it is set."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.changes: list[dict[str, Any]] = []
        self.news = threading.Condition()
        self.raw: bytes | None = None
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if plane.raw is not None:
                    self.wfile.write(plane.raw)
                    self.close_connection = True
                    return
                assert self.headers["Authorization"] == f"Bearer {TOKEN}"
                answer = json.dumps(plane.answer(self.path, json.loads(body or b"{}"))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_DELETE = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        """Note a message and return what a control plane says to it."""
        kind = path.rsplit("/", 1)[1]
        with self.news:
            self.messages.append((kind, message))
            self.news.notify_all()
            if kind == "replicas":
                return {"protocol": 1, "replica": "r1", "sequence": 0, "push_interval": 0.2, "desired": {}}
            if kind == "listen":
                known = message["sequence"]
                self.news.wait_for(lambda: any(one["sequence"] > known for one in self.changes), 2)
                found = [one for one in self.changes if one["sequence"] > known]
                return {"sequence": max([known, *(one["sequence"] for one in found)]), "changes": found}
            return {}

    def order(self, **change: Any) -> None:
        """Tell the replica something."""
        with self.news:
            self.changes.append({"sequence": len(self.changes) + 1, **change})
            self.news.notify_all()

    def heard(self, condition: Callable[[str, dict[str, Any]], bool]) -> bool:
        """Wait until a message fits."""
        with self.news:
            return self.news.wait_for(lambda: any(condition(*one) for one in self.messages), 10)


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    """Return a control plane that behaves."""
    found = ControlPlane()
    yield found
    found.server.shutdown()
    found.server.server_close()


def until(condition: Callable[[], bool]) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_replica_obeys_reports_acknowledges_and_restarts_from_disk(plane: ControlPlane, tmp_path: Path) -> None:
    """Orders and policies reach a running process, and hold in the next one without a control plane."""
    manager = FaultToleranceManager()
    pipeline = manager.registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    other = manager.registry.circuit(CircuitBreakerConfig("other", failure_threshold=1))
    connection = connect(plane.url, token=TOKEN, service="orders", manager=manager, cache_dir=tmp_path)
    assert connect(plane.url, token=TOKEN, service="orders", manager=manager) is connection
    assert plane.heard(lambda kind, message: kind == "report" and message["full"])
    content = Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=2)).to_dict()
    plane.order(kind="policy", name="shop", revision=7, policy=content)
    plane.order(kind="isolate", name="shop", key=None, reason="maintenance")
    plane.order(kind="level", service="search", level=3, reason="slow", expires_in=None)
    plane.order(kind="policy", name="bad", revision=1, policy={"breaker": {"name": "bad", "window": -1}})
    assert plane.heard(lambda kind, message: kind == "listen" and message["sequence"] == 4)
    assert plane.heard(lambda kind, message: kind == "listen" and message["applied"]["policies"] == {"shop": 7})
    assert plane.heard(
        lambda kind, message: kind == "listen" and any(one["sequence"] == 4 for one in message["refused"])
    )
    assert pipeline.circuit().state is CircuitState.ISOLATED
    other.restore_open(30.0, "down")
    assert plane.heard(
        lambda kind, message: kind == "report" and any(fact["policy"] == "other" for fact in message["facts"])
    )
    connection.close(5)
    assert plane.heard(lambda kind, message: kind == "r1")
    files = sorted(path.name.partition(".")[2] for path in tmp_path.iterdir())
    assert files == ["0.json", "0.lock", "json"]
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert TOKEN not in file.read_text()

    fresh = FaultToleranceManager()
    early = fresh.registry.circuit(CircuitBreakerConfig("other"))
    again = connect("http://127.0.0.1:9", token=TOKEN, service="orders", manager=fresh, cache_dir=tmp_path)
    late = fresh.registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    assert early.state is CircuitState.OPEN
    assert early.snapshot().reason == "restored after a restart: down"
    assert late.circuit().state is CircuitState.ISOLATED
    assert late.policy.breaker is not None
    assert late.policy.breaker.failure_threshold == 2
    assert fresh.degradation.level("search") == 3
    assert until(lambda: again.status().error == "unreachable")
    assert TOKEN not in repr(again) + repr(again.status())
    again.close(5)


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n{"replica":"../x","sequence":true}',
    ],
)
def test_replica_of_a_lying_server_changes_nothing_and_comes_back(
    plane: ControlPlane, tmp_path: Path, raw: bytes
) -> None:
    """Nonsense is an error code and a wait; once the server behaves, the replica joins."""
    plane.raw = raw
    manager = FaultToleranceManager()
    connection = connect(plane.url, token=TOKEN, service="orders", manager=manager, cache_dir=tmp_path)
    assert until(lambda: connection.status().error is not None)
    assert manager.registry.overrides.names() == ()
    plane.raw = None
    assert until(lambda: connection.status().connected)
    connection.close(5)


def test_five_replicas_apply_and_acknowledge_twenty_orders(tmp_path: Path) -> None:
    """Each of twenty orders of a real control plane takes effect in each replica, which says so."""
    names = [f"circuit-{number}" for number in range(20)]
    managers = [FaultToleranceManager(hub=EventHub()) for _ in range(5)]
    circuits = [manager.registry.circuit(CircuitBreakerConfig(name)) for manager in managers for name in names]
    with (
        server_process(tmp_path / "data") as server,
        httpx2.Client(base_url=server.api) as client,
        ExitStack() as stack,
    ):
        for number, manager in enumerate(managers):
            folder = tmp_path / str(number)
            connection = connect(server.url, service="orders", manager=manager, cache_dir=folder)
            stack.callback(connection.close, 5)
        assert until(lambda: [one["circuits"] for one in client.get("/replicas").json()["items"]] == [20] * 5)
        for name in names:
            client.post(f"/circuit-breakers/{name}/isolate", json={"reason": "maintenance"}).raise_for_status()
        assert until(lambda: {circuit.state for circuit in circuits} == {CircuitState.ISOLATED})
        assert until(lambda: [one["behind"] for one in client.get("/replicas").json()["items"]] == [0] * 5)
        shown = client.get("/replicas").json()["items"]
        assert len({one["applied"] for one in shown}) == 1
        assert shown[0]["applied"] >= 20
        assert [one["refused"] for one in shown] == [[]] * 5
