"""The faults: each is a real one, done to real processes and a real database file."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

from .services import database
from .timeline import Mark, Timeline
from .yard import Service, Yard

STARVED_PERIOD = 0.2
"""Seconds of one round of stopping and continuing a process."""


class Faults:
    """Breaks and repairs; says so on the timeline and remembers what is broken now."""

    def __init__(self, yard: Yard, timeline: Timeline, database_file: Path) -> None:
        self.active: dict[str, str] = {}
        """What is broken now: a short name, and how people say it."""
        self._yard = yard
        self._timeline = timeline
        self._database = database_file

    def _broken(self, name: str, label: str, text: str) -> None:
        self._timeline.add(Mark.FAULT, text)
        self.active[name] = label

    def repaired(self, name: str, text: str) -> float:
        """Note that a fault is over; returns the moment."""
        if self.active.pop(name, None) is not None:
            self._timeline.add(Mark.REPAIR, text)
        return time.monotonic()

    def kill(self, service: Service) -> float:
        """Kill the process (SIGKILL): connections are refused. Returns the moment, like all that follow."""
        moment = time.monotonic()
        service.send(signal.SIGKILL)
        label = f"{service.name} killed"
        self._broken(service.name, label, f"{label} (SIGKILL, pid {service.pid})")
        return moment

    def stop(self, service: Service) -> float:
        """Stop the process (SIGSTOP): connections are accepted by the kernel and then hang."""
        moment = time.monotonic()
        service.send(signal.SIGSTOP)
        label = f"{service.name} stopped"
        self._broken(service.name, label, f"{label} (SIGSTOP, pid {service.pid}): its sockets hang")
        return moment

    def resume(self, service: Service) -> float:
        """Let a stopped process go on (SIGCONT)."""
        service.send(signal.SIGCONT)
        return self.repaired(service.name, f"{service.name} continued (SIGCONT)")

    @contextlib.asynccontextmanager
    async def starved(self, service: Service, share: float) -> AsyncIterator[float]:
        """Stop the process for `share` of the time, in turns with letting it run: its answers become slow."""
        name = f"{service.name} starved"
        moment = time.monotonic()
        text = f"{service.name} may run {1 - share:.0%} of the time (SIGSTOP and SIGCONT in turns): it is slow"
        self._broken(name, f"{service.name} slow", text)
        task = asyncio.create_task(self._starve(service, share))
        try:
            yield moment
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            service.send(signal.SIGCONT)
            self.repaired(name, f"{service.name} runs freely again")

    async def _starve(self, service: Service, share: float) -> None:
        while True:
            service.send(signal.SIGSTOP)
            await asyncio.sleep(STARVED_PERIOD * share)
            service.send(signal.SIGCONT)
            await asyncio.sleep(STARVED_PERIOD * (1 - share))

    def lock(self, share: float, period: float = 0.2) -> float:
        """Let the batch job hold the database's exclusive lock for `share` of each `period` seconds; 0 ends it."""
        self._yard.write("lock-rhythm", f"{share} {period}")
        if not share:
            return self.repaired("database locked", "batch job has let go of the database")
        held = "all the time" if share >= 1 else f"{share:.0%} of the time"
        label = f"database locked {held}"
        self._broken("database locked", label, f"{label} by a batch job (BEGIN EXCLUSIVE)")
        return time.monotonic()

    async def lose_table(self) -> float:
        """Rename the products table away: every query that needs it is an error."""
        await asyncio.to_thread(self._alter, "ALTER TABLE products RENAME TO products_lost")
        self._broken("table missing", "table missing", "products table renamed away: every query is an error")
        return time.monotonic()

    async def restore_table(self) -> float:
        """Rename it back."""
        await asyncio.to_thread(self._alter, "ALTER TABLE products_lost RENAME TO products")
        return self.repaired("table missing", "products table is back")

    def _alter(self, statement: str) -> None:
        connection: sqlite3.Connection = database.connect(self._database, busy_timeout=2.0)
        try:
            connection.execute(statement)
        finally:
            connection.close()
