"""What is kept of one traced call until its span ends."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import Context, create_key, get_current
from opentelemetry.trace import Span

from ...core.events import Event, FallbackUsed
from . import attributes as names

if TYPE_CHECKING:
    from contextvars import Token

MAX_EVENTS = 128
"""Events of one span; the SDK's own default. Further ones are counted."""
TRACE_KEY = create_key("scrollintel-call")
"""Under this key a context holds the trace of the protected call that it belongs to."""
_FIELDS = {
    "key": names.KEY, "reason": names.REASON, "old": names.OLD_STATE, "new": names.STATE, "retry_after": names.DELAY,
    "delay": names.DELAY, "after": names.DELAY, "attempt": names.ATTEMPT, "attempts": names.ATTEMPTS,
    "layer": names.LAYER, "timeout": names.TIMEOUT, "elapsed": names.ELAPSED, "error": names.ERROR_TYPE,
    "kind": names.FALLBACK, "abandoned": names.ABANDONED,
}  # fmt: skip
"""Fields of events and the attributes that carry them; the others say nothing about a single call."""

Values = Mapping[str, Any]  # Any: the types that attributes may have


class _Note(NamedTuple):
    at: int
    name: str
    values: Values | Event


class CallTrace:
    """One traced call; written by all threads that run its attempts.

    Attributes:
        span: Its span.
        context: Context in which its attempts run.
        token: What leaves that context.
        open: False once the call has ended; what losers of a race do later is not recorded.
        answered: Whether a fallback gave the result.
    """

    __slots__ = ("_names", "_notes", "_number", "_room", "answered", "attempts", "context", "open", "span", "token")

    def __init__(self, span: Span, context: Context, *, policy: str, circuit: str) -> None:
        self.span = span
        self.context = context
        self.token: Token[Context] | None = None
        self.open = True
        self.answered = False
        self.attempts = 0
        self._names = (policy, circuit)
        self._notes: list[_Note] = []
        self._number = itertools.count(1)
        self._room = itertools.count(1)

    def count_attempt(self) -> None:
        """Count an attempt that begins."""
        self.attempts = next(self._number)

    def note(self, name: str, values: Values) -> None:
        """Keep an event for the span."""
        self._keep(name, values)

    def hear(self, event: Event) -> None:
        """Keep a fact of the engine if it is about this call; neither blocks nor raises."""
        if self.open and event.policy in self._names:
            if isinstance(event, FallbackUsed):
                self.answered = True
            self._keep(event.event_name, event)

    def _keep(self, name: str, values: Values | Event) -> None:
        if self.open and next(self._room) <= MAX_EVENTS:
            self._notes.append(_Note(time.time_ns(), name, values))

    def write(self) -> None:
        """Close the trace and put what was kept onto the span."""
        self.open = False
        for note in list(self._notes):
            values = _of_event(note.values) if isinstance(note.values, Event) else note.values
            self.span.add_event(note.name, values, note.at)
        dropped = next(self._room) - 1 - MAX_EVENTS
        if dropped > 0:
            self.span.set_attribute(names.EVENTS_DROPPED, dropped)


def current() -> CallTrace | None:
    """Return the trace of the protected call that runs in this context, or None."""
    found = get_current().get(TRACE_KEY)
    return found if isinstance(found, CallTrace) and found.open else None


def _of_event(event: Event) -> Values:
    values: dict[str, Any] = {}  # Any: the types that attributes may have
    for field in dataclasses.fields(event):
        name = _FIELDS.get(field.name)
        value = getattr(event, field.name)
        if name is not None and value is not None:
            values[name] = value.value if isinstance(value, Enum) else value
    return values
