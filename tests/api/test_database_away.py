"""The API of a real server whose PostgreSQL is killed under its readers, and comes back."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2

from ..servers.control_plane import ServerProcess, server_process
from ..servers.postgres import Postgres
from ..servers.processes import eventually

FROM_MEMORY = ("/circuit-breakers", "/circuit-breakers/payments", "/services", "/policies/payments", "/health/summary")
FROM_DATABASE = ("/policies/payments/revisions", "/metrics/history?circuit=payments", "/audit", "/retry-statistics")


class Reader(threading.Thread):
    """Reads what is answered from memory, again and again, until it is told to stop."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self._server = server
        self.stopped = threading.Event()
        self.statuses: list[int] = []

    def run(self) -> None:
        """Read on."""
        with httpx2.Client(base_url=self._server.api) as client:
            while not self.stopped.is_set():
                self.statuses += [client.get(path).status_code for path in FROM_MEMORY]


def becomes(server: ServerProcess, status: int) -> bool:
    """Wait until the server says whether it is ready, and tell whether that came."""
    return eventually(lambda: httpx2.get(f"{server.url}/readyz").status_code == status)


def test_database_killed_under_readers_is_told_of_and_the_service_heals_by_itself(tmp_path: Path) -> None:
    """Reads go on from memory and say so; what lies in the database alone, and changes, are 503 with Retry-After."""
    with (
        Postgres() as postgres,
        server_process(tmp_path / "data", database_url=postgres.new_database()) as server,
        httpx2.Client(base_url=server.api) as client,
    ):
        client.post("/services", json={"name": "orders"}).raise_for_status()
        client.post("/circuit-breakers", json={"configuration": {"name": "payments"}}).raise_for_status()
        before = {path: client.get(path) for path in FROM_MEMORY}
        assert all("X-ScrollIntel-Stale" not in answer.headers for answer in before.values())
        reader = Reader(server)
        reader.start()
        try:
            postgres.kill()
            assert becomes(server, 503)
            for path in FROM_MEMORY:
                answer = client.get(path)
                assert answer.status_code == 200
                assert answer.headers["X-ScrollIntel-Stale"].startswith("storage unavailable for "), path
            for path in FROM_MEMORY[:4]:
                assert client.get(path).json() == before[path].json()
            refused = [client.get(path) for path in FROM_DATABASE]
            refused.append(client.post("/services", json={"name": "billing"}))
            for answer in refused:
                assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable"), answer.url
                assert int(answer.headers["Retry-After"]) >= 1
                assert str(postgres.folder) not in answer.text
            postgres.start()
            assert becomes(server, 200)
        finally:
            reader.stopped.set()
            reader.join()
        assert set(reader.statuses) == {200}
        for path in (*FROM_MEMORY, *FROM_DATABASE):
            answer = client.get(path)
            assert (answer.status_code, answer.headers.get("X-ScrollIntel-Stale")) == (200, None), path
        client.post("/services", json={"name": "billing"}).raise_for_status()
        assert client.post("/audit/verify").json()["ok"]
