"""A program sends signs of life over a socket and over HTTP, and never suffers when nobody listens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from scrollintel import Heartbeat
from scrollintel.core.errors import ConfigError
from scrollintel.watch.heartbeat_socket import HeartbeatSocket
from tests.servers.processes import eventually

from ..servers.program import Program

Beat = tuple[str, float | str | None]


class Listener:
    """A socket, and the beats that it took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.beats: list[Beat] = []
        self.socket = HeartbeatSocket(path, lambda target, progress: self.beats.append((target, progress)))
        self.socket.start()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """Listen for a while."""
    made = Listener(tmp_path / "beats.sock")
    yield made
    made.socket.stop()


def test_thread_beats_and_takes_the_progress_along(listener: Listener) -> None:
    """Until it is stopped; the last progress goes with every beat."""
    with Heartbeat("agent", socket_path=listener.path, interval=0.02) as heartbeat:
        assert eventually(lambda: len(listener.beats) >= 3)
        heartbeat.progress(7)
        assert eventually(lambda: ("agent", 7.0) in listener.beats)
        heartbeat.progress("page 8")
        assert eventually(lambda: ("agent", "page 8") in listener.beats)
    assert heartbeat.status().error is None
    assert heartbeat.status().sent >= 5
    count = len(listener.beats)
    time.sleep(0.1)
    assert len(listener.beats) <= count + 1


def test_single_beats_need_no_thread(listener: Listener) -> None:
    """For a loop that vouches for itself."""
    heartbeat = Heartbeat("web/a", socket_path=listener.path)
    heartbeat.beat()
    heartbeat.progress(1)
    assert eventually(lambda: listener.beats == [("web/a", None), ("web/a", 1.0)])


def test_nobody_who_listens_is_no_trouble_and_its_return_is_noticed(tmp_path: Path) -> None:
    """The socket is named anew with each beat."""
    heartbeat = Heartbeat("agent", socket_path=tmp_path / "beats.sock")
    heartbeat.beat()
    assert heartbeat.status().error == "unreachable"
    listener = Listener(tmp_path / "beats.sock")
    heartbeat.beat()
    assert eventually(lambda: listener.beats == [("agent", None)])
    listener.socket.stop()
    heartbeat.beat()
    assert (heartbeat.status().sent, heartbeat.status().missed) == (1, 2)


def test_progress_that_is_none_is_missed_and_not_raised(listener: Listener) -> None:
    """A program that reports rubbish works on."""
    heartbeat = Heartbeat("agent", socket_path=listener.path)
    heartbeat.progress(True)
    heartbeat.progress(object())  # type: ignore[arg-type]  # rubbish
    assert heartbeat.status().error == "bad_progress"
    heartbeat.progress(float("nan"))
    heartbeat.beat()
    heartbeat.progress(3)
    assert eventually(lambda: ("agent", 3.0) in listener.beats)


def test_heartbeat_that_nobody_holds_ends(listener: Listener) -> None:
    """It vouches for nobody then."""
    heartbeat = Heartbeat("agent", socket_path=listener.path, interval=0.02)
    heartbeat.start()
    assert eventually(lambda: bool(listener.beats))
    thread = heartbeat._thread
    del heartbeat
    assert thread is not None
    thread.join(5.0)
    assert not thread.is_alive()


def test_forked_child_does_not_vouch_for_its_parent(listener: Listener) -> None:
    """Otherwise a parent that is gone would seem to live on."""
    program = """
import os, sys, time
from scrollintel import Heartbeat
heartbeat = Heartbeat("parent", socket_path=sys.argv[1])
heartbeat.beat()
if os.fork() == 0:
    heartbeat.beat(); heartbeat.progress(1); heartbeat.start(); time.sleep(0.1)
    os._exit(0 if heartbeat.status().sent == 1 else 1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run([sys.executable, "-c", program, str(listener.path)], timeout=30, check=False)
    assert done.returncode == 0
    assert listener.beats == [("parent", None)]


def test_where_to_is_found_in_the_environment(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that the control plane has started knows its own name."""
    monkeypatch.setenv("SCROLLINTEL_TARGET", "web/b")
    monkeypatch.setenv("SCROLLINTEL_HEARTBEAT_SOCKET", str(listener.path))
    monkeypatch.setenv("SCROLLINTEL_URL", "http://127.0.0.1:1")
    Heartbeat().beat()
    assert eventually(lambda: listener.beats == [("web/b", None)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target": "", "socket_path": "/s"}, "target"),
        ({"target": None, "socket_path": "/s"}, "target"),
        ({"target": "a", "socket_path": "/" + "s" * 200}, "103 bytes"),
        ({"target": "a"}, "neither argument nor variable"),
        ({"target": "a", "url": "ftp://u:hunter2@h"}, "http or https"),
        ({"target": "a", "url": "http://h", "token": "hunter2\n"}, "printable ASCII"),
        ({"target": "a", "socket_path": "/s", "interval": 0}, "interval"),
        ({"target": "a", "socket_path": "/s", "interval": float("nan")}, "interval"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(
    arguments: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, and no secret is repeated."""
    for variable in ("SCROLLINTEL_TARGET", "SCROLLINTEL_HEARTBEAT_SOCKET", "SCROLLINTEL_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigError) as caught:
        Heartbeat(**arguments)  # type: ignore[arg-type]  # a table of cases
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


FILE = """
[[services]]
name = "agent"
[services.heartbeat]
timeout = 0.5
"""


def test_beats_over_http_keep_a_target_healthy_and_their_end_is_noticed(tmp_path: Path) -> None:
    """From a process of its own, to a server that runs."""
    program = """
import sys, time
from scrollintel import Heartbeat
with Heartbeat("agent", url=sys.argv[1], interval=0.05) as heartbeat:
    time.sleep(60)
"""
    with Program(tmp_path / "server", more=FILE) as server:
        sender = subprocess.Popen([sys.executable, "-c", program, server.url])
        try:
            assert eventually(lambda: condition(server.api) == "healthy")
        finally:
            sender.kill()
            sender.wait()
        assert eventually(lambda: condition(server.api) == "failed")


def condition(api: str) -> str:
    """Return how the one target stands."""
    (shown,) = httpx2.get(f"{api}/checks").json()["items"]
    return str(shown["condition"])
