"""Automated recovery: the inventory is killed, then the storefront hangs; the control plane brings each back."""

from __future__ import annotations

import asyncio
import math
import time

from scrollintel import CircuitBreakerConfig, CircuitState, FallbackConfig, Outcome, Pipeline, RetryConfig, protect

from ..figures import Unit
from ..meter import Answer
from ..platform import CHECK_INTERVAL, CHECK_TIMEOUT
from ..shop import Shop
from ..stage import Stage
from ..traffic import Kind, Request
from ..watching import Facts, view_of

RECOVERED_WITHIN = 6.0


async def play(stage: Stage) -> None:
    """Kill one process, stop another, and only watch how they come back."""
    shop = Shop(stage.protected, stage.database)
    policy = protect(
        "shop front",
        breaker=CircuitBreakerConfig(name="shop front", recovery_timeout=0.25, success_threshold=2, timeout=0.3),
        retry=RetryConfig(max_attempts=2, base_delay=0.05),
        fallback=FallbackConfig([shop.kept], when=_is_page),
    )
    stage.showing.policies = lambda: [view_of(policy.snapshot())]

    async def book(request: Request) -> None:
        await policy.acall(shop.live, request)

    async def handle(request: Request) -> Answer:
        if request.kind is Kind.ORDER:
            return await shop.order(request, book)
        page = await policy.acall(shop.live, request)
        return Answer.FRESH if page.number == request.number else Answer.STALE

    known = len(stage.platform.incidents)
    with Facts(stage.timeline):
        async with stage.platform.on_duty():
            stage.protected.handler = handle
            calm = await _break_both(stage, policy)
    left = await shop.deliver(5.0)
    after, _ = stage.lanes(calm, time.monotonic() - 0.1)
    books, put = await stage.audit(), stage.measure
    recoveries = len(stage.platform.incidents) - known
    put("recoveries", "recoveries started, one for each fault", recoveries, Unit.COUNT, at_most=2, at_least=2)
    put("after", "answered after both recoveries", after.answered, Unit.SHARE, at_least=0.99)
    put("kept", "orders kept and delivered later", shop.kept_orders - left, Unit.COUNT)
    put("outbox", "kept orders not delivered", left, Unit.COUNT, at_most=0, at_least=0)
    put("damaged", "damage to the database", books["damaged"], Unit.COUNT, at_most=0, at_least=0)
    put("twice", "orders booked twice", books["booked_twice"], Unit.COUNT, at_most=0, at_least=0)


def _is_page(outcome: Outcome) -> bool:
    """Tell whether a failed call may be answered by a kept page: there is no stand-in for a booking."""
    request = outcome.args[0]
    return outcome.failed and isinstance(request, Request) and request.kind is not Kind.ORDER


async def _break_both(stage: Stage, policy: Pipeline) -> float:
    """Break one service after the other; return the moment from which all is well again."""
    seconds = stage.seconds
    stage.phase("all is well; the control plane checks both services every 0.1 s")
    await asyncio.sleep(seconds * 0.15)
    stage.phase("the inventory was killed; only the control plane will restart it")
    await _live_through(stage, policy, "killed", stage.faults.kill(stage.inventory))
    stage.phase("all is well again")
    await asyncio.sleep(max(0.4, seconds * 0.15))
    stage.phase("the storefront hangs; only the control plane will restart it")
    await _live_through(stage, policy, "hung", stage.faults.stop(stage.storefront))
    stage.phase("all is well again")
    calm = time.monotonic()
    await asyncio.sleep(max(0.4, seconds * 0.15))
    return calm


async def _live_through(stage: Stage, policy: Pipeline, what: str, broken: float) -> None:
    """Wait until the control plane has recovered the service and the circuit is closed; put down the times."""
    incidents = stage.platform.incidents
    known = len(incidents)
    await stage.until(lambda: len(incidents) > known, RECOVERED_WITHIN + 4.0)
    closed = await stage.until(lambda: policy.snapshot().state is CircuitState.CLOSED, 4.0)
    await asyncio.sleep(max(0.0, broken + stage.seconds * 0.25 - time.monotonic()))
    incident = incidents[known] if len(incidents) > known else None
    stale = [
        sample.ended
        for sample in stage.protected.meter.started_between(broken, math.inf)
        if sample.answer is not Answer.FRESH
    ]
    outage = max(closed, *stale, broken) - broken
    noticed = began = acted = over = math.nan
    if incident is not None and incident.succeeded:
        noticed, began = incident.noticed - broken, incident.began - broken
        acted, over = incident.acted - incident.began, incident.over - broken
    stage.note(f"{what}: noticed after {noticed:.2f} s, recovered after {over:.2f} s, all live after {outage:.2f} s")
    silent = CHECK_INTERVAL + 2.0 * CHECK_TIMEOUT if what == "hung" else 0.0
    put, most = stage.measure, RECOVERED_WITHIN
    put(f"{what}_detect", f"{what} → declared", noticed, Unit.SECONDS, at_most=silent + 0.5)
    put(f"{what}_begin", f"{what} → first durable step", began, Unit.SECONDS, at_most=silent + 1.0)
    put(f"{what}_act", f"{what}: restart took", acted, Unit.SECONDS, at_most=most / 2)
    proof = over - began - acted
    put(f"{what}_verify", f"{what}: proof of health took", proof, Unit.SECONDS, at_most=most / 2)
    put(f"{what}_recover", f"{what} → recovered", over, Unit.SECONDS, at_most=most)
    protected, control = stage.lanes(broken, broken + outage)
    put(
        f"{what}_answered", f"{what}: answered meanwhile with protection", protected.answered, Unit.SHARE, at_least=0.99
    )
    put(f"{what}_control", f"{what}: answered meanwhile without", control.answered, Unit.SHARE)
    put(f"{what}_outage", f"{what} → circuit closed, all live again", outage, Unit.SECONDS, at_most=most + 1.0)
