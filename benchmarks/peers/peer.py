"""What an adapter says about its library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..operations import TIMEOUT

Wrap = Callable[[Any], Any]
"""Wraps an operation; the result is called with one argument. Any: the libraries are not typed."""
Combine = Callable[[Any, Any, bool], Any]
"""Takes an operation, a fallback, and whether each attempt has a timeout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One library, or a stack of several: what it can do, each as a way to build it; None for what it cannot."""

    name: str
    modules: tuple[str, ...]
    distribution: str = ""
    import_line: str = ""
    breaker: Wrap | None = None
    breaker_async: Wrap | None = None
    retry: Wrap | None = None
    retry_async: Wrap | None = None
    combined: Combine | None = None
    circuit: Callable[[int], object] | None = None
    keyed: Callable[[Any, int], Any] | None = None


def by_key(new: Callable[[], Any]) -> Callable[[Any, int], Any]:
    """Return the keyed form of a library whose circuits have a method `call`: they lie in a dictionary by key."""

    def build(operation: Any, number: int) -> Any:
        circuits: dict[str, Any] = {}

        def call(key: str, x: int) -> Any:
            circuit = circuits.get(key)
            if circuit is None:
                circuit = circuits.setdefault(key, new())
            return circuit.call(operation, key, x)

        return call

    return build


def timed(operation: Any, wanted: bool) -> Any:
    """Put the standard library's timeout around an operation, for a library that has none or whose own is dearer."""
    if not wanted:
        return operation

    async def limited(x: int) -> Any:
        async with asyncio.timeout(TIMEOUT):
            return await operation(x)

    return limited


def caught(guarded: Any, fallback: Any) -> Any:
    """Put a plain try/except around a call, for a library without a fallback."""

    async def call(x: int) -> Any:
        try:
            return await guarded(x)
        except Exception:
            return await fallback(x)

    return call
