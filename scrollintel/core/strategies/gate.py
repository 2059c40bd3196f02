"""What a driver may ask of a link that admits and settles attempts."""

from __future__ import annotations

from typing import Any, Protocol

from ..call import Call
from ..clock import Clock
from ..hub import EventHub
from ..machines.slots import Ticket

NO_RESULT: Any = object()
"""Given to `leave` by a block, which returns nothing that a predicate could judge."""


class Wait:
    """Not yet: the driver waits `seconds`, or until `ticket` is granted, and then asks `resume`.

    Exactly one of the two is given; with a ticket, `limit` is the longest wait in seconds or None.
    """

    __slots__ = ("limit", "seconds", "ticket")

    def __init__(self, *, seconds: float = 0.0, ticket: Ticket | None = None, limit: float | None = None) -> None:
        self.seconds = seconds
        self.ticket = ticket
        self.limit = limit


class Immediate:
    """What a gate has where nobody waits."""

    __slots__ = ()

    def resume(self, call: Call, wait: Wait) -> object:
        """Return a permit; never asked, because nobody waits here."""
        return True

    def give_up(self, call: Call, wait: Wait) -> None:
        """Do nothing; never asked, because nobody waits here."""


class Queue(Protocol):
    """Whose `Wait` a driver can see to its end; `call` is whatever the owner knows a request by."""

    def resume(self, call: Any, wait: Wait) -> object:
        """Return the permit after a wait; raises RejectedError when it was in vain."""

    def give_up(self, call: Any, wait: Wait) -> None:
        """Leave the line, because the waiting call was cancelled."""


class Gate(Protocol):
    """A link that admits an attempt and hears of its end; the same for both drivers."""

    def enter(self, call: Call) -> object:
        """Return a permit, or a `Wait`; raises RejectedError when the attempt may not start."""

    def resume(self, call: Call, wait: Wait) -> object:
        """Return the permit after a wait; raises RejectedError when it was in vain."""

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line, because the waiting call was cancelled."""

    def leave(self, call: Call, permit: object, error: BaseException | None, value: object) -> object:
        """Take the permit back and count the result; what it returns is of no use to a driver."""


def tell_refusal(
    hub: EventHub, clock: Clock, policy: str, layer: str, *, key: str | None = None, retry_after: float | None = None
) -> None:
    """Emit the event that a layer has refused an attempt or a call, if anybody listens."""
    if hub.active:
        from ..events import CallRejected

        hub.emit(CallRejected(policy=policy, at=clock.time(), layer=layer, key=key, retry_after=retry_after))
