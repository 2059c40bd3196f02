"""This library as a competitor: each form with response times off and on, since users choose."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from scrollintel import (
    BudgetConfig,
    CircuitBreaker,
    CircuitBreakerConfig,
    HostPool,
    Policy,
    RetryConfig,
    ft_manager,
    protect,
)
from scrollintel.core.clock import TimerHandle
from scrollintel.core.config import WindowKind

from .candidate import Field, Form, Kind
from .names import AS_BLOCK, DEFAULT, GOODPUT, IN_DICTIONARY, NO_TIMES, NO_TIMES_NO_TIMEOUT, WINDOWED
from .operations import ATTEMPTS, RECOVERY, STAND_IN, THRESHOLD, TIMEOUT

USED_CALLS = 1000
_numbers = itertools.count(1)


def _config(
    *, measured: bool, windowed: bool = False, timeout: float | None = None, name: str | None = None
) -> CircuitBreakerConfig:
    """Return a configuration under a name of its own, so that no two candidates share a circuit."""
    name = name or f"benchmark-{next(_numbers)}"
    if windowed:
        return CircuitBreakerConfig(
            name,
            recovery_timeout=RECOVERY,
            success_threshold=1,
            timeout=timeout,
            window_kind=WindowKind.TIME,
            window=30.0,
            failure_rate=1.0,
            minimum_calls=THRESHOLD,
            response_times=measured,
        )
    return CircuitBreakerConfig(
        name,
        failure_threshold=THRESHOLD,
        recovery_timeout=RECOVERY,
        success_threshold=1,
        timeout=timeout,
        response_times=measured,
    )


def _retries() -> RetryConfig:
    return RetryConfig(max_attempts=ATTEMPTS, base_delay=0.0)


def _breaker(*, measured: bool, windowed: bool = False) -> Callable[[Any], Any]:
    def build(operation: Any) -> Any:
        return CircuitBreaker(_config(measured=measured, windowed=windowed))(operation)

    return build


def _retry(*, measured: bool) -> Callable[[Any], Any]:
    def build(operation: Any) -> Any:
        policy = Policy(f"benchmark-{next(_numbers)}", retry=_retries(), response_times=measured)
        return protect(policy)(operation)

    return build


def _combined(*, measured: bool, timeout: float | None = None) -> Callable[[Any, Any], Any]:
    def build(operation: Any, fallback: Any) -> Any:
        config = _config(measured=measured, timeout=timeout)

        async def answer() -> Any:
            return await fallback(STAND_IN)

        return protect(config.name, breaker=config, retry=_retries(), fallback=answer)(operation)

    return build


def _goodput(operation: Any, fallback: Any) -> Any:
    """Return the preset, with the circuit and the retries of the case."""
    config = _config(measured=True, timeout=TIMEOUT)
    retry = RetryConfig(max_attempts=ATTEMPTS, base_delay=0.0, budget=BudgetConfig(across_layers=True))

    async def answer() -> Any:
        return await fallback(STAND_IN)

    return protect(config.name, preset="goodput", breaker=config, retry=retry, fallback=answer)(operation)


def _manager(*, measured: bool, timeout: float | None) -> Callable[[Any], Any]:
    """Pass the same configurations in every call, as the first example of the documentation does."""

    def build(operation: Any) -> Any:
        breaker, retry = _config(measured=measured, timeout=timeout), _retries()
        execute: Any = ft_manager.execute_with_fault_tolerance

        async def once() -> Any:
            return await operation(1)

        async def answer() -> int:
            return STAND_IN

        def call(x: int) -> Any:
            return execute(operation=once, circuit_breaker_config=breaker, retry_config=retry, fallback=answer)

        return call

    return build


def _circuit(number: int) -> Any:
    return CircuitBreaker(_config(measured=True, name=f"circuit-{number}"))


class SteppedClock:
    """A clock that the operation moves on, so that a thousand calls spread over the window and the sketch."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.is_set()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle | None:
        return None


