"""The settings file changes while the server runs: taken over as a whole, or not at all."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.servers.program import Program
from tests.servers.recorder import HttpRecorder

Json = dict[str, Any]
SERVICE = """
[[services]]
name = "{name}"
[[services.checks]]
kind = "tcp"
depth = "alive"
interval = 0.1
host = "127.0.0.1"
port = {port}
"""
PRIVATE = {"outbound": {"private": ["127.0.0.0/8"]}}


@pytest.fixture
def port() -> Iterator[int]:
    """Listen on a port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listening:
        yield listening.getsockname()[1]


def conditions(client: httpx2.Client) -> dict[str, str]:
    """Return how targets are."""
    return {item["target"]: item["condition"] for item in client.get("/checks").json()["items"]}


def until(so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + 20.0
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_file_that_changes_is_taken_over_without_a_restart_and_refused_whole_when_wrong(
    tmp_path: Path, port: int
) -> None:
    """A service is added, outbound rules are opened, people get a channel; a mistake changes nothing at all."""
    folder = tmp_path / "server"
    file = folder / "scrollintel.toml"
    with (
        HttpRecorder() as people,
        Program(folder, more=SERVICE.format(name="a", port=port)) as server,
        server.client() as client,
    ):
        first = file.read_text()
        until(lambda: conditions(client) == {"a": "failed"})  # this machine may not be spoken to

        wrong = first.replace("interval = 0.1", "interval = -1") + SERVICE.format(name="b", port=port)
        file.write_text(wrong)
        until(lambda: "not taken over" in server.said)
        refused = client.post("/configuration-file/reload")
        assert refused.status_code == 422, refused.text
        assert "interval" in refused.text
        assert set(conditions(client)) == {"a"}

        opened = "[outbound]\nprivate = ['127.0.0.0/8']\n"
        channel = f"[[notifications]]\nkind = 'webhook'\nurl = {json.dumps(people.url)}\n"
        file.write_text(first + SERVICE.format(name="b", port=port) + opened + channel)
        taken = client.post("/configuration-file/reload")
        assert (taken.status_code, taken.json()) == (200, {"applied": True, "targets": 2, "needs_restart": []})
        until(lambda: conditions(client) == {"a": "healthy", "b": "healthy"})
        until(lambda: "incident_resolved" in {asked.json()["type"] for asked in people.asked})

        file.write_text(first.replace("[data]", "[data]\n", 1).replace("port = 0", "port = 1", 1))
        later = client.post("/configuration-file/reload").json()
        assert (later["targets"], later["needs_restart"]) == (1, ["server"])
        until(lambda: set(conditions(client)) == {"a"})
        audited = client.get("/audit").json()["items"]
        assert [item["action"] for item in audited].count("configuration-file.reload") == 2


def test_file_that_is_saved_is_taken_over_by_itself(tmp_path: Path, port: int) -> None:
    """Nobody has to ask for it."""
    folder = tmp_path / "server"
    with (
        Program(folder, PRIVATE, more=SERVICE.format(name="a", port=port)) as server,
        server.client() as client,
    ):
        until(lambda: conditions(client) == {"a": "healthy"})
        with (folder / "scrollintel.toml").open("a") as file:
            file.write(SERVICE.format(name="b", port=port))
        until(lambda: conditions(client) == {"a": "healthy", "b": "healthy"})
