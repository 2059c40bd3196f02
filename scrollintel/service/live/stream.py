"""Pages that follow what happens: they march in step, and share the bytes of each message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

from ...core.clock import Clock
from ...security.access import Identity, Scope
from ..caller import Caller
from ..errors import TooManyListenersError
from ..facts import HEARTBEAT, Fact, FactStream
from ..fleet import Fleet
from ..listeners import RETRY_AFTER
from .news import SLICES, News
from .room import Room
from .rows import Rendering
from .sources import Sources, scopes_of
from .view import Place, View

INTERVAL = 0.05
"""Seconds between two messages to a page at least."""
SLACK = 1e-6
"""Seconds by which sums of times may be wrong."""
GATHER = 0.005
"""Seconds that news waits for more of its kind: a change comes as a fact and as a state."""
TURN = 1.0 / SLICES
"""Seconds after which the figures of another part of the circuits are looked at: those of each once a second."""
SUMMARY_PAUSE = 0.25
"""Seconds between two looks at the summary at least: it is made from everything."""
TARGET_FIGURES = 5 * SLICES
"""Turns after which targets are told whose looks have only gone on."""
MAX_ROOMS = 200
"""Different scopes that are looked at at once; each costs as much as all pages of another."""
STILL_HERE = b": still here\n\n"


class LiveStream:
    """Looks at what has changed in one tick for all pages, at most every `INTERVAL`. On the event loop.

    While nobody follows, nothing is looked at. Nothing is queued for a page that cannot keep up: it is given what leads
    from where it is to where everything is by then.

    Arguments:
        sources: What there is to see.
        fleet: Tells of circuits.
        facts: The stream of facts; pages count among its listeners.
        clock: Source of time.
        on_look: Is told how each look has ended: the error, or None.
    """

    def __init__(
        self,
        sources: Sources,
        fleet: Fleet,
        facts: FactStream,
        clock: Clock,
        *,
        on_look: Callable[[Exception | None], object] = lambda error: None,
    ) -> None:
        self._sources = sources
        self._facts = facts
        self._clock = clock
        self._on_look = on_look
        self._news = News(fleet, sources)
        self._rooms: dict[tuple[Scope, ...], Room] = {}
        self._ticked_at = self._summed_at = float("-inf")
        self._is_summary_due = False
        self._is_armed = False
        self._turns = 0
        self._life = 0
        fleet.on_touched = self._touched
        facts.on_told.append(self._told)
        facts.on_wake = self._woken

    # ------------------------------------------------------------------ pages

    def require_place(self, identity: Identity) -> None:
        """Raise unless a page of an identity can follow now.

        Raises:
            TooManyStreamsError: when the identity follows too much.
            TooManyListenersError: when all together do, or look at too many different scopes.
        """
        self._facts.listeners.require_place(identity)
        if len(self._rooms) >= MAX_ROOMS and scopes_of(identity) not in self._rooms:
            raise TooManyListenersError(f"{MAX_ROOMS} different scopes are followed already", retry_after=RETRY_AFTER)

    async def follow(
        self, caller: Caller, rendering: Rendering, *, last_id: str | None, alive: Callable[[], bool]
    ) -> AsyncGenerator[bytes]:
        """Yield server-sent events from after `last_id` on, until the streams close or `alive` says no.

        Arguments:
            caller: Who looks.
            rendering: How rows are written.
            last_id: What the page saw last; None begins with what comes next. What is no longer kept is answered with
                an event "stream.reset". The first message holds everything in any case.
            alive: Whether the leave to look still holds; asked before each message.
        """
        room: Room | None = None
        scopes = scopes_of(caller.identity)
        with self._facts.listeners.place(caller.identity) as is_admitted:
            if not is_admitted:
                return
            try:
                yield b"retry: 1000\n\n"
                room = self._enter(scopes, caller, rendering)
                position, missed = self._facts.position(last_id)
                place = Place(room.view.place.position if missed or not last_id else position, 0)
                reset, earliest = self._facts.reset() if missed else b"", float("-inf")
                while not self._facts.closed and not room.is_broken and alive():
                    if place == room.view.place:
                        if await room.wait() and place == room.view.place:
                            yield STILL_HERE
                        continue
                    if self._ticked_at < earliest:
                        room.is_behind = True
                        self._nudge()
                        await room.wait()
                        continue
                    # The first message comes at once, between two ticks.
                    ticked_at = self._clock.monotonic() if place.version == 0 else self._ticked_at
                    earliest = ticked_at + INTERVAL - SLACK
                    text, place = room.view.message(place)
                    if text:
                        yield reset + text
                        reset = b""
            finally:
                if room is not None:
                    self._leave(scopes, room)

    def _enter(self, scopes: tuple[Scope, ...], caller: Caller, rendering: Rendering) -> Room:
        room = self._rooms.get(scopes)
        if room is None:
            self._sources.bring_up_to_date()
            if not self._rooms:
                self._begin()
            view = View(caller, self._sources, rendering, self._facts, self._clock)
            view.look_at_circuits(self._sources.configured(), figures=True)
            view.look_at_targets(figures=True)
            view.look_at_summary(figures=True)
            view.settle()
            room = self._rooms[scopes] = Room(view)
        room.pages += 1
        return room

    def _leave(self, scopes: tuple[Scope, ...], room: Room) -> None:
        room.pages -= 1
        if not room.pages and self._rooms.get(scopes) is room:
            del self._rooms[scopes]

    # ------------------------------------------------------------------ what happens

    def _touched(self, circuit: str, at_once: bool) -> None:
        if self._rooms:
            self._news.touch(circuit, at_once=at_once)
            if at_once:
                self._nudge()

    def _told(self, fact: Fact) -> None:
        if self._rooms:
            self._news.tell(fact)
            self._nudge()

    def _woken(self) -> None:
        for room in self._rooms.values():
            room.call(beat=False)

    # ------------------------------------------------------------------ time

    def _begin(self) -> None:
        """Begin to look, for the first page that comes."""
        self._news.forget()
        self._news.look_around()
        self._life += 1
        life = self._life
        self._later(TURN, lambda: self._turn(life))
        self._later(HEARTBEAT, lambda: self._beat(life))

    def _turn(self, life: int) -> None:
        """Look at a part of the figures, and once a second at everything that nobody tells of."""
        if not self._rooms or life != self._life:
            return
        self._later(TURN, lambda: self._turn(life))
        self._turns += 1
        self._look(figures=True)

    def _beat(self, life: int) -> None:
        """Have those who have nothing to tell give a sign of life."""
        if not self._rooms or life != self._life:
            return
        self._later(HEARTBEAT, lambda: self._beat(life))
        for room in self._rooms.values():
            room.call(beat=True)

    def _nudge(self) -> None:
        """Have a tick as soon as one is due."""
        if not self._is_armed:
            self._is_armed = True
            self._later(max(GATHER, self._ticked_at + INTERVAL - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        try:
            self._look(figures=False)
        finally:
            self._is_armed = False  # only now: what is found is told below, and needs no further tick
        self._ticked_at = self._clock.monotonic()
        for room in self._rooms.values():
            is_behind, room.is_behind = room.is_behind, False
            if room.view.settle() or is_behind:
                room.call(beat=False)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if self._clock.call_later(seconds, action) is None:
            asyncio.get_running_loop().call_later(seconds, action)

    # ------------------------------------------------------------------ looking

    def _look(self, *, figures: bool) -> None:
        """Look at what may have changed; what has is told with the next tick."""
        is_second = figures and self._turns % SLICES == 0
        if is_second:
            self._sources.bring_up_to_date()
            self._news.look_around()
        names, events = self._news.take()
        counted = self._news.take_figures(self._turns % SLICES) if figures else set()
        now = self._clock.monotonic()
        self._is_summary_due = self._is_summary_due or is_second or bool(names or events)
        is_summary = self._is_summary_due and (is_second or now - self._summed_at >= SUMMARY_PAUSE)
        if is_summary:
            self._is_summary_due, self._summed_at = False, now
        is_target = is_second or any(event.startswith("target.") for event in events)
        error: Exception | None = None
        for room in list(self._rooms.values()):
            view = room.view
            try:
                view.look_at_circuits(names, figures=False)
                view.look_at_circuits(counted, figures=True)
                if is_target:
                    view.look_at_targets(figures=is_second and self._turns % TARGET_FIGURES == 0)
                if is_summary:
                    view.look_at_summary(figures=is_second)
            except Exception as found:  # whose view cannot be made is told so by the end of the stream
                error = found
                self._break(room)
            else:
                if view.is_changed:
                    self._nudge()
        self._on_look(error)

    def _break(self, room: Room) -> None:
        room.is_broken = True
        self._rooms = {scopes: known for scopes, known in self._rooms.items() if known is not room}
        room.call(beat=False)
