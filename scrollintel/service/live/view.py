"""What all pages of one scope show: rows with versions, and the message that leads from one version to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from ...core.clock import Clock
from ...core.states import CircuitState
from ...security.access import Permission
from ..caller import Caller
from ..facts import Fact, FactStream
from .rows import (
    SUMMARY_FIGURES,
    Rendering,
    Row,
    circuit_figures,
    circuit_stands,
    target_figures,
    target_stands,
)
from .sources import Sources

MOST_FACTS = 1_000
"""Facts of one message at most; further ones come with the next messages, up to 20,000 in a second."""
MOST_BYTES = 2**20
"""Bytes of the facts of one message at most, or one fact."""
MOST_GONE = 10_000
"""Circuits and targets that are remembered to be no more; who has not heard of an older one is given everything."""
MOST_MADE = 64
"""Messages that are kept for others until the next tick."""


class Place(NamedTuple):
    """How far a page has come.

    Arguments:
        position: Number of the last fact that it was told.
        version: Version of the view that it shows; 0 when it shows nothing.
    """

    position: int
    version: int


class Message(NamedTuple):
    """What leads from one place to another; no text when there is nothing to tell on the way."""

    text: bytes
    place: Place


class View:
    """One scope as pages show it. On the event loop.

    Arguments:
        caller: One of those who look; all of them may see the same.
        sources: Where it reads from.
        rendering: How rows are written.
        facts: The stream of facts.
        clock: Source of time.
    """

    def __init__(self, caller: Caller, sources: Sources, rendering: Rendering, facts: FactStream, clock: Clock) -> None:
        self._caller = caller
        self._sources = sources
        self._render = rendering
        self._facts = facts
        self._clock = clock
        self._version = 1
        self.is_changed = False
        self._circuits: dict[str, Row] = {}
        self._states: dict[str, CircuitState] = {}
        self._targets: dict[str, Row] = {}
        self._summary: Row | None = None
        self._gone: OrderedDict[str, int] = OrderedDict()  # circuit → version
        self._gone_targets: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0
        self._head = facts.number
        self._made: dict[Place, Message] = {}
        self._sees: dict[str | None, bool] = {}
        self.is_shown = caller.identity.may(Permission.HEALTH_READ)

    # ------------------------------------------------------------------ looking

    @property
    def names(self) -> Iterable[str]:
        """Names of the circuits that it shows."""
        return self._circuits.keys()

    def look_at_circuits(self, names: Iterable[str], *, figures: bool) -> None:
        """Take over how circuits stand; those that only count something else only with `figures`."""
        for name in names:
            whole = self._sources.circuit(self._caller, name)
            row = self._circuits.get(name)
            if whole is None:
                if row is not None:
                    del self._circuits[name], self._states[name]
                    self._is_gone(self._gone, name)
                continue
            stands, counted = circuit_stands(whole), circuit_figures(whole)
            if row is not None and row.stands == stands and not (figures and row.figures != counted):
                continue
            self._gone.pop(name, None)
            self._circuits[name] = self._row(stands, counted, self._render.circuit(whole))
            self._states[name] = whole.state

    def look_at_targets(self, *, figures: bool) -> None:
        """Take over how targets stand."""
        now = self._clock.monotonic()
        views = self._sources.targets(self._caller)
        for view in views:
            name, stands, counted = view.target.name, target_stands(view), target_figures(view)
            row = self._targets.get(name)
            if row is not None and row.stands == stands and not (figures and row.figures != counted):
                continue
            self._gone_targets.pop(name, None)
            self._targets[name] = self._row(stands, counted, self._render.target(view, now))
        for name in self._targets.keys() - {view.target.name for view in views}:
            del self._targets[name]
            self._is_gone(self._gone_targets, name)

    def look_at_summary(self, *, figures: bool) -> None:
        """Take over the summary."""
        if not self.is_shown:
            return
        summary = self._sources.summary(self._caller, self._states)
        steady = {name: value for name, value in summary.items() if name not in SUMMARY_FIGURES}
        row = self._summary
        if row is not None and not figures and row.stands == steady:
            return
        text = self._render.document(summary)
        if row is None or row.text != text:
            self._summary = self._row(steady, None, text)

    def _row(self, stands: object, figures: object, text: bytes) -> Row:
        """Return a row of the version that begins with the next `settle`."""
        self.is_changed = True
        return Row(stands, figures, text, self._version + 1)

    def _is_gone(self, gone: OrderedDict[str, int], name: str) -> None:
        self.is_changed = True
        gone[name] = self._version + 1
        gone.move_to_end(name)
        while len(gone) > MOST_GONE:
            self._forgotten = max(self._forgotten, gone.popitem(last=False)[1])

    def settle(self) -> bool:
        """Let what was looked at become the present version, up to the newest fact; tells whether there is news."""
        has_news = self.is_changed or self._head != self._facts.number
        self._version += self.is_changed
        self.is_changed = False
        self._head = self._facts.number
        if has_news:
            self._made.clear()
        return has_news

    # ------------------------------------------------------------------ telling

    @property
    def place(self) -> Place:
        """Where a page is that has been told everything."""
        return Place(self._head, self._version)

    def message(self, place: Place) -> Message:
        """Return what a page at a place is told next; the same bytes for all pages that are there."""
        made = self._made.get(place)
        if made is None:
            made = self._make(place)
            if len(self._made) < MOST_MADE:
                self._made[place] = made
        return made

    def _make(self, place: Place) -> Message:
        position, version = place
        reset = b""
        if position < self._facts.oldest - 1:
            reset, position, version = self._facts.reset(), self._head, 0
        rows, until = self._rows(position)
        members = []
        if rows:
            members.append(b'"facts":[' + b",".join(rows) + b"]")
        members += self._state(version)
        place = Place(until, self._version)
        if not members:
            return Message(reset, place)
        at = self._render.document({"at": datetime.fromtimestamp(self._clock.time(), UTC)})[1:-1]
        begin = f"id: {self._facts.epoch}-{until}\nevent: batch\ndata: {{".encode()
        return Message(b"".join((reset, begin, b",".join((at, *members)), b"}\n\n")), place)

    def _rows(self, position: int) -> tuple[list[bytes], int]:
        """Return the next facts after a position, and the number up to which they tell everything."""
        until = max(position, min(self._head, position + MOST_FACTS))
        rows: list[bytes] = []
        size = 0
        for fact in self._facts.between(position, until):
            if not self._is_seen(fact):
                continue
            row = fact.row
            size += len(row)
            if rows and size > MOST_BYTES:
                return rows, fact.number - 1
            rows.append(row)
        return rows, until

    def _is_seen(self, fact: Fact) -> bool:
        service = fact.service
        known = self._sees.get(service)
        if known is None:
            if len(self._sees) >= MOST_GONE:
                self._sees.clear()
            known = self._sees[service] = self._caller.sees(Permission.EVENTS_READ, service)
        return known

    def _state(self, version: int) -> Iterable[bytes]:
        """Yield what has changed since a version."""
        if version < self._forgotten:
            version = 0
        if not version:
            yield b'"whole":true'
        for name, rows in (("circuits", self._circuits), ("targets", self._targets)):
            texts = [row.text for row in rows.values() if row.version > version]
            if texts:
                yield b'"%s":[%s]' % (name.encode(), b",".join(texts))
        if version:
            for name, gone in (("gone", self._gone), ("gone_targets", self._gone_targets)):
                names = [what for what, since in gone.items() if since > version]
                if names:
                    yield self._render.document({name: names})[1:-1]
        if self._summary is not None and self._summary.version > version:
            yield b'"summary":' + self._summary.text
