"""The links of a pipeline for coroutines; its twin for plain functions stands in `blocking`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from types import CoroutineType
from typing import Any

from ..call import DEADLINE, Call
from ..clock import Clock
from ..errors import CallTimeoutError
from ..interventions import INTERVENTIONS
from ..outcome import Outcome
from ..retry_scope import RETRIES, Purse, RetryScope, leave_context, open_scope
from ..strategies.fallback import MISSING, STALE, FallbackRule, describe, takes_outcome
from ..strategies.gate import Gate, Queue, Wait
from ..strategies.hedge import HedgeRule
from ..strategies.retry import RetryRule
from .blocking import LAZY, begin, extend_lease, refuse_generator
from .deadline import bounded
from .plan import Lane, compose, prepare
from .threads import WORKERS

AsyncLink = Callable[[Call], Awaitable[Any]]

_losers: set[asyncio.Task[Any]] = set()


def compile_chain(lane: Lane) -> AsyncLink:
    """Return the chain of links of a policy, from the outermost to the operation."""
    links: dict[str, Callable[..., Any]] = {
        "attempt": attempt,
        "gate": gate,
        "breaker": breaker,
        "hedge": hedge,
        "retry": retry,
        "fallback": fallback,
        "scope": scope,
    }
    chain: AsyncLink = compose(lane, links)
    return chain


def attempt(lane: Lane) -> AsyncLink:
    """Run the operation, inline or in a worker thread, under its deadline."""
    clock = lane.parts.clock

    async def run(call: Call) -> Any:
        expires = begin(call, lane)
        if expires is None:
            value = await in_thread(lane, call, None) if lane.in_thread else call.fn(*call.args, **call.kwargs)
            if type(value) is CoroutineType or hasattr(value, "__await__"):
                value = await value
            elif type(value) in LAZY:
                refuse_generator(call.fn, value)
            return value
        assert call.began is not None
        cell = [expires, clock]
        token = DEADLINE.set(cell)
        try:
            value = await in_thread(lane, call, expires) if lane.in_thread else call.fn(*call.args, **call.kwargs)
            if type(value) is CoroutineType or hasattr(value, "__await__"):
                value = await bounded(value, expires, clock, lane.name, call.began)
            elif type(value) in LAZY:
                refuse_generator(call.fn, value)
            return value
        finally:
            if not call.abandoned:  # an abandoned thread is still bound by its deadline
                cell[0] = inf
            reset_deadline(token)

    return run


def reset_deadline(token: Any) -> None:
    """Leave a deadline; see `leave_context`."""
    try:
        DEADLINE.reset(token)
    except ValueError:
        pass


async def in_thread(lane: Lane, call: Call, expires: float | None) -> Any:
    """Call the operation in a worker thread and stop waiting for it when it is late."""
    job = WORKERS.start(call.fn, call.args, call.kwargs)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def finish() -> None:
        if not ended.done():
            ended.set_result(None)

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish)

    job.watch(wake)
    abandoned = lane.parts.abandoned
    began = call.began
    try:
        if expires is None or began is None:
            await ended
        else:
            await bounded(ended, expires, lane.parts.clock, lane.name, began)
    except (CallTimeoutError, asyncio.CancelledError):
        abandoned.add(1)
        if job.abandon(lambda: abandoned.add(-1)):
            call.abandoned = True
            raise
        abandoned.add(-1)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    return job.result()


def breaker(inner: AsyncLink) -> AsyncLink:
    """Ask the circuit, run the rest, and tell the circuit what came of it."""

    async def run(call: Call) -> Any:
        circuit = call.circuit
        call.began = call.expires = None
        call.permit = permit = circuit.enter(call)
        try:
            value = await inner(call)
        except BaseException as error:
            circuit.leave(call, permit, error, None)
            raise
        circuit.leave(call, permit, None, value)
        return value

    return run


def gate(strategy: Gate, clock: Clock, inner: AsyncLink) -> AsyncLink:
    """Enter a gate, waiting if it says so, run the rest, and leave the gate whatever happens."""
    enter, leave = strategy.enter, strategy.leave

    async def run(call: Call) -> Any:
        permit = enter(call)
        if type(permit) is Wait:
            permit = await wait_for(strategy, clock, call, permit)
        try:
            value = await inner(call)
        except BaseException as error:
            leave(call, permit, error, None)
            raise
        leave(call, permit, None, value)
        return value

    return run


async def wait_for(strategy: Queue, clock: Clock, call: Any, wait: Any) -> object:
    """Suspend until a gate's permit is there; a wait that is cancelled leaves the line."""
    try:
        if wait.ticket is None:
            await clock.asleep(wait.seconds)
        elif wait.limit is None or wait.limit > 0.0:
            await _granted(wait, clock)
    except BaseException:
        strategy.give_up(call, wait)
        raise
    return strategy.resume(call, wait)


async def _granted(wait: Any, clock: Clock) -> None:
    """Suspend until a ticket is granted or sent away, or its limit is over."""
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    wait.ticket.wake = wake
    if wait.ticket.granted or wait.ticket.gone:
        return
    if wait.limit is None:
        await news.wait()
        return
    timer = clock.call_later(wait.limit, wake) or loop.call_later(wait.limit, news.set)
    try:
        await news.wait()
    finally:
        timer.cancel()


def retry(rule: RetryRule, clock: Clock, inner: AsyncLink) -> AsyncLink:
    """Run the rest again while the rule says so."""

    async def run(call: Call) -> Any:
        if rule.budget is not None and not rule.spans and call.attempt == 1:
            rule.budget.deposit_call()
        while True:
            try:
                value = await inner(call)
            except Exception as error:
                delay = rule.after_error(call, error)
                if delay is None:
                    raise
            else:
                delay = rule.after_value(call, value)
                if delay is None:
                    return value
            # Outside the handler, so that the errors of several attempts do not hang on each other.
            call.attempt += 1
            if delay > 0.0 and not INTERVENTIONS.immediate:
                extend_lease(call, delay)
                try:
                    await clock.asleep(delay)
                except BaseException:
                    call.not_started()
                    raise

    return run


