"""How a call is timed: CPU time of this thread, no garbage collection, candidates interleaved at random."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, TypeVar

Call = Any
"""A wrapped operation. Any: peers are not typed."""
T = TypeVar("T")

cpu_ns = time.thread_time_ns


@dataclass(slots=True)
class Run:
    """The settings of one run and what all its cases share."""

    rounds: int
    slice_ms: float
    seed: int
    instances: int
    rejections: int
    threads: tuple[int, ...]
    tasks: tuple[int, ...]
    keys: tuple[int, ...] = ()
    random: random.Random = field(init=False)
    loop: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def interleave(self, entries: Sequence[T], measure: Callable[[T], None], rounds: int | None = None) -> None:
        """Measure every entry once per round, each round in a fresh random order."""
        for _ in range(rounds or self.rounds):
            for entry in self.random.sample(entries, len(entries)):
                with collection_off():
                    measure(entry)

    def count(self, ns_per_call: float) -> int:
        """Return how many calls fill one slice of time."""
        return max(20, min(200_000, int(self.slice_ms * 1e6 / max(ns_per_call, 1.0))))


@contextlib.contextmanager
def collection_off() -> Iterator[None]:
    """Collect garbage now and then not until the end of the block."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def plain(call: Call, count: int) -> float:
    """Return CPU nanoseconds per call."""
    start = cpu_ns()
    for _ in repeat(None, count):
        call(1)
    return (cpu_ns() - start) / count


def plain_caught(call: Call, count: int) -> float:
    """The same for a call that raises, which is caught."""
    start = cpu_ns()
    for _ in repeat(None, count):
        try:
            call(1)
        except Exception:
            pass
    return (cpu_ns() - start) / count


async def awaited(call: Call, count: int) -> float:
    """Return CPU nanoseconds per awaited call, all in one task."""
    start = cpu_ns()
    for _ in repeat(None, count):
        await call(1)
    return (cpu_ns() - start) / count


async def awaited_caught(call: Call, count: int) -> float:
    """The same for a call that raises, which is caught."""
    start = cpu_ns()
    for _ in repeat(None, count):
        try:
            await call(1)
        except Exception:
            pass
    return (cpu_ns() - start) / count


@dataclass(frozen=True, slots=True)
class Colour:
    """Plain functions or coroutine functions: how to wrap, to call once, and to time many calls.

    What is for coroutines is wrapped inside the running loop, which some peers ask for.
    """

    wrap: Callable[[Run, Callable[[], Call]], Call]
    once: Callable[[Run, Call], Any]
    timed: Callable[[Run, Call, int], float]
    timed_caught: Callable[[Run, Call, int], float]


async def _made(make: Callable[[], Call]) -> Call:
    return make()


async def _awaited_once(call: Call) -> Any:
    return await call(1)


PLAIN = Colour(
    wrap=lambda run, make: make(),
    once=lambda run, call: call(1),
    timed=lambda run, call, count: plain(call, count),
    timed_caught=lambda run, call, count: plain_caught(call, count),
)
COROUTINE = Colour(
    wrap=lambda run, make: run.loop.run(_made(make)),
    once=lambda run, call: run.loop.run(_awaited_once(call)),
    timed=lambda run, call, count: run.loop.run(awaited(call, count)),
    timed_caught=lambda run, call, count: run.loop.run(awaited_caught(call, count)),
)
