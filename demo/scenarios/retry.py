"""Retry with jitter: the database is locked again and again; retries carry every request through, none twice."""

from __future__ import annotations

import asyncio
import time

from scrollintel import RetryConfig, TimeoutConfig, protect

from ..figures import Unit
from ..meter import Answer
from ..stage import Stage
from ..traffic import Handler, Kind, Request, ServerError, says_no
from ..watching import Facts, view_of

POLICY = "orders and pages"
BASE_DELAY = 0.1
LOCKED_SHARE = 0.4
LOCK_PERIOD = 0.6
CROWD = 60
SLICES = 10


async def play(stage: Stage) -> None:
    """Let the batch job lock the database in a seeded rhythm; then let a crowd run into one long lock."""
    seconds = stage.seconds
    policy = protect(
        POLICY,
        retry=RetryConfig(
            max_attempts=8,
            base_delay=BASE_DELAY,
            max_delay=0.8,
            jitter=True,
            retryable_exceptions=[ConnectionError, TimeoutError],
            result_predicate=says_no,
        ),
        timeout=TimeoutConfig(attempt=0.6, total=4.0),
    )

    stage.showing.policies = lambda: [view_of(policy.snapshot())]

    async def handle(request: Request) -> Answer:
        response = await policy.acall(stage.protected.send, request)
        if response.failed:
            raise ServerError(str(response.status))
        return Answer.FRESH

    with Facts(stage.timeline) as facts:
        stage.protected.handler = handle
        stage.phase("all is well")
        await asyncio.sleep(seconds * 0.1)
        sent = stage.protected.client.sent
        locked = stage.faults.lock(LOCKED_SHARE, LOCK_PERIOD)
        stage.phase("the database is locked in bursts; what fails is tried again")
        await asyncio.sleep(seconds * 0.5)
        freed = stage.faults.lock(0)
        # The last of them still hold retries; count what they send as well.
        await asyncio.sleep(min(1.0, seconds * 0.1))
        sent = stage.protected.client.sent - sent
        stage.phase(f"a crowd of {CROWD} runs into one lock at the same instant")
        before = len(facts.retries)
        answered = await _crowd(stage, handle)
        facts.settle()
        stage.note(f"crowd: {answered} of {CROWD} answered after {len(facts.retries) - before} retries")
        stage.phase("all is well again")
        await asyncio.sleep(max(0.3, seconds * 0.1))
    first = [event.delay for event in facts.retries if event.policy == POLICY and event.attempt == 1]
    _measure(stage, (locked, freed), sent, first, answered, await stage.audit())


async def _crowd(stage: Stage, handle: Handler) -> int:
    """Send many orders in the same instant while the database is locked; return how many got through."""
    stage.faults.lock(1)
    await asyncio.sleep(0.1)
    requests = [Request(stage.stream.next_request().number, Kind.ORDER, 1 + place) for place in range(CROWD)]
    calls = [asyncio.create_task(handle(request)) for request in requests]
    await asyncio.sleep(0.25)
    stage.faults.lock(0)
    results = await asyncio.gather(*calls, return_exceptions=True)
    return sum(result is Answer.FRESH for result in results)


def _measure(
    stage: Stage,
    moments: tuple[float, float],
    sent: int,
    first: list[float],
    answered: int,
    books: dict[str, int],
) -> None:
    locked, freed = moments
    protected, control = stage.lanes(locked, freed)
    slices = [0] * SLICES
    for delay in first:
        slices[min(SLICES - 1, int(delay / BASE_DELAY * SLICES))] += 1
    crowded = max(slices) / len(first) if first else float("nan")
    after, _ = stage.lanes(freed, time.monotonic() - 0.1)
    put = stage.measure
    put("control", "answered without (so the fault is real)", control.answered, Unit.SHARE, at_most=0.97)
    put("answered", "answered with protection", protected.answered, Unit.SHARE, at_least=0.99)
    put("crowd", f"booked of a crowd of {CROWD} into the lock", answered, Unit.COUNT, at_least=CROWD)
    put("load", "requests sent ÷ asked for", sent / max(1, protected.requests), Unit.RATIO, at_most=2.5)
    put("retries", "first retries", len(first), Unit.COUNT, at_least=10)
    title = "first retries in the back-off's busiest tenth"
    put("jitter", title, crowded, Unit.SHARE, at_most=0.4)
    put("p99", "wait with protection, p99", protected.p99, Unit.SECONDS, at_most=2.5)
    put("twice", "orders booked twice", books["booked_twice"], Unit.COUNT, at_most=0, at_least=0)
    put("damaged", "damage to the database", books["damaged"], Unit.COUNT, at_most=0, at_least=0)
    put("after", "answered after the repair", after.answered, Unit.SHARE, at_least=0.99)
