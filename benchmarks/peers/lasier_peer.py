"""Adapter for lasier. It brings no store of its own, so it is given the cheapest: a dictionary."""

from __future__ import annotations

import math
import time
from typing import Any

from ..operations import RECOVERY, THRESHOLD
from .peer import Peer


class DictionaryCache:
    """The cache that lasier asks for, in memory."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Any, float]] = {}

    def _alive(self, key: str) -> tuple[Any, float] | None:
        entry = self._entries.get(key)
        return None if entry is None or entry[1] < time.monotonic() else entry

    def get(self, key: str) -> Any:
        entry = self._alive(key)
        return None if entry is None else entry[0]

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        self._entries[key] = (value, time.monotonic() + timeout if timeout else math.inf)

    def add(self, key: str, value: Any, timeout: float | None = None) -> None:
        if self._alive(key) is None:
            self.set(key, value, timeout)

    def incr(self, key: str) -> Any:
        value, end = self._alive(key) or (0, math.inf)
        self._entries[key] = (value + 1, end)
        return value + 1

    def expire(self, key: str, timeout: float) -> None:
        if key in self._entries:
            self.set(key, self._entries[key][0], timeout)

    def delete(self, key: str) -> None:
        self._entries.pop(key, None)


class AwaitableCache:
    """The same for lasier's asyncio form."""

    def __init__(self) -> None:
        self._cache = DictionaryCache()

    async def get(self, key: str) -> Any:
        return self._cache.get(key)

    async def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        self._cache.set(key, value, timeout)

    async def add(self, key: str, value: Any, timeout: float | None = None) -> None:
        self._cache.add(key, value, timeout)

    async def incr(self, key: str) -> Any:
        return self._cache.incr(key)

    async def expire(self, key: str, timeout: float) -> None:
        self._cache.expire(key, timeout)

    async def delete(self, key: str) -> None:
        self._cache.delete(key)


def _options(cache: Any) -> dict[str, Any]:
    from lasier.circuit_breaker.rules import MaxFailuresRule

    return {
        "rule": MaxFailuresRule(max_failures=THRESHOLD, failure_cache_key="failures"),
        "cache": cache,
        "failure_exception": RuntimeError,
        "failure_timeout": RECOVERY,
        "circuit_timeout": RECOVERY,
        "catch_exceptions": (Exception,),
    }


def _breaker(operation: Any) -> Any:
    from lasier.circuit_breaker.sync import circuit_breaker

    return circuit_breaker(**_options(DictionaryCache()))(operation)


def _breaker_async(operation: Any) -> Any:
    from lasier.circuit_breaker.asyncio import circuit_breaker

    return circuit_breaker(**_options(AwaitableCache()))(operation)


PEERS = (
    Peer(
        name="lasier",
        modules=("lasier",),
        distribution="lasier",
        import_line="import lasier.circuit_breaker.sync",
        breaker=_breaker,
        breaker_async=_breaker_async,
    ),
)
