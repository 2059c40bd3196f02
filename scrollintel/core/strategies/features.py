"""Feature switches that follow the degradation level of a service."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from ..config.degradation import DegradationLevel
from ..config.fallback import Value
from ..errors import UnprotectedError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Feature:
    """A part of a service that stays on up to and including the level `up_to`."""

    name: str
    service: str
    up_to: DegradationLevel


class WhenEnabled:
    """A feature switch around a function or a block; made by `GracefulDegradation.when_enabled`.

    As a decorator it runs the function while the feature is on and gives `otherwise` while it is off, asking
    anew at each call. As a `with` or `async with` block it yields whether the feature is on.
    """

    __slots__ = ("_is_enabled", "_name", "_otherwise")

    def __init__(self, is_enabled: Callable[[str], bool], name: str, otherwise: object) -> None:
        self._is_enabled = is_enabled
        self._name = name
        self._otherwise = otherwise

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """Return `fn` with the switch in front of it; its signature and its colour stay.

        Raises:
            UnprotectedError: when `fn` is no function or method that can be wrapped, or when it is plain and
                `otherwise` is a coroutine function.
        """
        if isinstance(fn, classmethod | staticmethod):
            raise UnprotectedError(f"put when_enabled below @{type(fn).__name__}, next to the function")
        if inspect.isclass(fn) or not callable(fn):
            raise UnprotectedError(f"when_enabled takes a function or a method, not {fn!r}")
        if is_coroutine_function(fn):
            return self._wrap_coroutine(fn)
        if is_coroutine_function(self._otherwise):
            raise UnprotectedError(f"{self._name!r} switches a plain function; otherwise is a coroutine function")
        return self._wrap_plain(fn)

    def _wrap_plain(self, fn: Callable[P, R]) -> Callable[P, R]:
        is_enabled, name = self._is_enabled, self._name

        @functools.wraps(fn)
        def switched(*args: P.args, **kwargs: P.kwargs) -> R:
            return fn(*args, **kwargs) if is_enabled(name) else self._instead(args, kwargs)

        return switched

    def _wrap_coroutine(self, fn: Callable[P, Any]) -> Callable[P, Any]:  # Any: the awaited type is not known here
        is_enabled, name = self._is_enabled, self._name

        @functools.wraps(fn)
        async def switched(*args: P.args, **kwargs: P.kwargs) -> Any:  # Any: the awaited type is not known here
            if is_enabled(name):
                return await fn(*args, **kwargs)
            instead = self._instead(args, kwargs)
            return await instead if inspect.isawaitable(instead) else instead

        return switched

    def _instead(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # Any: whatever the user gave
        otherwise = self._otherwise
        if isinstance(otherwise, Value):
            return otherwise.value
        return otherwise(*args, **kwargs) if callable(otherwise) else otherwise

    def __enter__(self) -> bool:
        return self._is_enabled(self._name)

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> bool:
        return self._is_enabled(self._name)

    async def __aexit__(self, *_: object) -> None:
        return None


def is_coroutine_function(fn: object) -> bool:
    """Tell whether calling `fn` gives a coroutine; looks into partials and callable objects."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or (callable(fn) and inspect.iscoroutinefunction(type(fn).__call__))
