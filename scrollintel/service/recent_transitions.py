"""The newest changes of state of each circuit, at hand for whoever looks at it; the history holds all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..core.states import CircuitState
from ..storage.engine import Database
from ..storage.errors import StoreUnavailableError
from ..storage.transition_history import newest

KEPT = 50
"""Changes of state of one circuit that are shown with it."""
WITH_EVIDENCE = 10
"""Those of them that are kept with the calls that decided them; the history holds these of all."""
MAX_CIRCUITS = 20_000

Row = dict[str, Any]  # Any: the columns' values


class RecentTransitions:
    """Keeps them in memory; everything but the query happens on the event loop.

    Arguments:
        database: Where those of the life before are read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, deque[Row]] = {}
        self._opened: dict[str, Row] = {}
        self._loaded = False

    def of(self, circuit: str) -> list[Row]:
        """Return those of a circuit, oldest first.

        The one that opened it is always among them with what decided it, however often it was probed since.
        """
        rows, opened = list(self._kept.get(circuit, ())), self._opened.get(circuit)
        if opened is None:
            return rows
        place = next((place for place, row in enumerate(rows) if _identity(row) == _identity(opened)), None)
        if place is None:
            return [opened, *rows]
        rows[place] = opened
        return rows

    def since(self, moment: datetime) -> Iterator[Row]:
        """Yield those of all circuits from a moment on, each circuit's newest first."""
        for kept in self._kept.values():
            for row in reversed(kept):
                if row["at"] < moment:
                    break
                yield row

    def note(self, row: Row) -> None:
        """Keep one that happens now."""
        kept = self._kept.get(row["circuit"])
        if kept is None:
            if len(self._kept) >= MAX_CIRCUITS:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._opened.pop(oldest, None)
            kept = self._kept[row["circuit"]] = deque(maxlen=KEPT)
        kept.append(row)
        if row["old"] == CircuitState.CLOSED and row["new"] == CircuitState.OPEN:
            self._opened[row["circuit"]] = row
        if len(kept) > WITH_EVIDENCE and kept[-1 - WITH_EVIDENCE]["evidence"] is not None:
            kept[-1 - WITH_EVIDENCE] = {**kept[-1 - WITH_EVIDENCE], "evidence": None}

    async def load(self) -> None:
        """Take over those of the life before, once; does nothing while the database is away."""
        if self._loaded:
            return
        try:
            found = await asyncio.to_thread(self._newest)
        except StoreUnavailableError:
            return
        before = [{name: value for name, value in row.items() if name != "id"} for row in found]
        known = {_identity(row) for row in before}
        told = [row for rows in self._kept.values() for row in rows]
        since = [row for row in told if _identity(row) not in known]
        self._loaded = True
        self._kept.clear()
        self._opened.clear()
        for row in [*before, *since]:
            self.note(row)

    def _newest(self) -> list[Mapping[str, Any]]:  # Any: the columns' values
        with self._database.reader() as connection:
            return newest(connection, MAX_CIRCUITS)


def _identity(row: Row) -> tuple[object, ...]:
    """Return what tells one change from others; what decided it may be left out of one that is kept."""
    return tuple(value for name, value in sorted(row.items()) if name != "evidence")
