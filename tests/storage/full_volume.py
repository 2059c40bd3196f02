"""A server on a volume that is really full: `python -m tests.storage.full_volume FOLDER STORY`, in a mount namespace.

`running` fills the volume under a server; `starting` starts one on a full volume, with a database and without.

Prints what happened as JSON. The volume is a small tmpfs that this process mounts; it ends with the namespace.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from scrollintel.storage.reserve import SIZE
from tests.servers.processes import eventually
from tests.servers.program import Program

VOLUME = "24m"
CREATE = {"If-None-Match": "*"}


def fill(file: Path) -> None:
    """Take all room of the volume."""
    with file.open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


class Story:
    """Changes over the network and over the admin socket, and what came of them."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._network = httpx2.Client(base_url=server.api)
        self._admin = server.client()
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    def change(self, key: str) -> httpx2.Response:
        """Store a value of 2,000 characters over the network."""
        body = {"value": "x" * 2_000}
        answer = self._network.put(f"/configuration/{key}", json=body, headers=CREATE)
        (self.acknowledged if answer.status_code == 200 else self.refused).append(key)
        return answer

    def order(self, key: str) -> int:
        """Store a value as an operator over the admin socket."""
        status = self._admin.put(f"/configuration/{key}", json={"value": 1}, headers=CREATE).status_code
        if status == 200:
            self.acknowledged.append(key)
        return status

    def until_full(self) -> httpx2.Response:
        """Change until there is no room."""
        for number in range(20_000):
            answer = self.change(f"key-{number}")
            if answer.status_code != 200:
                return answer
        raise AssertionError("the volume is not full")

    def actions(self) -> list[str]:
        """Return what the audit log says of storage."""
        answer = self._admin.get("/audit", params={"target": "database"})
        if answer.status_code != 200:  # the database is opened anew after what failed
            return [answer.text]
        return [item["action"] for item in reversed(answer.json()["items"])]

    def ready(self) -> int:
        """Return the status of readiness."""
        return self._network.get(f"{self._server.url}/readyz").status_code

    def live(self) -> int:
        """Return the status of liveness."""
        return self._network.get(f"{self._server.url}/livez").status_code

    def problems(self) -> list[str]:
        """Return what the control plane says is wrong with it."""
        told: list[str] = self._admin.get("/health").json()["platform"]["problems"]
        return told

    def kept(self) -> bool:
        """Tell whether everything acknowledged, and nothing else, is there."""
        found = {item["key"] for item in self._pages("/configuration")}
        return found >= set(self.acknowledged) and not found & set(self.refused)

    def _pages(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            query = {"limit": "1000"} if cursor is None else {"limit": "1000", "cursor": cursor}
            page = self._network.get(path, params=query).json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    def verified(self) -> bool:
        """Verify the log, as an operator."""
        return bool(self._admin.post("/audit/verify").json()["ok"])

    def close(self) -> None:
        """End the connections."""
        self._network.close()
        self._admin.close()


def running(volume: Path) -> dict[str, Any]:
    """Fill the volume under a running server and free it again."""
    told: dict[str, Any] = {}
    with Program(volume / "server", {"logging": {"level": "error"}}) as server:
        story = Story(server)
        reserve = server.data / "control.db.reserve"
        told["reserve"] = reserve.stat().st_size == SIZE
        ballast = volume / "ballast"
        fill(ballast)
        answer = story.until_full()
        told["refusal"] = (answer.status_code, answer.json()["code"], "retry-after" in answer.headers)
        told["hint"] = "free some on its volume" in answer.json()["detail"]
        told["released"] = not reserve.exists()
        told["recorded"] = eventually(lambda: story.actions() == ["storage.full"])
        told["others"] = story.change("another").json()["code"]
        told["operator"] = story.order("by-hand")
        told["probes"] = story.ready(), story.live()
        told["verified while full"] = story.verified()
        told["shown"] = any("no room" in text for text in story.problems())
        server.kill()
        story.close()
    with Program(volume / "server", {"logging": {"level": "error"}}) as server:
        former, story = story, Story(server)
        story.acknowledged, story.refused = former.acknowledged, former.refused
        told["after a restart"] = story.change("after-a-restart").json()["code"]
        ballast.unlink()
        told["heals"] = eventually(lambda: story.ready() == 200)
        told["shown no more"] = story.problems() == []
        told["again"] = story.change("again").status_code
        told["kept again"] = reserve.exists()
        told["kept"] = story.kept()
        told["verified"] = story.verified()
        story.close()
    return told


def starting(volume: Path) -> dict[str, Any]:
    """Start on a full volume and free it again: once where there is a database, and once where there is none yet."""
    with tempfile.TemporaryDirectory(prefix="sistart-") as outside:  # the settings and the log find room
        return {
            name: _start_while_full(volume, Path(outside) / name, with_database=name == "known")
            for name in ("known", "new")
        }


def _start_while_full(volume: Path, outside: Path, *, with_database: bool) -> dict[str, Any]:
    told: dict[str, Any] = {}
    data = volume / outside.name
    data.mkdir(mode=0o700)
    outside.mkdir()
    (outside / "data").symlink_to(data)
    acknowledged: list[str] = []
    if with_database:
        with Program(outside, {"logging": {"level": "error"}}) as server:
            before = Story(server)
            before.change("before")
            acknowledged += before.acknowledged
            before.close()
        # What takes up room that the volume has not any more once it was given away.
        for name in ("control.db.lock", "control.db.reserve"):
            (data / name).unlink()
    ballast = volume / "ballast"
    fill(ballast)
    with Program(outside, {"logging": {"level": "warning"}}) as server:
        story = Story(server)
        story.acknowledged += acknowledged
        told["change"] = story.change("while-full").json()["code"]
        told["probes"] = story.ready(), story.live()
        told["problem"] = [text for text in story.problems() if "room" in text]
        ballast.unlink()
        told["heals"] = eventually(lambda: story.ready() == 200)
        told["again"] = eventually(lambda: story.change("again").status_code == 200)
        told["kept"] = story.kept()
        told["verified"] = story.verified()
        told["blames"] = "in use by" in server.said
        story.close()
    return told


STORIES = {"running": running, "starting": starting}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={VOLUME}", "tmpfs", str(folder)], check=True)
    print(json.dumps(STORIES[sys.argv[2]](folder)))
