"""The arms that ours is measured against: a plain supervisor (A1) and one with Kubernetes' default liveness (A2)."""

from __future__ import annotations

import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

RESTART_AFTER = 0.1
"""Seconds between an exit and the restart (systemd's RestartSec)."""
STARTS = 5
WINDOW = 10.0
"""At most so many starts within so many seconds, then it stays down (systemd's StartLimit)."""
PERIOD = 10.0
LIVENESS_TIMEOUT = 1.0
MISSES = 3
"""Kubernetes' defaults for a liveness probe."""
BACKOFF_MAX = 300.0
"""Seconds that the restart delay doubles up to, from 10 s (the kubelet's crash loop)."""


@dataclass
class Supervised:
    """One service of a supervisor: its command and, for liveness, the port and path that are asked."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int | None = None
    path: str = "/live"
    ready: Callable[[], bool] | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)


class PlainSupervisor:
    """A1: restarts on exit after 100 ms, at most 5 starts in 10 s; it notices no hang."""

    liveness = False

    def __init__(self, services: Sequence[Supervised]) -> None:
        self.services = services
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for service in self.services:
            thread = threading.Thread(
                target=self._watch, args=(service,), name=f"supervise {service.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(15)
        for service in self.services:
            if service.process is not None and service.process.poll() is None:
                service.process.kill()
                service.process.wait()

    def _start(self, service: Supervised) -> None:
        service.starts.append(time.monotonic())
        service.process = subprocess.Popen(
            service.command,
            env=dict(service.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _watch(self, service: Supervised) -> None:
        self._start(service)
        checker = None
        if self.liveness and service.port is not None:
            checker = threading.Thread(target=self._live, args=(service,), daemon=True)
            checker.start()
        while not self._over.is_set():
            assert service.process is not None
            try:
                service.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            delay = self._delay(service)
            if delay is None:
                return
            if self._over.wait(delay):
                return
            self._start(service)
        if checker is not None:
            checker.join(5)

    def _delay(self, service: Supervised) -> float | None:
        """Return seconds until the restart, or None when the limit of starts is reached."""
        recent = [moment for moment in service.starts if time.monotonic() - moment < WINDOW]
        return None if len(recent) >= STARTS else RESTART_AFTER

    def _live(self, service: Supervised) -> None:
        """Kill what does not answer: every 10 s, 1 s patience, 3 misses in a row."""
        misses = 0
        while not self._over.wait(PERIOD):
            if _answers(service):
                misses = 0
                continue
            misses += 1
            if misses >= MISSES and service.process is not None:
                misses = 0
                service.process.kill()


class ProbeSupervisor(PlainSupervisor):
    """A2: the same, plus liveness with Kubernetes' default timing, and its back-off in place of the limit."""

    liveness = True

    def _delay(self, service: Supervised) -> float | None:
        """Return seconds until the restart: at once for the first, then 10 s doubling to 300 s."""
        again = len(service.starts) - 1
        return RESTART_AFTER if again == 0 else min(BACKOFF_MAX, 10.0 * 2.0 ** (again - 1))


def _answers(service: Supervised) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", service.port or 0, timeout=LIVENESS_TIMEOUT)
    try:
        connection.request("GET", service.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