def _used_circuit(number: int) -> Any:
    """Return a circuit with time window after a thousand calls of 1 to 100 ms, so that all its window is in use."""
    clock, source = SteppedClock(), random.Random(number)
    circuit = CircuitBreaker(_config(measured=True, windowed=True, name=f"circuit-{number}"), clock=clock)

    def operation(x: int) -> int:
        clock.now += 0.001 * 100.0 ** source.random()
        return x

    for _ in range(USED_CALLS):
        circuit.call(operation, 1)
    return circuit


def _bare_clock(number: int) -> Any:
    """Return what the case brings along and no circuit needs, to be taken off the figure."""
    clock, source = SteppedClock(), random.Random(number)

    def operation(x: int) -> int:
        clock.now += 0.001 * 100.0 ** source.random()
        return x

    return operation


def _keyed(operation: Any, number: int) -> Any:
    config = _config(measured=True)
    return protect(config.name, breaker=config, key=lambda key, x: key, max_keys=number + 1)(operation)


def _in_dictionary(operation: Any, number: int) -> Any:
    """Keep a circuit for each key as one would without keyed circuits: nothing bounds how many."""
    circuits: dict[str, CircuitBreaker] = {}

    def call(key: str, x: int) -> Any:
        circuit = circuits.get(key)
        if circuit is None:
            circuit = circuits.setdefault(key, CircuitBreaker(_config(measured=True, name=key)))
        return circuit.call(operation, key, x)

    return call


def _pool(operation: Any, hosts: Sequence[str]) -> Any:
    pool = HostPool(f"benchmark-{next(_numbers)}", hosts)
    return lambda x: pool.call(operation, x)


def _pool_block(operation: Any, hosts: Sequence[str]) -> Any:
    pool = HostPool(f"benchmark-{next(_numbers)}", hosts)

    def call(x: int) -> Any:
        with pool.host() as host:
            return operation(host, x)

    return call


def enlist(field: Field) -> None:
    """Add this library's variants to the field."""
    for form in (Form.PLAIN_BREAKER, Form.COROUTINE_BREAKER):
        field.add(form, NO_TIMES, Kind.OURS, _breaker(measured=False))
        field.add(form, DEFAULT, Kind.OURS, _breaker(measured=True))
        field.add(form, WINDOWED, Kind.OURS, _breaker(measured=True, windowed=True))
    for form in (Form.PLAIN_RETRY, Form.COROUTINE_RETRY):
        field.add(form, NO_TIMES, Kind.OURS, _retry(measured=False))
        field.add(form, DEFAULT, Kind.OURS, _retry(measured=True))
    for form, timeout in ((Form.COMBINED, None), (Form.COMBINED_TIMEOUT, TIMEOUT)):
        field.add(form, NO_TIMES, Kind.OURS, _combined(measured=False, timeout=timeout))
        field.add(form, DEFAULT, Kind.OURS, _combined(measured=True, timeout=timeout))
    field.add(Form.COMBINED_TIMEOUT, GOODPUT, Kind.OURS, _goodput)
    field.add(Form.MANAGER, NO_TIMES_NO_TIMEOUT, Kind.OURS, _manager(measured=False, timeout=None))
    field.add(Form.MANAGER, DEFAULT, Kind.OURS, _manager(measured=True, timeout=TIMEOUT))
    field.add(Form.CIRCUIT, DEFAULT, Kind.OURS, _circuit)
    field.add(Form.USED_CIRCUIT, "clock and operation of the case", Kind.BARE, _bare_clock)
    field.add(Form.USED_CIRCUIT, DEFAULT, Kind.OURS, _used_circuit)
    field.add(Form.KEYED, DEFAULT, Kind.OURS, _keyed)
    field.add(Form.KEYED, IN_DICTIONARY, Kind.OURS, _in_dictionary)
    field.add(Form.HOSTS, DEFAULT, Kind.OURS, _pool)
    field.add(Form.HOSTS, AS_BLOCK, Kind.OURS, _pool_block)
    field.imports[DEFAULT] = "import scrollintel"
