"""Real processes that are watched: a small HTTP server, one that beats, one that sleeps, and load beside them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SERVER = """
import asyncio, sys
async def met(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    ports = []
    for _ in range(int(sys.argv[1])):
        server = await asyncio.start_server(met, "127.0.0.1", 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
BEATING = """
import sys, time
from scrollintel import Heartbeat
with Heartbeat(sys.argv[1], socket_path=sys.argv[2], interval=float(sys.argv[3])):
    while True:
        time.sleep(60)
"""
BURNING = "while True: pass"


class Subject:
    """One process; `ports` are those that it listens on.

    Arguments:
        program: Python source.
        arguments: Its arguments.
        announces: Whether it prints its ports when it is ready.
    """

    def __init__(self, program: str, *arguments: str, announces: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE if announces else None
        )
        self.ports: list[int] = []
        if announces:
            assert self._process.stdout is not None
            self.ports = [int(text) for text in self._process.stdout.readline().split()]
        self.pid = self._process.pid
        self.identity = (self.pid, psutil.Process(self.pid).create_time())

    def signal(self, number: int) -> float:
        """Send a signal and return when, in monotonic seconds."""
        at = time.monotonic()
        self._process.send_signal(number)
        return at

    def end(self) -> None:
        """Kill it, if it has not ended."""
        self._process.kill()
        self._process.wait()


def server(ports: int = 1) -> Subject:
    """Start a server."""
    return Subject(SERVER, str(ports), announces=True)


def beating(target: str, socket: Path, interval: float) -> Subject:
    """Start a program that beats."""
    return Subject(BEATING, target, str(socket), str(interval))


@contextmanager
def burners(number: int) -> Iterator[None]:
    """Keep so many processes busy."""
    started = [Subject(BURNING) for _ in range(number)]
    try:
        yield
    finally:
        for subject in started:
            subject.end()
