"""A change that waits for the writer, and how whoever waits for it hears the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .transaction import Transaction

T = TypeVar("T")
Decide = Callable[[Transaction], T]


@dataclass(slots=True)
class Command(Generic[T]):
    """A change that waits for its turn, and whoever waits for its result."""

    decide: Decide[T]
    loop: asyncio.AbstractEventLoop | None
    future: asyncio.Future[T] | Future[T]
    asked_at: float = 0.0

    @property
    def forsaken(self) -> bool:
        """True when nobody waits any more: a change whose caller has given up before it began is not made."""
        return self.future.done()


Outcome = tuple[Command[Any], Any, BaseException | None]  # Any: results are of all types


def settle(outcomes: list[Outcome]) -> None:
    """Tell every caller its result; those of one event loop with one wake-up."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        command = outcome[0]
        if command.loop is not None:
            by_loop.setdefault(command.loop, []).append(outcome)
        else:
            resolve([outcome])
    for loop, listed in by_loop.items():
        try:
            loop.call_soon_threadsafe(resolve, listed)
        except RuntimeError:  # the loop has been closed: nobody waits there any more
            continue


def resolve(outcomes: list[Outcome]) -> None:
    """Tell callers of one event loop, or of none, their results; on that loop."""
    for command, result, error in outcomes:
        future = command.future
        try:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        except (asyncio.InvalidStateError, InvalidStateError):  # the caller has given up meanwhile
            continue
