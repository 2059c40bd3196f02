"""Calls that may block for ever, made so that whoever makes them does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class BoundedCalls:
    """Each call runs in a thread of its own; while one of them hangs, no further one is begun.

    Arguments:
        name: Of the threads.
        timeout: Seconds that a caller waits.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        self._lock = threading.Lock()
        self._hanging: set[Future[Any]] = set()  # guarded by _lock; Any: what the calls give

    def make(self, call: Callable[[], T]) -> T:
        """Return what a call gives, or raise what it raises.

        Raises:
            ConnectionError: when it takes too long, or another one does already; it may still take effect later.
        """
        with self._lock:
            self._hanging = {made for made in self._hanging if not made.done()}
            if self._hanging:
                raise ConnectionError("an earlier call has not come back")
        made: Future[T] = Future()
        threading.Thread(target=_make, args=(made, call), name=self._name, daemon=True).start()
        try:
            return made.result(self._timeout)
        except TimeoutError:
            if made.done():
                raise
        with self._lock:
            self._hanging.add(made)
        raise ConnectionError(f"no answer within {self._timeout:g} s")


def _make(made: Future[T], call: Callable[[], T]) -> None:
    try:
        made.set_result(call())
    except Exception as error:  # raised again by whoever waits
        made.set_exception(error)
