"""A server that is stopped while a person is asked: it goes at once, and the question stands in the next life."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from ..servers.processes import eventually
from ..servers.program import Program

SERVICE = """
[[services]]
name = "web"
mode = "recover"

[[services.checks]]
kind = "command"
interval = 0.1
command = ["/usr/bin/test", "-e", "{flag}"]

[services.strategies]
default = [{{ kind = "wait", approval = true }}]
"""


def items(client: httpx2.Client, path: str) -> list[dict[str, Any]]:
    """Return what a list holds."""
    found: list[dict[str, Any]] = client.get(path).raise_for_status().json()["items"]
    return found


def test_server_that_is_stopped_while_a_person_is_asked_ends_and_takes_the_answer_in_its_next_life(
    tmp_path: Path,
) -> None:
    """The recovery waits for an hour at most, and the process for none of it; nothing is recorded as no answer."""
    flag = tmp_path / "flag"
    flag.touch()
    more = SERVICE.format(flag=flag)
    with Program(tmp_path / "plane", more=more) as server, server.client() as client:
        assert eventually(lambda: [item["condition"] for item in items(client, "/checks")] == ["healthy"])
        flag.unlink()
        assert eventually(lambda: bool(items(client, "/approvals")))
        assert server.stop() == 0
    with Program(tmp_path / "plane", more=more) as server, server.client() as client:
        (question,) = items(client, "/approvals")
        body = {"decision": "approve", "digest": question["digest"], "confirm": True}
        client.post(f"/approvals/{question['id']}/decide", json=body).raise_for_status()
        path = f"/recovery/{question['recovery']}"
        assert eventually(lambda: any(step["step"] == "act" for step in client.get(path).json()["steps"]))
