"""Everything together: five faults in a row against retry, breaker, fallback, degradation and recovery at once."""

from __future__ import annotations

import asyncio
import functools
import math
import time

from scrollintel import (
    CircuitBreakerConfig,
    CircuitState,
    DegradationConfig,
    DegradationLevel,
    RetryConfig,
    ft_manager,
)

from ..figures import Unit
from ..meter import Answer
from ..shop import Page, Shop
from ..stage import Stage
from ..traffic import Request
from ..watching import Facts, view_of

CIRCUIT = "whole shop"
BREAKER = CircuitBreakerConfig(
    name=CIRCUIT, failure_threshold=5, recovery_timeout=0.3, success_threshold=2, timeout=0.3
)
RETRY = RetryConfig(max_attempts=2, base_delay=0.05, max_delay=0.2, jitter=True)
RESTORED_WITHIN = 8.0


class Protected:
    """The stream's handler with everything at once."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def fetch(self, request: Request) -> Page:
        """Get a page: tried twice through the circuit, then the exported one."""
        return await ft_manager.execute_with_fault_tolerance(
            operation=functools.partial(self._shop.live, request),
            circuit_breaker_config=BREAKER,
            retry_config=RETRY,
            fallback=lambda: self._shop.exported(request),
        )

    async def book(self, request: Request) -> None:
        """Send an order: tried twice through the same circuit; there is no stand-in for a booking."""
        await ft_manager.execute_with_fault_tolerance(
            operation=functools.partial(self._shop.live, request),
            circuit_breaker_config=BREAKER,
            retry_config=RETRY,
        )

    async def handle(self, request: Request) -> Answer:
        """Handle one request of the stream."""
        return await self._shop.handle(request, self.fetch, self.book)


async def play(stage: Stage) -> None:
    """Errors, slowness, a locked database, a kill and a hang; then see that everything is as before."""
    seconds, shop = stage.seconds, Shop(stage.protected, stage.database)
    protected = Protected(shop)
    await protected.fetch(stage.stream.next_request())  # the name is known from the first call on
    circuit = ft_manager.circuit_breaker(CIRCUIT)
    quiet = max(0.5, seconds / 20)
    shop.follow(circuit, DegradationConfig(latency=0.15, quiet_period=quiet, minimum_calls=8))
    stage.showing.policies = lambda: [view_of(ft_manager.snapshot()[CIRCUIT])]
    stage.showing.level, stage.showing.features = lambda: int(shop.level), shop.levels.features
    known = len(stage.platform.incidents)

    def as_before() -> bool:
        return circuit.state is CircuitState.CLOSED and shop.level is DegradationLevel.NONE

    try:
        with Facts(stage.timeline):
            async with stage.platform.on_duty():
                stage.protected.handler = protected.handle
                stage.phase("all is well; every strategy and the control plane are on")
                await asyncio.sleep(seconds * 0.06)
                began = time.monotonic()
                repaired = await _break_everything(stage, known)
                stage.phase("nothing is broken any more; the circuit is to close and the level to fall")
                restored = await stage.until(as_before, RESTORED_WITHIN)
                stage.note(f"as before: {(restored - repaired) * 1000:.0f} ms after the last repair")
                left = await shop.deliver(5.0)
                stage.phase("all is well again")
                await asyncio.sleep(max(0.3, seconds * 0.06))
    finally:
        shop.levels.stop()
    recoveries = len(stage.platform.incidents) - known
    _measure(stage, (began, repaired, restored), recoveries, left, shop.kept_orders)
    _measure_books(stage, await stage.audit())


async def _break_everything(stage: Stage, known: int) -> float:
    """Do all five faults one after the other; return the moment of the last repair."""
    faults, step = stage.faults, stage.seconds * 0.09
    stage.phase("burst of errors: a table is missing")
    await faults.lose_table()
    await asyncio.sleep(step)
    await faults.restore_table()
    await _rest(stage)
    stage.phase("slow answers: the storefront is starved")
    async with faults.starved(stage.storefront, 0.8):
        await asyncio.sleep(step)
    await _rest(stage)
    stage.phase("the database is locked")
    faults.lock(1)
    await asyncio.sleep(step)
    faults.lock(0)
    await _rest(stage)
    stage.phase("the inventory is killed")
    faults.kill(stage.inventory)
    await stage.until(lambda: len(stage.platform.incidents) > known, 8.0)
    await _rest(stage)
    stage.phase("the storefront hangs")
    faults.stop(stage.storefront)
    return await stage.until(lambda: len(stage.platform.incidents) > known + 1, 8.0)


async def _rest(stage: Stage) -> None:
    stage.phase("repaired; a short rest")
    await asyncio.sleep(stage.seconds * 0.08)


def _measure(stage: Stage, moments: tuple[float, float, float], recoveries: int, left: int, kept_orders: int) -> None:
    began, repaired, restored = moments
    protected, control = stage.lanes(began, repaired)
    after, _ = stage.lanes(restored, time.monotonic() - 0.1)
    put = stage.measure
    put("answered", "answered with protection", protected.answered, Unit.SHARE, at_least=0.99)
    put("control", "answered without", control.answered, Unit.SHARE)
    gained = protected.answered - control.answered
    put("gained", "requests saved by protection", gained, Unit.SHARE, at_least=0.1)
    put("fresh", "of these, live", protected.fresh / max(1, protected.requests), Unit.SHARE)
    put("p99", "wait with protection, p99", protected.p99, Unit.SECONDS, at_most=1.5)
    put("p99_control", "wait without, p99", control.p99, Unit.SECONDS)
    put("recoveries", "recoveries, only for the kill and the hang", recoveries, Unit.COUNT, at_most=2, at_least=2)
    put(
        "restore",
        "last repair → everything as before",
        restored - repaired,
        Unit.SECONDS,
        at_most=RESTORED_WITHIN,
    )
    put("outbox", "kept orders not delivered", left, Unit.COUNT, at_most=0, at_least=0)
    put("kept", "orders kept and delivered later", kept_orders - left, Unit.COUNT)
    put("after", "answered at the end", after.answered if restored == restored else math.nan, Unit.SHARE, at_least=0.99)


def _measure_books(stage: Stage, books: dict[str, int]) -> None:
    stage.measure("twice", "orders booked twice", books["booked_twice"], Unit.COUNT, at_most=0, at_least=0)
    stage.measure("damaged", "damage to the database", books["damaged"], Unit.COUNT, at_most=0, at_least=0)
