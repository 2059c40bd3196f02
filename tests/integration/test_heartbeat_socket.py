"""The heartbeat socket takes what fits and outlives everything else."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.watch.heartbeat_socket import HeartbeatSocket
from tests.servers.processes import eventually

REFUSED = (
    b"", b"{}", b"[]", b"null", b"\xff", b'{"target": 1}', b'{"target": ""}', b'{"target": "a", "progress": []}',
    b'{"target": "a", "progress": true}', b'{"target": "a", "progress": NaN}', b'{"target": "a", "progress": 1e999}',
    b'{"target": "a", "progress": 1' + b"0" * 400 + b"}", b"[" * 4000,
    b'{"target": "a", "progress": "' + b"x" * 201 + b'"}',
)  # fmt: skip


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[HeartbeatSocket, list[tuple[str, float | str | None]]]]:
    """Listen; what is taken is kept, and a target "broken" cannot be taken."""
    beats: list[tuple[str, float | str | None]] = []

    def beat(target: str, progress: float | str | None) -> None:
        if target == "broken":
            raise RuntimeError("not today")
        beats.append((target, progress))

    listener = HeartbeatSocket(tmp_path / "beats.sock", beat)
    listener.start()
    yield listener, beats
    listener.stop()


def test_no_datagram_ends_the_listening(heard: tuple[HeartbeatSocket, list[tuple[str, float | str | None]]]) -> None:
    """Each is refused and counted, and the next good one is heard."""
    listener, beats = heard
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(listener.path))
        for data in (*REFUSED, json.dumps({"target": "broken"}).encode()):
            sender.send(data)
        for content in ({"target": "a"}, {"target": "a", "progress": 7}, {"target": "b", "progress": "page 3"}):
            sender.send(json.dumps(content).encode())
    assert eventually(lambda: len(beats) == 3)
    assert beats == [("a", None), ("a", 7.0), ("b", "page 3")]
    assert listener.refused == len(REFUSED) + 1
