"""The bare call, and the least that a hand-written protection in pure Python costs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from random import choice
from typing import Any

from .candidate import Field, Form, Kind
from .operations import ATTEMPTS, RECOVERY, THRESHOLD, TIMEOUT, CoroutineOperation

_SINGLE = (Form.PLAIN_BREAKER, Form.COROUTINE_BREAKER, Form.PLAIN_RETRY, Form.COROUTINE_RETRY, Form.MANAGER)


class HandOpenError(Exception):
    """The hand-written circuit is open."""


class HandBreaker:
    """A correct circuit breaker with the least state: `troubled` is False while there is nothing to remember."""

    __slots__ = ("_failures", "_lock", "_opened", "_probing", "troubled")

    def __init__(self) -> None:
        self.troubled = False
        self._lock = threading.Lock()
        self._failures = 0
        self._opened: float | None = None
        self._probing = False

    def enter(self) -> bool:
        """Admit a call and say whether it is the probe; raises `HandOpenError`."""
        with self._lock:
            if self._opened is None:
                return False
            if self._probing or time.monotonic() - self._opened < RECOVERY:
                raise HandOpenError
            self._probing = True
            return True

    def failed(self, probe: bool) -> None:
        with self._lock:
            self.troubled = True
            self._failures += 1
            if probe or (self._opened is None and self._failures >= THRESHOLD):
                self._opened, self._probing = time.monotonic(), False

    def succeeded(self, probe: bool) -> None:
        with self._lock:
            if probe or self._opened is None:
                self._failures, self._opened, self._probing, self.troubled = 0, None, False, False

    def abandoned(self, probe: bool) -> None:
        if probe:
            with self._lock:
                self._probing = False


def _passed_through(operation: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return operation(*args, **kwargs)

    return call


def _passed_through_async(operation: Any) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await operation(*args, **kwargs)

    return call


def _hand_breaker(operation: Any) -> Any:
    breaker = HandBreaker()

    def call(*args: Any, **kwargs: Any) -> Any:
        probe = breaker.enter() if breaker.troubled else False
        try:
            value = operation(*args, **kwargs)
        except Exception:
            breaker.failed(probe)
            raise
        except BaseException:
            breaker.abandoned(probe)
            raise
        if breaker.troubled:
            breaker.succeeded(probe)
        return value

    return call


def _hand_breaker_async(operation: Any) -> Any:
    breaker = HandBreaker()

    async def call(*args: Any, **kwargs: Any) -> Any:
        probe = breaker.enter() if breaker.troubled else False
        try:
            value = await operation(*args, **kwargs)
        except Exception:
            breaker.failed(probe)
            raise
        except BaseException:
            breaker.abandoned(probe)
            raise
        if breaker.troubled:
            breaker.succeeded(probe)
        return value

    return call


def _hand_retry(operation: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        for _ in range(ATTEMPTS - 1):
            try:
                return operation(*args, **kwargs)
            except Exception:
                continue
        return operation(*args, **kwargs)

    return call


def _hand_retry_async(operation: Any) -> Any:
    async def call(*args: Any, **kwargs: Any) -> Any:
        for _ in range(ATTEMPTS - 1):
            try:
                return await operation(*args, **kwargs)
            except Exception:
                continue
        return await operation(*args, **kwargs)

    return call


def _hand_combined(operation: Any, fallback: CoroutineOperation) -> Any:
    breaker = HandBreaker()

    async def call(*args: Any, **kwargs: Any) -> Any:
        for _ in range(ATTEMPTS):
            probe = False
            try:
                if breaker.troubled:
                    probe = breaker.enter()
                value = await operation(*args, **kwargs)
            except HandOpenError:
                break
            except Exception:
                breaker.failed(probe)
            except BaseException:
                breaker.abandoned(probe)
                raise
            else:
                if breaker.troubled:
                    breaker.succeeded(probe)
                return value
        return await fallback(*args, **kwargs)

    return call


def _hand_combined_timeout(operation: Any, fallback: CoroutineOperation) -> Any:
    async def timed(*args: Any, **kwargs: Any) -> Any:
        async with asyncio.timeout(TIMEOUT):
            return await operation(*args, **kwargs)

    return _hand_combined(timed, fallback)


def _by_key(operation: Any, number: int) -> Any:
    breakers: dict[str, HandBreaker] = {}

    def call(key: str, x: int) -> Any:
        breaker = breakers.get(key)
        if breaker is None:
            breaker = breakers.setdefault(key, HandBreaker())
        probe = breaker.enter() if breaker.troubled else False
        try:
            value = operation(key, x)
        except Exception:
            breaker.failed(probe)
            raise
        except BaseException:
            breaker.abandoned(probe)
            raise
        if breaker.troubled:
            breaker.succeeded(probe)
        return value

    return call


def _first_host(operation: Any, hosts: Sequence[str]) -> Any:
    host = hosts[0]
    return lambda x: operation(host, x)


def _next_host(operation: Any, hosts: Sequence[str]) -> Any:
    turns = cycle(hosts)
    return lambda x: operation(next(turns), x)


def _less_busy_host(operation: Any, hosts: Sequence[str]) -> Any:
    """Return what goes to the less busy of two hosts drawn at random, and takes none out."""
    busy = dict.fromkeys(hosts, 0)
    lock = threading.Lock()

    def call(x: int) -> Any:
        one, other = choice(hosts), choice(hosts)
        with lock:
            host = one if busy[one] <= busy[other] else other
            busy[host] += 1
        try:
            return operation(host, x)
        finally:
            with lock:
                busy[host] -= 1

    return call


def enlist(field: Field) -> None:
    """Add the bare calls and the floors to the field."""
    for form in _SINGLE:
        field.add(form, "bare call", Kind.BARE, lambda operation: operation, promises=False)
    for form in (Form.COMBINED, Form.COMBINED_TIMEOUT):
        field.add(form, "bare call", Kind.BARE, lambda operation, fallback: operation, promises=False)
    field.add(Form.PLAIN_BREAKER, "passed through", Kind.FLOOR, _passed_through, promises=False)
    field.add(Form.COROUTINE_BREAKER, "passed through", Kind.FLOOR, _passed_through_async, promises=False)
    field.add(Form.PLAIN_BREAKER, "hand-written breaker", Kind.FLOOR, _hand_breaker)
    field.add(Form.COROUTINE_BREAKER, "hand-written breaker", Kind.FLOOR, _hand_breaker_async)
    field.add(Form.PLAIN_RETRY, "hand-written loop", Kind.FLOOR, _hand_retry)
    field.add(Form.COROUTINE_RETRY, "hand-written loop", Kind.FLOOR, _hand_retry_async)
    field.add(Form.KEYED, "bare call", Kind.BARE, lambda operation, number: operation, promises=False)
    field.add(Form.KEYED, "hand-written breakers in a dictionary", Kind.FLOOR, _by_key)
    field.add(Form.HOSTS, "bare call, one host", Kind.BARE, _first_host, promises=False)
    field.add(Form.HOSTS, "hosts in turn", Kind.FLOOR, _next_host, promises=False)
    field.add(Form.HOSTS, "the less busy of two", Kind.FLOOR, _less_busy_host, promises=False)
    field.add(Form.COMBINED, "hand-written, one coroutine", Kind.FLOOR, _hand_combined)
    field.add(Form.COMBINED_TIMEOUT, "hand-written, asyncio.timeout", Kind.FLOOR, _hand_combined_timeout)
