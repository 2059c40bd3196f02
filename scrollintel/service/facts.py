"""The stream of facts: what happened, numbered, kept for a while, handed to everybody who listens."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..security.access import Identity
from .listeners import Listeners

KEPT = 10_000
"""Facts that a listener who was away can catch up on."""
HEARTBEAT = 4.0
"""Seconds of silence after which a comment is sent: proxies keep the connection, dead peers are noticed, and a listener
whose token was revoked is let go within 5 s."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class Fact:
    """Something that happened.

    Arguments:
        number: Position in the stream, from 1.
        event: Stable name such as "circuit.state_changed".
        service: The service it belongs to, or None; listeners are told only of services that they may see.
        data: JSON values.
        epoch: The epoch of the stream.
    """

    number: int
    event: str
    service: str | None
    data: dict[str, Any]  # Any: JSON values
    epoch: str

    @cached_property
    def text(self) -> bytes:
        """The fact as a server-sent event, encoded when the first listener needs it, for all of them."""
        content = _encode({"event": self.event, "service": self.service, **self.data})
        return f"id: {self.epoch}-{self.number}\nevent: {self.event}\ndata: {content}\n\n".encode()

    @cached_property
    def row(self) -> bytes:
        """The fact as a JSON object with its identity; an `id` of what it is about is called `subject` there."""
        data = self.data
        if "id" in data:
            data = {**data, "subject": data["id"]}
            del data["id"]
        place = {"id": f"{self.epoch}-{self.number}", "event": self.event, "service": self.service}
        return _encode({**place, **data}).encode()


class FactStream:
    """Facts in the order in which they became known. Everything happens on the event loop.

    Identities of facts are "epoch-number"; the epoch is another one after each start, so that a listener that was away
    over a restart is told to look anew instead of missing something unnoticed.
    """

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self._facts: deque[Fact] = deque(maxlen=KEPT)
        self._number = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self.listeners = Listeners()
        """Everybody who follows; whoever admits them asks there first."""
        self.on_told: list[Callable[[Fact], object]] = []
        """Called with each fact when it is added."""
        self.on_wake: Callable[[], object] = lambda: None
        """Is called when listeners have to ask whether they may still listen."""
        self._closed = False

    def tell(self, event: str, data: dict[str, Any], *, service: str | None = None) -> Fact:  # Any: JSON values
        """Add a fact and wake the listeners."""
        self._number += 1
        fact = Fact(self._number, event, service, data, self.epoch)
        self._facts.append(fact)
        self._call()
        for action in self.on_told:
            action(fact)
        return fact

    @property
    def number(self) -> int:
        """Number of the newest fact, and how many there were since the start; 0 before the first one."""
        return self._number

    @property
    def oldest(self) -> int:
        """Number of the oldest fact that is kept; that of the next one when there is none."""
        return self._facts[0].number if self._facts else self._number + 1

    @property
    def closed(self) -> bool:
        """Whether all streams end."""
        return self._closed

    @property
    def last_id(self) -> str:
        """Identity of the newest fact, where a listener that begins now begins."""
        return f"{self.epoch}-{self._number}"

    def recent(self, limit: int) -> list[Fact]:
        """Return the newest facts, oldest first."""
        facts = list(self._facts)
        return facts[-limit:]

    def close(self) -> None:
        """End all streams, because the service stops."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Let every listener look for news and ask whether it may still listen."""
        self._call()
        self.on_wake()

    def _call(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def position(self, last_id: str | None) -> tuple[int, bool]:
        """Return the number after which a listener begins that saw `last_id` last, and whether it may have missed any.

        Arguments:
            last_id: None for one that begins with what comes next.
        """
        if not last_id:
            return self._number, False
        epoch, _, number = last_id.partition("-")
        if epoch != self.epoch or not number.isascii() or not number.isdigit() or len(number) > 15:
            return self._number, True
        position = int(number)
        if position > self._number or position < self.oldest - 1:
            return self._number, True
        return position, False

    async def follow(
        self,
        identity: Identity,
        *,
        last_id: str | None,
        sees: Callable[[str | None], bool],
        alive: Callable[[], bool],
        names: frozenset[str] = frozenset(),
    ) -> AsyncGenerator[bytes]:
        """Yield server-sent events from after `last_id` on, until the stream closes or `alive` says no.

        Arguments:
            identity: Who listens.
            last_id: What the listener saw last; None begins with what comes next. What is no longer kept is answered
                with an event "stream.reset": the listener has to read the present state anew.
            sees: Whether the listener may know of a service's facts.
            names: Only events of these names; all by default.
            alive: Whether the listener's leave to listen still holds; asked before each delivery.
        """
        with self.listeners.place(identity) as is_admitted:
            if not is_admitted:
                return
            position, missed = self.position(last_id)
            yield b"retry: 1000\n\n"
            if missed:
                yield self.reset()
            while not self._closed and alive():
                news = self._after(position)
                if news:
                    if news[0].number > position + 1:
                        yield self.reset()
                    position = news[-1].number
                    wanted = (fact for fact in news if not names or fact.event in names)
                    chunk = b"".join(fact.text for fact in wanted if sees(fact.service))
                    if chunk:
                        yield chunk
                    continue
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await asyncio.wait_for(waiter, HEARTBEAT)
                except TimeoutError:
                    yield b": still here\n\n"
                finally:
                    self._waiters.discard(waiter)

    def reset(self) -> bytes:
        """Return the event that says that something was missed."""
        return f"id: {self.last_id}\nevent: stream.reset\ndata: {{}}\n\n".encode()

    def _after(self, position: int) -> list[Fact]:
        return self.between(position, self._number)

    def between(self, after: int, until: int) -> list[Fact]:
        """Return the facts with numbers above `after` up to `until`, oldest first, as far as they are kept."""
        found: list[Fact] = []
        for fact in reversed(self._facts):
            if fact.number <= after:
                break
            if fact.number <= until:
                found.append(fact)
        found.reverse()
        return found
