"""What may have changed since it was looked at last: names only, gathered as cheaply as they come."""

from __future__ import annotations

from zlib import crc32

from ..facts import Fact
from ..fleet import Fleet
from .sources import Sources

SLICES = 4
"""Parts that circuits are divided into, so that their figures are looked at in turns."""
MOVED_BY_PEOPLE = ("circuit.", "policy.")


class News:
    """Circuits to look at. On the event loop.

    Arguments:
        fleet: The replicas; one that falls silent changes its circuits.
        sources: Knows what is configured.
    """

    def __init__(self, fleet: Fleet, sources: Sources) -> None:
        self._fleet = fleet
        self._sources = sources
        self._at_once: set[str] = set()
        self._figures: list[set[str]] = [set() for _ in range(SLICES)]
        self._events: set[str] = set()
        self._configured: dict[str, object] = {}
        self._stale: set[str] = set()

    def touch(self, circuit: str, *, at_once: bool) -> None:
        """Have a circuit looked at with the next tick, or its figures within a second."""
        if at_once:
            self._at_once.add(circuit)
        else:
            self._figures[crc32(circuit.encode()) % SLICES].add(circuit)

    def tell(self, fact: Fact) -> None:
        """Take note of a fact; those of replicas come with a report of the circuit itself."""
        self._events.add(fact.event)
        if "replica" not in fact.data and fact.event.startswith(MOVED_BY_PEOPLE):
            for name in ("circuit", "policy", "name"):
                circuit = fact.data.get(name)
                if isinstance(circuit, str):
                    self._at_once.add(circuit)

    def look_around(self) -> None:
        """Find what nobody tells: replicas that fall silent or speak again, and other configurations and orders."""
        stale = {session.id for session in self._fleet.sessions() if self._fleet.is_stale(session)}
        if stale != self._stale:
            for session in self._fleet.sessions():
                if (session.id in stale) != (session.id in self._stale):
                    self._at_once.update(session.circuits)
            self._stale = stale
        configured = self._sources.configured()
        if configured != self._configured:
            names = configured.keys() | self._configured.keys()
            self._at_once.update(n for n in names if configured.get(n, self) != self._configured.get(n, self))
            self._configured = configured

    def take(self) -> tuple[set[str], set[str]]:
        """Return the circuits to look at now, and the names of the events since the last time."""
        taken = self._at_once, self._events
        self._at_once, self._events = set(), set()
        return taken

    def take_figures(self, turn: int) -> set[str]:
        """Return the circuits whose figures are looked at in a turn."""
        taken, self._figures[turn] = self._figures[turn], set()
        return taken

    def forget(self) -> None:
        """Forget everything, because nobody looks."""
        self.take()
        for turn in range(SLICES):
            self.take_figures(turn)
