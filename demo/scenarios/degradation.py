"""Graceful degradation: the shop's back end gets slow, then sick step by step; features go, pages stay, all returns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from scrollintel import DegradationConfig, DegradationLevel, FallbackConfig, Pipeline, TimeoutConfig, protect
from scrollintel.core.events import LevelChanged

from ..figures import Unit
from ..meter import Answer
from ..shop import FEATURES, SERVICE, Shop
from ..stage import Stage
from ..traffic import Request
from ..watching import Facts, view_of

ATTEMPT_TIMEOUT = 0.5
STARVED = 0.75
"""Share of the time for which the storefront is stopped in the first step."""
LOCKED = (0.6, 0.85, 1.0)
"""Shares of the time for which the database is locked in the steps after it."""


async def play(stage: Stage) -> None:
    """Make it slow, lock the database more and more, let go; follow the level up and down."""
    seconds, shop = stage.seconds, Shop(stage.protected, stage.database)
    pages, orders = _policies(shop)
    quiet = max(0.5, seconds / 16)
    shop.follow(pages, DegradationConfig(latency=0.06, quiet_period=quiet, minimum_calls=8))
    stage.showing.policies = lambda: [view_of(pages.snapshot()), view_of(orders.snapshot())]
    stage.showing.level = lambda: int(shop.level)
    stage.showing.features = shop.levels.features

    async def book(request: Request) -> None:
        await orders.acall(shop.live, request)

    async def handle(request: Request) -> Answer:
        return await shop.handle(request, lambda wanted: pages.acall(shop.live, wanted), book)

    try:
        with Facts(stage.timeline) as facts:
            stage.protected.handler = handle
            stage.phase("all is well")
            await asyncio.sleep(seconds * 0.1)
            began = time.monotonic()
            switched_off = await _sicken(stage, shop)
            healed = stage.faults.lock(0)
            stage.phase("the database is free again; the level comes down one by one")
            restored = await stage.until(lambda: shop.level is DegradationLevel.NONE, quiet * 5 + 4.0)
            stage.note(f"restored: all features back {(restored - healed) * 1000:.0f} ms after the repair")
            left = await shop.deliver(5.0)
            stage.note(f"outbox: {shop.kept_orders - left} kept orders delivered, {left} left")
            await asyncio.sleep(max(0.3, seconds * 0.08))
            facts.settle()
    finally:
        shop.levels.stop()
    changes = [event for event in facts.levels if event.policy == SERVICE]
    _measure(stage, shop, changes, (began, healed, restored), (switched_off, left, quiet), await stage.audit())


def _policies(shop: Shop) -> tuple[Pipeline, Pipeline]:
    """Return the protection of pages, which may be old, and of orders, which may not."""
    timeout = TimeoutConfig(attempt=ATTEMPT_TIMEOUT)
    kept = FallbackConfig(
        [shop.kept], stale_if_error=60.0, stale_key=lambda request: (request.kind, request.sku), stale_entries=1000
    )
    return protect("pages", timeout=timeout, fallback=kept), protect("orders", timeout=timeout)


async def _sicken(stage: Stage, shop: Shop) -> int:
    """Go through the steps; each lasts its time, and the last until the worst level or the end of patience.

    Returns how many features were off at the worst moment.
    """
    step = stage.seconds * 0.12
    stage.phase("the storefront is slow")
    async with stage.faults.starved(stage.storefront, STARVED):
        await asyncio.sleep(step)
    for share in LOCKED:
        stage.phase(f"the database is locked {share:.0%} of the time")
        stage.faults.lock(share)
        await asyncio.sleep(step)
    await stage.until(lambda: shop.level is DegradationLevel.CRITICAL, 4.0)
    return sum(not enabled for enabled in shop.levels.features().values())


def _measure(
    stage: Stage,
    shop: Shop,
    changes: Sequence[LevelChanged],
    moments: tuple[float, float, float],
    counted: tuple[int, int, float],
    books: dict[str, int],
) -> None:
    began, healed, restored = moments
    switched_off, left, quiet = counted
    protected, control = stage.lanes(began, healed)
    offset = time.time() - time.monotonic()
    rises = [event.at - offset - began for event in changes if event.new > event.old]
    falls = [event.old - event.new for event in changes if event.new < event.old]
    put = stage.measure
    put("control", "answered without (so the fault is real)", control.answered, Unit.SHARE, at_most=0.9)
    put("answered", "answered with protection", protected.answered, Unit.SHARE, at_least=0.99)
    put("fresh", "of these, live", protected.fresh / max(1, protected.requests), Unit.SHARE)
    put("p99", "wait with protection, p99", protected.p99, Unit.SECONDS, at_most=1.0)
    put("detect", "first trouble → first level", min(rises, default=float("nan")), Unit.SECONDS, at_most=3.0)
    worst = max((int(event.new) for event in changes), default=0)
    put("worst", "worst level (4 is CRITICAL)", worst, Unit.COUNT, at_least=4)
    put("levels", "different levels on the way", len({event.new for event in changes}), Unit.COUNT, at_least=4)
    put("switched_off", "features off at the worst", switched_off, Unit.COUNT, at_least=len(FEATURES))
    put("falls", "largest step down on the way back", max(falls, default=0), Unit.COUNT, at_most=1, at_least=1)
    put("restore", "repair → all features back", restored - healed, Unit.SECONDS, at_most=quiet * 5 + 2.0)
    put("outbox", "kept orders not delivered", left, Unit.COUNT, at_most=0, at_least=0)
    put("kept", "orders kept and delivered later", shop.kept_orders - left, Unit.COUNT, at_least=1)
    put("twice", "orders booked twice", books["booked_twice"], Unit.COUNT, at_most=0, at_least=0)
