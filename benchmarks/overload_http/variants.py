"""What protects the clients: retries alone, a breaker, what people build by hand, and this library's own answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmarks.peers.peer import Wrap
from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    Pipeline,
    RetryConfig,
    WindowKind,
    protect,
)
from scrollintel.core.config.policy import Policy
from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry

from .scene import TIMEOUT

Operation = Callable[[], Awaitable[object]]
ATTEMPTS = 3
DELAY = 0.2
"""Seconds; before the n-th retry comes a delay drawn evenly up to this times 2 ** (n - 1)."""
OPEN_FOR = 5.0
SLOTS = 2
REFUSALS = {"CircuitBreakerError": "circuit_open"}
"""Errors of peers that are refusals, by the name of their class, with the code of this library's own."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to protect a client.

    Arguments:
        name: What it is called in tables and on the command line.
        about: What it is made of.
        wrap: Makes a protected operation of a plain one; each client has its own.
        policy: The policy it is, or None for a stack of other libraries.
        modules: What must be installed.
    """

    name: str
    about: str
    wrap: Wrap
    policy: Policy | None = None
    modules: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Modules that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]


def _own(name: str, about: str, **parts: Any) -> Variant:  # Any: the arguments of `protect`
    def pipeline() -> Pipeline:
        return protect("payments", timeout=TIMEOUT, registry=Registry(hub=EventHub()), **parts)

    def wrap(operation: Operation) -> Operation:
        return pipeline()(operation)

    return Variant(name, about, wrap, pipeline().policy)


def _tenacity_aiobreaker(operation: Any) -> Any:  # Any: the libraries are not typed
    import asyncio
    from datetime import timedelta

    import tenacity
    from aiobreaker import CircuitBreaker, CircuitBreakerError

    circuit = CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=OPEN_FOR))

    async def attempt() -> Any:
        async with asyncio.timeout(TIMEOUT):
            return await operation()

    async def guarded() -> Any:
        return await circuit.call_async(attempt)

    retrying = tenacity.retry(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=DELAY),
        retry=tenacity.retry_if_not_exception_type(CircuitBreakerError),
        reraise=True,
    )
    return retrying(guarded)


_BREAKER = CircuitBreakerConfig(
    "payments",
    window_kind=WindowKind.TIME,
    window=10.0,
    minimum_calls=20,
    recovery_timeout=OPEN_FOR,
    success_threshold=1,
)
_RETRY = RetryConfig(max_attempts=ATTEMPTS, base_delay=DELAY)
_THRIFTY = RetryConfig(max_attempts=ATTEMPTS, base_delay=DELAY, budget=BudgetConfig(ratio=0.1, across_layers=True))

VARIANTS = (
    _own("3 attempts", f"{ATTEMPTS} attempts with growing, jittered delays, and no budget", retry=_RETRY),
    _own(
        "breaker",
        f"the same and a circuit breaker: 50 % of at least 20 calls in 10 s, open for {OPEN_FOR:g} s, one probe",
        retry=_RETRY,
        breaker=_BREAKER,
    ),
    Variant(
        "tenacity + aiobreaker",
        f"the same attempts around a breaker that opens after 5 failures in a row, for {OPEN_FOR:g} s",
        _tenacity_aiobreaker,
        modules=("tenacity", "aiobreaker"),
    ),
    _own(
        "bulkhead by hand",
        f"the breaker, a retry budget of 10 %, and {SLOTS} calls at once for each client with {SLOTS} waiting: set by "
        "hand for these clients and this dip",
        retry=_THRIFTY,
        breaker=_BREAKER,
        bulkhead=BulkheadConfig(max_concurrent=SLOTS, max_waiting=SLOTS, max_wait=TIMEOUT),
    ),
    _own(
        "goodput",
        '`protect("payments", preset="goodput", timeout=1)`: an adaptive limit, a throttle, a breaker, a retry budget',
        preset="goodput",
    ),
)


def variant(name: str) -> Variant:
    """Return the variant of that name.

    Raises:
        KeyError: when there is none.
    """
    for one in VARIANTS:
        if one.name == name:
            return one
    raise KeyError(name)
