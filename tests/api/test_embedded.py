"""The router in a user's own application, in a process of its own that is killed and started again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from ..servers.control_plane import PREFIX, ROOT
from ..servers.processes import eventually

APPLICATION = """
    import socket

    import uvicorn
    from fastapi import FastAPI

    from scrollintel import CircuitBreakerConfig, ft_manager
    from scrollintel.api.routes.fault_tolerance_routes import router

    app = FastAPI()
    app.include_router(router)
    config = CircuitBreakerConfig("payments", failure_threshold=2, recovery_timeout=120)


    def charge(works: bool) -> str:
        if not works:
            raise ConnectionError("down")
        return "charged"


    @app.post("/charge/{works}")
    def pay(works: bool) -> str:
        try:
            return ft_manager.execute_blocking(lambda: charge(works), circuit_breaker_config=config)
        except Exception as error:
            return type(error).__name__


    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
"""


@contextmanager
def application(home: Path) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """Run the application with a home of its own, and give a client of it; at the end it is killed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SCROLLINTEL_", "XDG_"))}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(APPLICATION)],
        cwd=home, stdout=subprocess.PIPE, text=True,
        env={**environment, "HOME": str(home), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def is_on_disk(home: Path) -> bool:
    """Tell whether the open circuit has reached the database."""
    database = home / ".local" / "share" / "scrollintel" / "control.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT state FROM circuit_breaker_states").fetchall() == [("open",)]
    finally:
        connection.close()


def test_embedded_control_plane_restores_an_open_circuit_after_a_kill(tmp_path: Path) -> None:
    """What was open before is open after, with what is left of its time, from the first request to the API on."""
    with application(tmp_path) as (process, client):
        assert client.get(f"{PREFIX}/circuit-breakers").json()["items"] == []
        assert [client.post("/charge/no").json() for _ in range(3)] == ["ConnectionError"] * 2 + ["CircuitOpenError"]
        shown = client.get(f"{PREFIX}/circuit-breakers/payments").json()
        assert (shown["state"], shown["services"]) == ("open", ["local"])
        assert eventually(lambda: is_on_disk(tmp_path))
        process.kill()
    with application(tmp_path) as (_, client):
        shown = client.get(f"{PREFIX}/circuit-breakers/payments").json()
        assert (shown["state"], shown["stale_replicas"]) == ("open", 1)  # nothing has used it yet
        assert 60 < shown["on_replicas"][0]["next_probe"] < 120
        assert client.post("/charge/yes").json() == "CircuitOpenError"
        shown = client.get(f"{PREFIX}/circuit-breakers/payments").json()
        assert (shown["state"], shown["stale_replicas"], len(shown["on_replicas"])) == ("open", 0, 1)
        assert 60 < shown["next_probe"] < 120
        client.post(f"{PREFIX}/circuit-breakers/payments/reset").raise_for_status()
        assert client.post("/charge/yes").json() == "charged"
        assert client.get(f"{PREFIX}/circuit-breakers/payments").json()["state"] == "closed"


def test_embedded_control_plane_resets_a_circuit_that_nothing_has_used_since_the_kill(tmp_path: Path) -> None:
    """The order reaches the open period that waits for its circuit, which is shown no more until it is used."""
    with application(tmp_path) as (process, client):
        assert client.get(f"{PREFIX}/circuit-breakers").json()["items"] == []
        for _ in range(2):
            client.post("/charge/no")
        assert eventually(lambda: is_on_disk(tmp_path))
        process.kill()
    with application(tmp_path) as (_, client):
        client.post(f"{PREFIX}/circuit-breakers/payments/reset").raise_for_status()
        assert client.get(f"{PREFIX}/circuit-breakers").json()["items"] == []
        assert client.post("/charge/yes").json() == "charged"
        assert client.get(f"{PREFIX}/circuit-breakers/payments").json()["state"] == "closed"
