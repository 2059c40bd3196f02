"""The independent prober: real user operations at a fixed rate, open loop, in a process of its own.

Usage: prober.py URL RATE OUTPUT. The URL of a file asks whether the agent that writes it has finished a task within the
last `TIMEOUT` seconds. Every line of the output is one operation: when it was due (monotonic), whether it
succeeded, how long it took, and what went wrong. It alone says what was down and when it was up again.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

TIMEOUT = 0.5
"""Seconds after which a user has given up."""


class Prober:
    """Sends operations; answers may come in any order."""

    def __init__(self, url: str, output: str) -> None:
        self.parts = urlsplit(url)
        self.descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.lock = threading.Lock()

    def once(self, number: int, due: float) -> None:
        """Do one operation and write its line."""
        began = time.monotonic()
        problem = self.task() if self.parts.scheme == "file" else self.job(number)
        ended = time.monotonic()
        if problem is None and ended - began > TIMEOUT:
            problem = "too late"
        line = {"due": due, "good": problem is None, "took": ended - began, "problem": problem, "number": number}
        with self.lock:
            os.write(self.descriptor, json.dumps(line).encode() + b"\n")

    def task(self) -> str | None:
        """Tell what is wrong with the agent's work, or None."""
        try:
            with open(self.parts.path, "rb") as stream:  # noqa: PTH123 - a prober imports little
                finished = json.load(stream)["at"]
        except (OSError, ValueError):
            return "no status"
        return None if time.monotonic() - finished <= TIMEOUT else "no progress"

    def job(self, number: int) -> str | None:
        """Do a job; tell what went wrong, or None."""
        problem: str | None = None
        connection = http.client.HTTPConnection(self.parts.hostname or "", self.parts.port, timeout=TIMEOUT)
        try:
            connection.request("GET", f"{self.parts.path}?{os.getpid()}-{number}")
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                problem = f"status {answer.status}"
        except Exception as error:  # whatever keeps a user from an answer
            problem = type(error).__name__
        finally:
            connection.close()
        return problem


def main() -> None:
    """Probe until killed."""
    url, rate, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    prober = Prober(url, output)
    pool = ThreadPoolExecutor(64)
    due, number = time.monotonic(), 0
    while True:
        delay = due - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        pool.submit(prober.once, number, due)
        number += 1
        due += 1.0 / rate


if __name__ == "__main__":
    main()
