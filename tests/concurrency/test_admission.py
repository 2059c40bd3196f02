"""Admission under threads, tasks and cancellation: every slot comes back, and nobody is left in line."""

from __future__ import annotations

import asyncio
import random
import threading
import time

from scrollintel import Admission, AdmissionConfig, Criticality, ShedError
from scrollintel.core.clock import SYSTEM_CLOCK
from scrollintel.core.drivers import asynchronous, blocking
from scrollintel.core.strategies.gate import Wait

CLASSES = list(Criticality)


def small() -> Admission:
    """Return the admission of three slots and four places, whose threshold stays where it is."""
    return Admission(AdmissionConfig(max_concurrent=3, max_waiting=4, max_wait=0.02, period=60.0))


def check(admission: Admission, served: int, shed: int) -> None:
    """Compare the admission's own counts with those of the callers."""
    figures = admission.figures()
    assert (figures.running, figures.waiting) == (0, 0)
    assert (sum(figures.served), sum(figures.shed)) == (served, shed)


def test_threads_give_every_slot_back(seed: int) -> None:
    """Sixteen threads, waits in vain, waiters pushed out by more critical ones."""
    admission = small()
    counts = {"served": 0, "shed": 0, "inside": 0, "most": 0}
    lock = threading.Lock()

    def work(number: int) -> None:
        draw = random.Random(seed + number)
        for _ in range(60):
            try:
                permit = admission.enter(draw.choice(CLASSES))
                if isinstance(permit, Wait):
                    permit = blocking.wait_for(admission, SYSTEM_CLOCK, None, permit)
            except ShedError:
                with lock:
                    counts["shed"] += 1
                continue
            with lock:
                counts["served"] += 1
                counts["inside"] += 1
                counts["most"] = max(counts["most"], counts["inside"])
            time.sleep(draw.random() * 0.002)
            with lock:
                counts["inside"] -= 1
            admission.leave(permit)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(admission, counts["served"], counts["shed"])
    assert counts["most"] <= 3
    assert counts["served"] + counts["shed"] == 16 * 60


def test_cancelled_tasks_give_place_and_slot_back(seed: int) -> None:
    """Tasks are cancelled in line, at the moment when they get a slot, and while they have it."""
    admission = small()
    draw = random.Random(seed)

    async def request() -> None:
        permit = admission.enter(draw.choice(CLASSES))
        if isinstance(permit, Wait):
            permit = await asynchronous.wait_for(admission, SYSTEM_CLOCK, None, permit)
        try:
            await asyncio.sleep(draw.random() * 0.002)
        finally:
            admission.leave(permit)

    async def main() -> int:
        refused = 0
        for _ in range(60):
            tasks = [asyncio.ensure_future(request()) for _ in range(draw.randrange(1, 12))]
            for task in tasks:
                for _ in range(draw.randrange(3)):
                    await asyncio.sleep(0)
                if draw.random() < 0.5:
                    task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            refused += sum(isinstance(result, ShedError) for result in results)
            assert all(isinstance(result, ShedError | asyncio.CancelledError | None) for result in results)
        return refused

    assert asyncio.run(main()) > 0
    figures = admission.figures()
    assert (figures.running, figures.waiting) == (0, 0)
