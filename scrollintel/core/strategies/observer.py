"""Who watches the calls of a policy, such as a tracer."""

from __future__ import annotations

from typing import NamedTuple

from .gate import Gate


class Observer(NamedTuple):
    """Two gates that admit everything and hear of every end; they neither wait nor raise.

    A policy with an observer sends all calls the long way, so one without pays nothing for the possibility.

    Attributes:
        calls: Stands around everything that a policy does for a call.
        attempts: Stands around each attempt, inside all other layers.
    """

    calls: Gate
    attempts: Gate
