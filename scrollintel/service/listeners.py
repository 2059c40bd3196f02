"""Places of those who follow streams: how many there are, and how many somebody may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..security.access import Identity, IdentityKind
from .errors import TooManyListenersError, TooManyStreamsError

MAX_LISTENERS = 2_000
"""Listeners at once."""
MAX_STREAMS = 50
"""Of those for each identity, so that nobody keeps the others out. Local ones are not told apart and are not bound."""
RETRY_AFTER = 5.0


class Listeners:
    """Everybody who follows at present, over all kinds of streams. On the event loop."""

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._streams.total()

    def require_place(self, identity: Identity) -> None:
        """Raise unless an identity may follow one stream more.

        Raises:
            TooManyStreamsError: when it follows `MAX_STREAMS` already.
            TooManyListenersError: when all together follow `MAX_LISTENERS`.
        """
        if self._is_greedy(identity):
            raise TooManyStreamsError(f"you follow {MAX_STREAMS} streams already", retry_after=RETRY_AFTER)
        if len(self) >= MAX_LISTENERS:
            raise TooManyListenersError(f"{MAX_LISTENERS} listeners follow already", retry_after=RETRY_AFTER)

    @contextmanager
    def place(self, identity: Identity) -> Iterator[bool]:
        """Take a place for as long as the context is entered, and tell whether there was one.

        Of many who come in the same moment all may have been told that there is one.
        """
        if self._is_greedy(identity) or len(self) >= MAX_LISTENERS:
            yield False
            return
        self._streams[identity.id] += 1
        try:
            yield True
        finally:
            self._streams[identity.id] -= 1
            if not self._streams[identity.id]:
                del self._streams[identity.id]

    def _is_greedy(self, identity: Identity) -> bool:
        return identity.kind is not IdentityKind.LOCAL and self._streams[identity.id] >= MAX_STREAMS
