"""The trace context in the headers of a request, while tracing is on and nobody else puts it there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..core.locks import new_lock
from .propagation import outgoing

Source = Callable[[], Mapping[str, str]]
"""Gives the headers that carry the trace of whoever asks; must not raise."""

Propagate = bool | Callable[[Any], bool]  # Any: a request of any client
"""Whether requests tell the next service their deadline, criticality and attempt; or a function that says so."""


class Outgoing:
    """The switch of this process; it is on while anybody has turned it on.

    Attributes:
        source: Gives the headers, or None while tracing is off.
        fields: Names of the headers that carry a trace.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._users = 0
        self.source: Source | None = None
        self.fields: Collection[str] = ()

    def turn_on(self, source: Source, fields: Collection[str]) -> None:
        """Put headers into requests from now on."""
        with self._lock:
            self._users += 1
            self.fields = fields
            self.source = source

    def turn_off(self) -> None:
        """Take back one `turn_on`."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self.source = None


OUTGOING = Outgoing()


def traces_for(request: Any) -> Source | None:  # Any: a request of any client
    """Return what gives the trace of each attempt of `request`, or None while there is none to put.

    A request that has a trace already keeps it: the caller, or an instrumentation outside, has put it there.
    """
    source = OUTGOING.source
    if source is None or any(name in request.headers for name in OUTGOING.fields):
        return None
    return source


def with_trace(headers: Any, traces: Source | None) -> Any:  # Any: headers of any client
    """Return the headers with which an attempt that begins carries its trace; the given ones stay as they are."""
    found = None if traces is None else traces()
    if not found:
        return headers
    carried = headers.copy()
    carried.update(found)
    return carried


def carried_by(request: Any, propagate: Propagate = False) -> Source | None:  # Any: a request of any client
    """Return what gives the headers of each attempt of `request`, its trace and what the next service is to know.

    None while there are none to put. Headers that the caller has set stay.
    """
    traces = traces_for(request)
    if not (propagate(request) if callable(propagate) else propagate):
        return traces
    own = request.headers
    numbers = itertools.count(1)

    def headers() -> Mapping[str, str]:
        found = {} if traces is None else dict(traces())
        found.update((name, value) for name, value in outgoing(next(numbers)).items() if name not in own)
        return found

    return headers
