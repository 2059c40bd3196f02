"""What follows a failed attempt on the short way, and how a call gets from there to the chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..call import Call
from ..interventions import INTERVENTIONS
from ..retry_scope import RETRIES, RetryScope, leave_context
from ..strategies.breaker import Circuit
from . import blocking
from .plan import Lane, prepare


def failed(
    lane: Lane, circuit: Circuit, call: Call | None, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any],
    fallback: Any, started: float | None, era: int, error: BaseException, key: object = None,
    scope: RetryScope | None = None, books: Any = None,
) -> Call | None:  # fmt: skip
    """Count the failure of an attempt and decide what follows.

    Returns the call with its `delay` before another attempt, or with its `ending` for a fallback; None when the
    error is the end of the call. `key` is the place among the calls in flight of a policy with an adaptive limit,
    `scope` and `books` are what its retry budget has put into the context; all of them are taken back here.
    """
    now = lane.clock()
    elapsed = None if started is None else now - started
    if lane.governed:
        _take_back(lane, key, scope, books, now, error)
    if call is None:
        # No deadline surrounds the short way and no fault is injected there, so `prepare` has nothing to add.
        call = Call(lane.name, fn, args, kwargs, now if started is None else started)
        call.circuit = circuit
        call.fallback = fallback
        call.measured = lane.measures
    call.expires = None if started is None or lane.limit is None else started + lane.limit
    circuit.settle_first(era, error, now, elapsed, call)
    if scope is not None:
        call.given_up = scope.end(error)
    if not isinstance(error, Exception) or not (lane.recovers or fallback is not None):
        return None
    retry = lane.parts.retry
    if retry is not None:
        delay = retry.after_error(call, error)
        if delay is not None:
            call.delay = delay
            call.attempt += 1
            return call
    rule = lane.parts.fallback
    if fallback is None and rule.config is None:
        return None
    outcome = call.outcome(now, error)
    if not rule.applies(outcome):
        return None
    call.ending = outcome
    return call


def _take_back(lane: Lane, key: object, scope: RetryScope | None, books: Any, now: float, error: BaseException) -> None:
    if scope is not None and books is not None:
        leave_context(RETRIES, books)
    if lane.slots is not None and lane.parts.limit is not None:
        lane.parts.limit.leave_quickly(lane.slots, key, now, error)
    if lane.throttle is not None:
        lane.throttle.count(error, None)


def run(lane: Lane, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], fallback: Any) -> Any:
    """Run `fn` through the whole chain."""
    if INTERVENTIONS.off:
        return fn(*args, **kwargs)
    return again(lane, prepare(lane, fn, args, kwargs, fallback, lane.clock()))


def again(lane: Lane, call: Call) -> Any:
    """Run a call, or what is left of it, through the whole chain."""
    if lane.run is None:
        lane.run = blocking.compile_chain(lane)
    return lane.run(call)


def ending(lane: Lane, call: Call) -> Any:
    """Answer a call whose last attempt failed on the short way."""
    return blocking.answer(lane.parts.fallback, call, call.take_ending())


def pause(lane: Lane, call: Call) -> None:
    """Wait before the next attempt."""
    if not INTERVENTIONS.immediate:
        try:
            lane.parts.clock.sleep(call.delay)
        except BaseException:
            call.not_started()
            raise
