"""Runs fallbacks beside calls that succeeded: in worker threads, or in tasks where they are coroutine functions."""

from __future__ import annotations

import inspect
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..errors import CallTimeoutError
from ..strategies.fallback import takes_outcome
from ..strategies.shadow import Flight, Shadows
from .threads import WORKERS, Job

if TYPE_CHECKING:
    import asyncio

_tasks: set[asyncio.Task[None]] = set()


def beside(shadows: Shadows, call: Call, value: object) -> None:
    """Begin a shadow run in a worker thread when one is due; the caller neither waits for it nor hears of it."""
    flight = shadows.flight(call, value)
    if flight is None:
        return
    try:
        job = WORKERS.start(_run, (shadows, flight), {})
    except Exception:  # no thread is free, and the call has its answer already
        shadows.cancel(flight)
    else:
        job.watch(lambda: _finish(shadows, flight, job))


def _finish(shadows: Shadows, flight: Flight, job: Job) -> None:
    result = job.value
    if type(result) is CoroutineType:
        result.close()  # the blocking driver could not await it for a real call either
        shadows.end(flight, worked=False)
    else:
        shadows.end(flight, worked=job.error is None, result=result)


def _run(shadows: Shadows, flight: Flight) -> Any:
    shadows.enter_context(flight)
    return _called(flight)


def _called(flight: Flight) -> Any:
    fallback = flight.shadowed.fallback
    return fallback(flight.outcome) if takes_outcome(fallback) else fallback()


def beside_in_loop(shadows: Shadows, call: Call, value: object) -> None:
    """Begin a shadow run when one is due: a coroutine function in a task, a plain function in a worker thread."""
    flight = shadows.flight(call, value)
    if flight is None:
        return
    import asyncio

    task = asyncio.ensure_future(_in_task(shadows, flight))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _is_coroutine_function(fallback: Any) -> bool:
    while isinstance(fallback, partial):
        fallback = fallback.func
    return inspect.iscoroutinefunction(fallback) or inspect.iscoroutinefunction(getattr(fallback, "__call__", None))  # noqa: B004 - the method itself is examined


async def _in_task(shadows: Shadows, flight: Flight) -> None:
    from asyncio import CancelledError

    from .deadline import bounded

    shadows.enter_context(flight)
    clock = shadows.clock
    job: Job | None = None
    try:
        if _is_coroutine_function(flight.shadowed.fallback):
            result = _called(flight)
        else:
            job = WORKERS.start(_called, (flight,), {})
            await bounded(_ended(shadows, flight, job), flight.expires, clock, "", clock.monotonic())
            result = job.result()
        if hasattr(result, "__await__"):
            result = await bounded(result, flight.expires, clock, "", clock.monotonic())
    except CancelledError:
        shadows.cancel(flight)  # the loop is being closed
        raise
    except CallTimeoutError:
        # A thread cannot be stopped, so it keeps its place until it comes back.
        shadows.overdue(flight, over=job is None or job.done.is_set())
    except Exception:
        shadows.end(flight, worked=False)
    else:
        shadows.end(flight, worked=True, result=result)


async def _ended(shadows: Shadows, flight: Flight, job: Job) -> None:
    """Wait until a worker thread has run a plain fallback."""
    import asyncio

    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def finish() -> None:
        if not ended.done():
            ended.set_result(None)

    def wake() -> None:
        if flight.counted:
            shadows.cancel(flight)
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish)

    job.watch(wake)
    await ended
