"""Answers that were rendered a moment ago, given again while nothing has changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from ..core.clock import Clock
from .plane import Answer

LIFETIME = 0.1
"""Seconds after which an answer is rendered anew even if nothing has changed: ages and countdowns move with time."""
CAPACITY = 2_000


class Rendered:
    """A bounded cache of rendered answers. Everything happens on the event loop.

    An answer is given again only under the very version of records and replicas that it was made from, so a change
    shows in the first read after it is acknowledged.

    Arguments:
        clock: Source of monotonic seconds.
        version: Gives the present version of everything that answers are made from.
    """

    def __init__(self, clock: Clock, version: Callable[[], Hashable]) -> None:
        self._clock = clock
        self._version = version
        self._answers: OrderedDict[Hashable, tuple[Hashable, float, Answer]] = OrderedDict()

    def get(self, key: Hashable, render: Callable[[], Answer]) -> Answer:
        """Return the answer under `key`, made by `render` unless it is at hand.

        Arguments:
            key: Names the answer, with everything of the request and of the caller's scope that it depends on.
        """
        now, version = self._clock.monotonic(), self._version()
        known = self._answers.get(key)
        if known is not None and known[0] == version and now < known[1]:
            return known[2]
        answer = render()
        self._answers[key] = (version, now + LIFETIME, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > CAPACITY:
            self._answers.popitem(last=False)
        return answer
