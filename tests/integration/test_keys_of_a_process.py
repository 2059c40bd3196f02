"""Keys of a real server: a rotation that SIGKILL cuts off is ended after the restart; a wrong key stops writing."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import httpx2

from ..servers.program import Program

COUNT = 450
"""Values: three batches of a rotation."""
CREATE = {"If-None-Match": "*"}


def digests(admin: httpx2.Client) -> dict[str, Any]:
    """Return the keyed hash of each secret value, which takes opening it."""
    items = admin.get("/configuration", params={"limit": 1000}).json()["items"]
    return {item["key"]: item["digest"] for item in items}


def test_rotation_cut_off_by_a_kill_is_ended_after_the_restart(tmp_path: Path) -> None:
    """Every value opens before, after the kill and at the end, when nothing is left under the former keys."""
    with Program(tmp_path / "a") as server, server.client() as admin:
        for number in range(COUNT):
            body = {"value": f"secret {number}", "secret": True}
            admin.put(f"/configuration/key-{number}", json=body, headers=CREATE).raise_for_status()
        wanted = digests(admin)
        former = {item["id"] for item in admin.get("/keys").json()["items"]}
        assert admin.post("/keys/rotate", json={"what": "data_keys"}).status_code == 202
        assert admin.get("/keys").json()["rotating"]
        server.kill()
    with Program(tmp_path / "a") as server, server.client() as admin:
        assert digests(admin) == wanted and None not in wanted.values()
        deadline = time.monotonic() + 20.0
        while admin.get("/keys").json()["rotating"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert digests(admin) == wanted
        assert not former & {item["id"] for item in admin.get("/keys").json()["items"]}


def test_wrong_or_missing_key_stops_writing_and_says_so(tmp_path: Path) -> None:
    """Changes get 503, nothing is stored in clear, no new key is made, and the right key makes all well again."""
    with Program(tmp_path / "a") as server, server.client() as admin:
        body = {"value": "planted", "secret": True}
        admin.put("/configuration/one", json=body, headers=CREATE).raise_for_status()
        wanted = digests(admin)
    file = tmp_path / "a" / "data" / "keys" / "key-000001.key"
    right = file.read_bytes()
    for wrong in (base64.b64encode(b"x" * 32) + b"\n", None):
        if wrong is None:
            file.unlink()
        else:
            file.write_bytes(wrong)
        with Program(tmp_path / "a") as server, server.client() as admin:
            answer = admin.put("/configuration/two", json={"value": "in clear", "secret": True}, headers=CREATE)
            assert answer.status_code == 503 and "retry-after" in answer.headers
            assert "changes cannot be written now" in server.said and "key" in server.said
            assert admin.get(server.url + "/livez").status_code == 200
        assert [path.name for path in file.parent.glob("*.key")] == ([] if wrong is None else [file.name])
        assert not any(b"in clear" in path.read_bytes() for path in server.data.glob("control.db*"))
    file.write_bytes(right)
    file.chmod(0o600)
    with Program(tmp_path / "a") as server, server.client() as admin:
        assert digests(admin) == wanted
