"""The control plane as a process: stopped with streams open, killed and started again, joined by real applications."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx2
import pytest

from ..servers.control_plane import ROOT, ServerProcess, server_process
from ..servers.processes import eventually

APPLICATION = """
    import sys
    import scrollintel
    from scrollintel import CircuitBreakerConfig, ft_manager

    connection = scrollintel.connect(sys.argv[1], service="orders", cache_dir=sys.argv[2])
    config = CircuitBreakerConfig("payments", failure_threshold=2, recovery_timeout=120)

    def fail():
        raise ConnectionError("down")

    print("ready", flush=True)
    for line in sys.stdin:
        command = line.strip()
        try:
            if command == "fail":
                ft_manager.execute_blocking(fail, circuit_breaker_config=config)
            elif command == "call":
                ft_manager.execute_blocking(lambda: 1, circuit_breaker_config=config)
            elif command == "state":
                print(ft_manager.circuit_breaker("payments").state.value, flush=True)
                continue
            elif command == "threshold":
                print(ft_manager.circuit_breaker("payments").config.failure_threshold, flush=True)
                continue
            print("done", flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
"""


class Application:
    """A program that calls a dependency through a circuit, told what to do over its standard input."""

    def __init__(self, url: str, cache: Path) -> None:
        program = [sys.executable, "-c", textwrap.dedent(APPLICATION), url, str(cache)]
        self.process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ}
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, command: str) -> str:
        """Send a command and return what came of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._line()

    def kill(self) -> None:
        """Kill the program without a chance to tidy up."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def shown(server: ServerProcess, name: str = "payments") -> dict[str, object]:
    """Return a circuit as the API shows it, or nothing."""
    answer = httpx2.get(f"{server.api}/circuit-breakers/{name}")
    return dict(answer.json()) if answer.status_code == 200 else {}


@pytest.fixture
def server(tmp_path: Path) -> object:
    """Run a control plane."""
    with server_process(tmp_path / "data") as running:
        yield running


def test_application_is_seen_and_steered(server: ServerProcess, tmp_path: Path) -> None:
    """A circuit that opens in an application shows with its reason; isolate and reset reach it and are acknowledged."""
    application = Application(server.url, tmp_path / "cache")
    try:
        assert application.do("fail") == "ConnectionError"
        assert application.do("fail") == "ConnectionError"
        assert application.do("call") == "CircuitOpenError"
        assert eventually(lambda: shown(server).get("state") == "open")
        assert "2 failures in a row" in str(shown(server)["why"])
        httpx2.post(f"{server.api}/circuit-breakers/payments/reset").raise_for_status()
        assert eventually(lambda: application.do("call") == "done")
        httpx2.post(f"{server.api}/circuit-breakers/payments/isolate", json={"reason": "test"}).raise_for_status()
        assert eventually(lambda: application.do("call") == "CircuitIsolatedError")
        replicas = f"{server.api}/replicas"
        assert eventually(lambda: [item["behind"] for item in httpx2.get(replicas).json()["items"]] == [0])
    finally:
        application.kill()


def test_policy_from_the_control_plane_holds_in_the_application(server: ServerProcess, tmp_path: Path) -> None:
    """A circuit breaker created by the API replaces the threshold of the code, also after the application restarts."""
    body = {"configuration": {"name": "payments", "failure_threshold": 1, "recovery_timeout": 60}}
    httpx2.post(f"{server.api}/circuit-breakers", json=body).raise_for_status()
    application = Application(server.url, tmp_path / "cache")
    try:
        assert eventually(lambda: bool(httpx2.get(f"{server.api}/replicas").json()["items"]))
        assert eventually(lambda: httpx2.get(f"{server.api}/policies/payments").json()["replicas_current"] == 1)
        assert application.do("fail") == "ConnectionError"
        assert application.do("call") == "CircuitOpenError"
        assert eventually(lambda: any('"open": [[' in path.read_text() for path in (tmp_path / "cache").glob("*.json")))
    finally:
        application.kill()
    server.stop()
    alone = Application(server.url, tmp_path / "cache")
    try:
        assert alone.do("call") == "CircuitOpenError"
        assert alone.do("threshold") == "1"
    finally:
        alone.kill()


def test_control_plane_killed_and_restarted_shows_the_circuit_open_and_the_application_comes_back(
    tmp_path: Path,
) -> None:
    """After SIGKILL the open circuit is open, stale, with its remaining time; then its replica reports again."""
    with server_process(tmp_path / "data") as server:
        application = Application(server.url, tmp_path / "cache")
        try:
            for _ in range(2):
                application.do("fail")
            assert eventually(lambda: shown(server).get("state") == "open")
            transitions = shown(server)["transitions"]
            time.sleep(1.5)  # the state is written once a second
            server.kill()
            assert application.do("call") == "CircuitOpenError"
            application.process.send_signal(19)  # SIGSTOP: the control plane has to speak from what it remembers
            server.start()
            restarted = shown(server)
            assert restarted["state"] == "open"
            assert restarted["stale_replicas"] == 1
            assert isinstance(restarted["on_replicas"], list)
            left = restarted["on_replicas"][0]["next_probe"]
            assert 60 < left < 120
            assert restarted["transitions"] == transitions
            application.process.send_signal(18)  # SIGCONT
            assert eventually(lambda: shown(server).get("stale_replicas") == 0, 30)
            assert shown(server)["state"] == "open"
        finally:
            application.process.send_signal(18)
            application.kill()


def test_server_stops_within_three_seconds_with_streams_open(server: ServerProcess, tmp_path: Path) -> None:
    """Event streams and a waiting replica do not keep the server."""
    application = Application(server.url, tmp_path / "cache")
    try:
        assert eventually(lambda: bool(httpx2.get(f"{server.api}/replicas").json()["items"]))
        with httpx2.stream("GET", f"{server.api}/events", timeout=10) as stream:
            assert next(stream.iter_bytes()).startswith(b"retry:")
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 3.0
    finally:
        application.kill()


def test_events_resume_after_the_last_one_seen(server: ServerProcess) -> None:
    """A listener that comes back with the identity of the last event gets what it has missed and nothing twice."""

    def create(name: str) -> None:
        httpx2.post(f"{server.api}/services", json={"name": name}).raise_for_status()

    def identities(content: str) -> list[str]:
        return [line[4:] for line in content.splitlines() if line.startswith("id: ")]

    with httpx2.stream("GET", f"{server.api}/events", timeout=10) as stream:
        chunks = stream.iter_text()
        next(chunks)
        create("a")
        seen = ""
        while "service.changed" not in seen:
            seen += next(chunks)
    create("b")
    create("c")
    last = identities(seen)[-1]
    with httpx2.stream("GET", f"{server.api}/events", headers={"Last-Event-ID": last}, timeout=10) as stream:
        later = ""
        for chunk in stream.iter_text():
            later += chunk
            if later.count("service.changed") >= 4:
                break
    assert '"name":"b"' in later
    assert '"name":"c"' in later
    assert last not in identities(later)
    with httpx2.stream("GET", f"{server.api}/events", headers={"Last-Event-ID": "0-1"}, timeout=10) as stream:
        first = ""
        for chunk in stream.iter_text():
            first += chunk
            if "stream.reset" in first:
                break
    assert "stream.reset" in first


def test_break_glass_isolates_without_the_database_and_is_imported_later(tmp_path: Path, postgres_url: str) -> None:
    """Over the admin socket a circuit is held open while the database cannot be written; the log learns of it later."""
    from sqlalchemy import create_engine, text

    with server_process(tmp_path / "data", database_url=postgres_url) as server:
        application = Application(server.url, tmp_path / "cache")
        engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
        transport = httpx2.HTTPTransport(uds=str(tmp_path / "data" / "admin.sock"))
        try:
            application.do("call")
            assert eventually(lambda: bool(shown(server)))
            local = httpx2.Client(transport=transport, base_url="http://local/api/v1/fault-tolerance")
            with local as admin, engine.connect() as connection, connection.begin():
                # Whoever takes the lock first when the session is ended keeps the server from writing.
                connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
                taken = connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": 0x5C0117})
                taken.close()
                assert eventually(lambda: httpx2.get(f"{server.url}/readyz").status_code == 503)
                refused = httpx2.post(f"{server.api}/circuit-breakers/payments/isolate", json={"reason": "x"})
                assert refused.status_code == 503
                done = admin.post("/circuit-breakers/payments/isolate", json={"reason": "fire"})
                assert done.json()["journalled"] is True
                assert eventually(lambda: application.do("call") == "CircuitIsolatedError")
            engine.dispose()
            assert eventually(lambda: httpx2.get(f"{server.url}/readyz").status_code == 200, 20)
            assert shown(server).get("order") is not None

            def recorded() -> list[str]:
                found = httpx2.get(f"{server.api}/audit", params={"action": "circuit.isolate"}).json()["items"]
                return [item["reason"] for item in found]

            assert eventually(lambda: recorded() == ["fire"], 20)
            assert application.do("call") == "CircuitIsolatedError"
        finally:
            engine.dispose()
            application.kill()
