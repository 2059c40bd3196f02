"""Switches for tests: protection off, and retries without waiting."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..core.interventions import INTERVENTIONS
from ..core.wrapping import is_coroutine_function

F = TypeVar("F", bound=Callable[..., Any])


class Switch(AbstractContextManager[None]):
    """A change of the engine that lasts for a `with` block, or for each call of a decorated function.

    The same switch may be used again and inside itself.
    """

    __slots__ = ("_immediate", "_off")

    def __init__(self, *, off: int = 0, immediate: int = 0) -> None:
        self._off = off
        self._immediate = immediate

    def __enter__(self) -> None:
        INTERVENTIONS.change(off=self._off, immediate=self._immediate)

    def __exit__(self, *_: object) -> None:
        INTERVENTIONS.change(off=-self._off, immediate=-self._immediate)

    def __call__(self, fn: F, /) -> F:
        """Decorate a plain or coroutine function.

        Raises:
            TypeError: for generator functions and classes.
        """
        return around(lambda: self, fn)


def protection_disabled() -> Switch:
    """Return a switch under which every policy of the process runs its operation bare.

    No circuit, retry, time limit, waiting line, hedge or fallback takes part, nothing is counted, and injected faults
    are left out as well. Calls that began earlier end under their policy.

    It is a context manager, for coroutines too, and a decorator:

        with protection_disabled():
            ...

    It holds for all threads and tasks of the process, not only for the one that enters it.
    """
    return Switch(off=1)


def immediate_retries() -> Switch:
    """Return a switch under which retries follow at once, without back-off.

    Number of attempts, limits and budgets stay as configured, and `RetryScheduled` events still tell the delay that
    was left out. To see the delays pass on a clock, give the policy a `ManualClock` instead.

    It is a context manager, for coroutines too, and a decorator. It holds for the whole process.
    """
    return Switch(immediate=1)


def around(make: Callable[[], AbstractContextManager[object]], fn: F) -> F:
    """Return `fn`, in its colour, with each call inside a context that `make` returns.

    Raises:
        TypeError: for generator functions and classes, whose work outlasts the call.
    """
    if inspect.isclass(fn) or inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"{fn!r} cannot be decorated: its work outlasts the call; use a with block inside it")
    wrapper: Any
    if is_coroutine_function(fn):

        @functools.wraps(fn)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with make():
                return await fn(*args, **kwargs)

    else:

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with make():
                return fn(*args, **kwargs)

    return wrapper  # type: ignore[no-any-return]  # functools.wraps keeps the signature and mypy cannot tell
