"""The links of a pipeline for plain functions; its twin for coroutines stands in `asynchronous`."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from math import inf
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from ..call import DEADLINE, Call
from ..clock import Clock
from ..errors import BulkheadFullError, CallTimeoutError, DeadlineExceededError, UnprotectedError
from ..interventions import INTERVENTIONS
from ..outcome import Outcome
from ..retry_scope import RETRIES, Purse, RetryScope, open_scope
from ..strategies.fallback import MISSING, STALE, FallbackRule, describe, takes_outcome
from ..strategies.gate import Gate, Queue, Wait, tell_refusal
from ..strategies.hedge import HedgeRule
from ..strategies.retry import RetryRule
from .plan import Lane, Link, compose
from .threads import WORKERS, Job

CALLED_GENERATOR = (
    "the operation is a generator function: it fails while it is iterated, after the protected call has returned; "
    "protect the function that consumes it"
)
LAZY = frozenset((CoroutineType, GeneratorType, AsyncGeneratorType))
RETURNED_COROUTINE = (
    "the operation returned a coroutine to the blocking driver, which cannot await it; "
    "use acall, execute_with_fault_tolerance, or decorate a coroutine function"
)


def compile_chain(lane: Lane) -> Link:
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
    chain: Link = compose(lane, links)
    return chain


def expiry(call: Call, limit: float | None, now: float) -> float | None:
    """Return the end of an attempt that starts now: its own limit or the call's deadline, the earlier one."""
    deadline = call.deadline
    if limit is None:
        return deadline
    own = now + limit
    return own if deadline is None or own < deadline else deadline


def begin(call: Call, lane: Lane) -> float | None:
    """Note the start of an attempt and return its end; raises DeadlineExceededError when that has passed."""
    now = lane.clock()
    expires = expiry(call, lane.limit, now)
    if expires is not None and expires <= now:
        parts = lane.parts
        call.circuit.count_refusal()
        tell_refusal(parts.hub, parts.clock, lane.name, "deadline")
        raise DeadlineExceededError(lane.name)
    call.began = now
    call.expires = expires
    if call.permit.__class__ is not int:
        call.circuit.begin(call.permit, now, None if expires is None else expires - now)
    return expires


def attempt(lane: Lane) -> Link:
    """Run the operation, inline or in a worker thread, under its deadline."""
    clock = lane.parts.clock

    def run(call: Call) -> Any:
        expires = begin(call, lane)
        if expires is None:
            value = in_thread(lane, call, None) if lane.in_thread else call.fn(*call.args, **call.kwargs)
        else:
            cell = [expires, clock]
            token = DEADLINE.set(cell)
            try:
                value = in_thread(lane, call, expires) if lane.in_thread else call.fn(*call.args, **call.kwargs)
            finally:
                if not call.abandoned:  # an abandoned thread is still bound by its deadline
                    cell[0] = inf
                DEADLINE.reset(token)
        if type(value) in LAZY:
            refuse_lazy(call.fn, value)
        return value

    return run


def refuse_lazy(fn: Any, value: Any) -> None:
    """Close a coroutine that nobody would await, or what a generator function gave, and say so.

    Generators that were made elsewhere are ordinary results.
    """
    if type(value) is CoroutineType:
        value.close()
        raise UnprotectedError(RETURNED_COROUTINE)
    refuse_generator(fn, value)


def refuse_generator(fn: Any, value: Any) -> None:
    """Refuse the generator of a generator function, whose failures come after the protected call."""
    code = value.gi_code if type(value) is GeneratorType else value.ag_code
    while isinstance(fn, functools.partial):
        fn = fn.func
    if code is getattr(getattr(fn, "__func__", fn), "__code__", None):
        raise UnprotectedError(CALLED_GENERATOR)


def in_thread(lane: Lane, call: Call, expires: float | None) -> Any:
    """Run the operation in a worker thread and stop waiting for it when it is late."""
    clock = lane.parts.clock
    job = WORKERS.start(call.fn, call.args, call.kwargs)
    clock.wait(job.done, None if expires is None else max(0.0, expires - clock.monotonic()))
    abandoned = lane.parts.abandoned
    abandoned.add(1)
    if job.abandon(lambda: abandoned.add(-1)):
        call.abandoned = True
        assert expires is not None and call.began is not None
        raise CallTimeoutError(lane.name, expires - call.began)
    abandoned.add(-1)
    return job.result()


def breaker(inner: Link) -> Link:
    """Ask the circuit, run the rest, and tell the circuit what came of it."""

    def run(call: Call) -> Any:
        circuit = call.circuit
        call.began = call.expires = None
        call.permit = permit = circuit.enter(call)
        try:
            value = inner(call)
        except BaseException as error:
            circuit.leave(call, permit, error, None)
            raise
        circuit.leave(call, permit, None, value)
        return value

    return run


