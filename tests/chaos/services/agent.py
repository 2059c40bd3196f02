"""The agent of the chaos rig: it beats over the control plane's heartbeat socket and works through tasks.

Usage: agent.py NAME SOCKET STARTS_LOG STATUS. Signals: SIGUSR1 pauses the beats for 150 ms; SIGUSR2 wedges the work
while the beats go on. STATUS is a file that holds the number of the last finished task and its monotonic time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from .worker import started

BEAT = 0.05
TASK = 0.02


class Agent:
    """Beats in one thread and works in another."""

    def __init__(self, name: str, address: str, status: Path) -> None:
        self.name = name
        self.address = address
        self.status = status
        self.tasks = 0
        self.pause_until = 0.0
        self.wedged = threading.Event()

    def pause(self, *_: object) -> None:
        """Send no beat for a while."""
        self.pause_until = time.monotonic() + 0.15

    def wedge(self, *_: object) -> None:
        """Finish no task any more."""
        self.wedged.set()

    def beat(self) -> None:
        """Send beats until the process ends."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            while True:
                if time.monotonic() >= self.pause_until:
                    message = {"target": self.name, "progress": self.tasks}
                    try:
                        sender.sendto(json.dumps(message).encode() + b"\n", self.address)
                    except OSError:  # nobody listens now: an agent does not stop for that
                        pass
                time.sleep(BEAT)

    def work(self) -> None:
        """Finish a task now and then, until wedged."""
        while True:
            if not self.wedged.is_set():
                self.tasks += 1
                fresh = self.status.with_suffix(".new")
                fresh.write_text(json.dumps({"tasks": self.tasks, "at": time.monotonic(), "pid": os.getpid()}))
                fresh.replace(self.status)
            time.sleep(TASK)


def main() -> None:
    """Work until killed."""
    name, address, log, status = sys.argv[1:5]
    agent = Agent(name, address, Path(status))
    signal.signal(signal.SIGUSR1, agent.pause)
    signal.signal(signal.SIGUSR2, agent.wedge)
    started(log, name)
    threading.Thread(target=agent.beat, daemon=True).start()
    agent.work()


if __name__ == "__main__":
    main()
