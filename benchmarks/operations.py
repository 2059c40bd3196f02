"""The operations that every candidate protects, and the settings that every candidate is given."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

THRESHOLD = 5
"""Consecutive failures that open a circuit."""
RECOVERY = 30
"""Seconds that a circuit stays open; longer than any measurement."""
ATTEMPTS = 3
"""Attempts of a retry, the first included; no retry sleeps."""
TIMEOUT = 30.0
"""Seconds that an attempt may take where the case has a timeout; never reached."""
STAND_IN = -1
"""What the fallback answers."""

PlainOperation = Callable[[int], int]
CoroutineOperation = Callable[[int], Awaitable[int]]


class TransientError(Exception):
    """The failure of a failing operation."""


def echo(x: int) -> int:
    return x


async def echo_async(x: int) -> int:
    return x


async def echo_after_a_turn(x: int) -> int:
    """Suspend once, so that the event loop makes one turn."""
    await asyncio.sleep(0)
    return x


def echo_of(name: str, x: int) -> int:
    """Return at once, whatever key or host it is for."""
    return x


def fail(x: int) -> int:
    raise TransientError


async def fail_async(x: int) -> int:
    raise TransientError


async def stand_in(x: int) -> int:
    return STAND_IN


def wait_a_millisecond(x: int) -> int:
    """Let go of the interpreter's lock for a millisecond, as a short network call does."""
    time.sleep(0.001)
    return x


def flaky() -> CoroutineOperation:
    """Return a coroutine function of which every fifth call fails."""
    number = itertools.count(1)

    async def operation(x: int) -> int:
        if next(number) % 5 == 0:
            raise TransientError
        return x

    return operation