def scope(purse: Purse, inner: AsyncLink) -> AsyncLink:
    """Run the rest as an attempt whose budget pays for the retries of all layers inside."""
    alone, current = (purse,), RETRIES.get

    async def run(call: Call) -> Any:
        opened = RetryScope(alone, call.attempt) if current() is None else open_scope(purse, call.attempt)
        token = RETRIES.set(opened)
        try:
            value = await inner(call)
        except BaseException as error:
            call.given_up = opened.end(error, abandoned=call.abandoned)
            raise
        finally:
            leave_context(RETRIES, token)
        if opened.marks is None:
            opened.ended = True
        else:
            call.given_up = opened.end(value)
        return value

    return run


def fallback(rule: FallbackRule, clock: Clock, inner: AsyncLink) -> AsyncLink:
    """Answer a failed call with a kept result or the first fallback that does not fail."""
    shadows = rule.shadows
    if shadows is not None:
        from .shadow import beside_in_loop

    async def run(call: Call) -> Any:
        try:
            value = await inner(call)
        except Exception as error:
            if rule.config is None and call.fallback is None:
                raise
            outcome = call.outcome(clock.monotonic(), error)
            try:
                if not rule.applies(outcome):
                    raise
                return await answer(rule, call, outcome)
            finally:
                del outcome  # it would tie error, traceback and frame in a cycle
        if rule.looks_at_values:
            outcome = call.outcome(clock.monotonic(), None, value)
            if rule.applies(outcome):
                return await answer(rule, call, outcome)
        if rule.keeps:
            rule.keep(call, value)
        if shadows is not None:
            beside_in_loop(shadows, call, value)
        return value

    return run


async def answer(rule: FallbackRule, call: Call, outcome: Outcome) -> Any:
    """Return a kept result or the first answer of the chain; the first error surfaces when all fail."""
    kept = rule.kept(call)
    if kept is not MISSING:
        rule.used(0, STALE, outcome.error)
        return kept
    for index, candidate in enumerate(rule.candidates(call)):
        kind = describe(candidate)
        try:
            value = candidate(outcome) if takes_outcome(candidate) else candidate()
            if type(value) is CoroutineType or hasattr(value, "__await__"):
                value = await value
        except Exception as error:
            rule.failed(index, kind, error, outcome.error)
            continue
        rule.used(index, kind, outcome.error)
        return value
    if outcome.error is None:
        return outcome.value
    call.failed = outcome.error
    del outcome
    raise call.take_failure()


def hedge(rule: HedgeRule, clock: Clock, inner: AsyncLink) -> AsyncLink:
    """Run the rest in a task, and again beside it when it is slow; the first good result wins, losers are cancelled."""

    async def run(call: Call) -> Any:
        race = rule.race(call)
        numbers: dict[asyncio.Task[Any], int] = {}
        pause: asyncio.Task[None] | None = None

        def launch(number: int) -> None:
            forked = call.fork(call.attempt + number - 1)
            numbers[asyncio.ensure_future(inner(forked))] = number

        launch(1)
        try:
            while True:
                if pause is None and race.wait != inf:
                    pause = asyncio.ensure_future(clock.asleep(race.wait))
                waiting = {*numbers, pause} if pause is not None else set(numbers)
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                failed = False
                for task in sorted(done & numbers.keys(), key=numbers.__getitem__):
                    number = numbers.pop(task)
                    error = asyncio.CancelledError() if task.cancelled() else task.exception()
                    if race.settle(number, error, None if error is not None else task.result()):
                        return task.result()
                    failed = True
                if race.may_launch and (failed or pause in done):
                    if pause is not None:
                        pause.cancel()
                        pause = None
                    if race.launch():
                        launch(race.launched)
                if race.over:
                    if race.primary[0] is not None:
                        raise race.take_primary()
                    return race.primary[1]
        finally:
            if pause is not None:
                pause.cancel()
            await _dismiss(numbers)

    return run


async def _dismiss(losers: dict[asyncio.Task[Any], int]) -> None:
    """Cancel the losers and give them one turn of the loop; one that resists is kept until it ends."""
    for task in losers:
        task.cancel()
        _losers.add(task)
        task.add_done_callback(_forget)
    if losers:
        await asyncio.sleep(0)


def _forget(task: asyncio.Task[Any]) -> None:
    _losers.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved here, so that the loop does not report what nobody awaits


async def run(lane: Lane, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], fallback: Any) -> Any:
    """Run `fn` through the whole chain."""
    if INTERVENTIONS.off:
        value = fn(*args, **kwargs)
        return await value if hasattr(value, "__await__") else value
    return await again(lane, prepare(lane, fn, args, kwargs, fallback, lane.clock()))


async def again(lane: Lane, call: Call) -> Any:
    """Run a call, or what is left of it, through the whole chain."""
    if lane.arun is None:
        lane.arun = compile_chain(lane)
    return await lane.arun(call)


async def ending(lane: Lane, call: Call) -> Any:
    """Answer a call whose last attempt failed on the short way."""
    return await answer(lane.parts.fallback, call, call.take_ending())


async def pause(lane: Lane, call: Call) -> None:
    """Wait before the next attempt."""
    if not INTERVENTIONS.immediate:
        try:
            await lane.parts.clock.asleep(call.delay)
        except BaseException:
            call.not_started()
            raise