def gate(strategy: Gate, clock: Clock, inner: Link) -> Link:
    """Enter a gate, waiting if it says so, run the rest, and leave the gate whatever happens."""
    enter, leave = strategy.enter, strategy.leave

    def run(call: Call) -> Any:
        permit = enter(call)
        if type(permit) is Wait:
            permit = wait_for(strategy, clock, call, permit)
        try:
            value = inner(call)
        except BaseException as error:
            leave(call, permit, error, None)
            raise
        leave(call, permit, None, value)
        return value

    return run


def wait_for(strategy: Queue, clock: Clock, call: Any, wait: Any) -> object:
    """Block until a gate's permit is there; a wait that is broken off leaves the line."""
    try:
        if wait.ticket is None:
            clock.sleep(wait.seconds)
        else:
            event = threading.Event()
            wait.ticket.wake = event.set
            decided = wait.ticket.granted or wait.ticket.gone
            if not decided and (wait.limit is None or wait.limit > 0.0):
                clock.wait(event, wait.limit)
    except BaseException:
        strategy.give_up(call, wait)
        raise
    return strategy.resume(call, wait)


def extend_lease(call: Call, delay: float) -> None:
    """Keep a wait between attempts out of the lease of a probe, when the breaker stands outside the retry."""
    if call.permit.__class__ is not int:
        call.circuit.extend(call.permit, delay)


def retry(rule: RetryRule, clock: Clock, inner: Link) -> Link:
    """Run the rest again while the rule says so."""

    def run(call: Call) -> Any:
        if rule.budget is not None and not rule.spans and call.attempt == 1:
            rule.budget.deposit_call()
        while True:
            try:
                value = inner(call)
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
                    clock.sleep(delay)
                except BaseException:
                    call.not_started()
                    raise

    return run


def scope(purse: Purse, inner: Link) -> Link:
    """Run the rest as an attempt whose budget pays for the retries of all layers inside."""
    alone, current = (purse,), RETRIES.get

    def run(call: Call) -> Any:
        opened = RetryScope(alone, call.attempt) if current() is None else open_scope(purse, call.attempt)
        token = RETRIES.set(opened)
        try:
            value = inner(call)
        except BaseException as error:
            call.given_up = opened.end(error, abandoned=call.abandoned)
            raise
        finally:
            RETRIES.reset(token)
        if opened.marks is None:
            opened.ended = True
        else:
            call.given_up = opened.end(value)
        return value

    return run


def fallback(rule: FallbackRule, clock: Clock, inner: Link) -> Link:
    """Answer a failed call with a kept result or the first fallback that does not fail."""
    shadows = rule.shadows
    if shadows is not None:
        from .shadow import beside

    def run(call: Call) -> Any:
        try:
            value = inner(call)
        except Exception as error:
            if rule.config is None and call.fallback is None:
                raise
            outcome = call.outcome(clock.monotonic(), error)
            try:
                if not rule.applies(outcome):
                    raise
                return answer(rule, call, outcome)
            finally:
                del outcome  # it would tie error, traceback and frame in a cycle
        if rule.looks_at_values:
            outcome = call.outcome(clock.monotonic(), None, value)
            if rule.applies(outcome):
                return answer(rule, call, outcome)
        if rule.keeps:
            rule.keep(call, value)
        if shadows is not None:
            beside(shadows, call, value)
        return value

    return run


def answer(rule: FallbackRule, call: Call, outcome: Outcome) -> Any:
    """Return a kept result or the first answer of the chain; the first error surfaces when all fail."""
    kept = rule.kept(call)
    if kept is not MISSING:
        rule.used(0, STALE, outcome.error)
        return kept
    for index, candidate in enumerate(rule.candidates(call)):
        kind = describe(candidate)
        try:
            value = candidate(outcome) if takes_outcome(candidate) else candidate()
            if type(value) is CoroutineType:
                refuse_lazy(candidate, value)
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


def hedge(rule: HedgeRule, clock: Clock, inner: Link) -> Link:
    """Run the rest in a worker thread, and again beside it when it is slow; the first good result wins.

    Losers cannot be stopped: they run on in their threads until their operation returns.
    """

    def run(call: Call) -> Any:
        ended: deque[tuple[int, Job]] = deque()
        news = threading.Event()
        race = rule.race(call)

        def launch(number: int) -> None:
            try:
                job = WORKERS.start(inner, (call.fork(call.attempt + number - 1),), {})
            except BulkheadFullError as refused:
                if number == 1:
                    raise
                race.settle(number, refused, None)
                return

            def finished() -> None:
                ended.append((number, job))
                news.set()

            job.watch(finished)

        launch(1)
        next_at = clock.monotonic() + race.wait
        while True:
            clock.wait(news, None if next_at == inf else max(0.0, next_at - clock.monotonic()))
            news.clear()
            failed = False
            while ended:
                number, job = ended.popleft()
                if race.settle(number, job.error, job.value):
                    return job.result()
                failed = True
            if race.may_launch and (failed or clock.monotonic() >= next_at):
                if race.launch():
                    launch(race.launched)
                next_at = clock.monotonic() + race.wait
            if race.over:
                if race.primary[0] is not None:
                    raise race.take_primary()
                return race.primary[1]

    return run
