"""The trace context in the headers of a request, while tracing is on and nobody else puts it there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..core.locks import new_lock

Source = Callable[[], Mapping[str, str]]
"""Gives the headers that carry the trace of whoever asks; must not raise."""


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


class Carried:
    """The headers of one request: each attempt gets a copy with its own trace; in the end they are what they were."""

    __slots__ = ("_own", "_request", "_source")

    def __init__(self, request: Any, source: Source) -> None:  # Any: a request of any client
        self._request = request
        self._own = request.headers
        self._source = source

    def put(self) -> None:
        """Let the attempt that begins carry its trace."""
        found = self._source()
        if found:
            headers = self._own.copy()
            headers.update(found)
            self._request.headers = headers

    def take_back(self) -> None:
        """Give the request back as it was."""
        self._request.headers = self._own


def carried_by(request: Any) -> Carried | None:  # Any: a request of any client
    """Return what puts traces into the attempts of `request`, or None while there is none to put.

    A request that has a trace already keeps it: the caller, or an instrumentation outside, has put it there.
    """
    source = OUTGOING.source
    if source is None or any(name in request.headers for name in OUTGOING.fields):
        return None
    return Carried(request, source)
