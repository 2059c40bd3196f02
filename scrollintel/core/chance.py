"""Where the engine's randomness comes from: the generator of the process, or in a simulation a seeded one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Source(threading.local):
    # The default of every thread; an attribute of a thread itself takes its place there.
    draw: Callable[[], float] = random.random


_SOURCE = _Source()


def chance() -> float:
    """Return a number in [0, 1) from the source of this thread."""
    return _SOURCE.draw()


@contextmanager
def drawing_from(draw: Callable[[], float]) -> Iterator[None]:
    """Let this thread draw from `draw` instead of `random.random`, so that what the engine does can be repeated."""
    before = _SOURCE.draw
    _SOURCE.draw = draw
    try:
        yield
    finally:
        _SOURCE.draw = before
