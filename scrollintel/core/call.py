"""One invocation of a protected operation, and the deadline that passes on to nested ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from math import inf
from typing import Any

from .clock import Clock
from .outcome import Outcome
from .retry_scope import Purse, refund

DEADLINE: ContextVar[list[Any] | None] = ContextVar("scrollintel_deadline", default=None)
"""End of the surrounding protected attempt, and the clock on whose scale it is.

A list, so that the attempt can put infinity there when it ends: tasks and threads that it started live on with a
copy of its context, and its deadline is none of theirs any more. Whoever sets a deadline that is no policy's calls
`INTERVENTIONS.expect_deadlines` before.
"""


def remaining() -> float | None:
    """Return the seconds left until the deadline of the surrounding protected call, or None without one.

    Blocking code hands it on, for instance as the timeout of a socket, because no library can stop a plain
    function from outside. Never negative.
    """
    deadline = DEADLINE.get()
    if deadline is None or deadline[0] == inf:
        return None
    return float(max(0.0, deadline[0] - deadline[1].monotonic()))


def inherited_deadline(clock: Clock, now: float) -> float | None:
    """Return the end of the surrounding call on the scale of `clock`."""
    deadline = DEADLINE.get()
    if deadline is None or deadline[0] == inf:
        return None
    at: float
    at, scale = deadline
    return at if scale is clock else now + (at - scale.monotonic())


class Call:
    """What the links of a pipeline share while they run one operation.

    Attributes:
        began: When the present attempt began to run, or None while it waits or was refused.
        expires: End of the present attempt, or None.
        permit, circuit: What the breaker gave to the present attempt.
        failed: Error that is about to be raised again; else None.
        delay: Seconds before the next attempt.
        paid: Budgets that the present attempt took its price from.
        given_up: Whether a layer inside the last attempt had no budget for another try.
        abandoned: Whether a worker thread still runs an attempt that was late.
        measured: Whether response times are recorded.
        ending: How the call ended, when a fallback is to answer it.
        observed: What an observer keeps with the call.
        era_of_levels: What the levels over its circuit were when the present attempt was admitted.
    """

    # Defaults of the class instead of slots that every call would have to fill.
    attempt = 1
    began: float | None = None
    expires: float | None = None
    deadline: float | None = None
    permit: Any = None
    circuit: Any = None
    failed: BaseException | None = None
    fallback: Any = None
    previous_delay: float | None = None
    delay = 0.0
    paid: tuple[Purse, ...] = ()
    given_up = False
    abandoned = False
    measured = True
    ending: Outcome | None = None
    observed: Any = None
    era_of_levels = 0

    def __init__(
        self, policy: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], started: float
    ) -> None:
        self.policy = policy
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.started = started

    def take_failure(self) -> BaseException:
        """Return the error of the attempt that has already run, once.

        The caller raises it without a name for it: a local variable would tie error, traceback and frame in a
        cycle.
        """
        error, self.failed = self.failed, None
        assert error is not None
        return error

    def take_ending(self) -> Outcome:
        """Return how the call ended, once; see `take_failure`."""
        ending, self.ending = self.ending, None
        assert ending is not None
        return ending

    def not_started(self) -> None:
        """Give back what the present attempt took from budgets: it was refused, or its wait was cancelled."""
        refund(self.paid)
        self.paid = ()

    def fork(self, attempt: int) -> Call:
        """Return a copy for an attempt that runs beside others."""
        copy = Call(self.policy, self.fn, self.args, self.kwargs, self.started)
        copy.attempt = attempt
        copy.deadline = self.deadline
        copy.fallback = self.fallback
        copy.circuit = self.circuit
        copy.observed = self.observed
        return copy

    def outcome(self, now: float, error: BaseException | None, value: object = None) -> Outcome:
        """Return the end of the call as hooks see it."""
        return Outcome(
            policy=self.policy, value=value, error=error, attempts=self.attempt, elapsed=now - self.started,
            args=self.args, kwargs=self.kwargs,
        )  # fmt: skip
