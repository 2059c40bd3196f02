"""The rules by which policies are checked, one at a time and in their nesting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf
from typing import Any

from ..config.breaker import BreakerMode, WindowKind
from ..config.policy import Policy
from ..machines.backoff import next_delay
from . import costs
from .findings import Finding

_RATED = (WindowKind.COUNT, WindowKind.TIME)


def _outside(policy: Policy, outer: str, inner: str) -> bool:
    """Tell whether a policy has both layers, the one outside the other."""
    layers = policy.layers
    has = all(getattr(policy, layer, None) is not None for layer in (outer, inner))
    return has and layers.index(outer) < layers.index(inner)


def times(policy: Policy, deadline: float | None, *, bounded: bool) -> Iterator[Finding]:
    """Check the time limits of a policy against each other and against the deadline around it.

    `bounded` tells that what runs inside each attempt has an end of its own.
    """
    name, limits, retry = policy.name, policy.limits, policy.retry
    attempt, total = limits.attempt, limits.total
    if attempt is None and total is None and deadline is None and not bounded:
        yield Finding(
            "no_time_limit", name, "Nothing ends an attempt that hangs.",
            "Set `timeout` to a little more than the slowest good answer takes.",
        )  # fmt: skip
    if deadline is not None and attempt is not None and attempt > deadline:
        yield Finding(
            "attempt_beyond_deadline", name,
            f"An attempt may take {attempt:g} s, but the deadline around it ends after {deadline:g} s.",
            f"Set the time limit of an attempt to less than {deadline:g} s.",
        )  # fmt: skip
    if retry is None or retry.max_attempts == 1 or attempt is None:
        return
    pauses = costs.delays(retry)
    needed = retry.max_attempts * attempt + pauses
    if total is not None and total < needed:
        fitting = _fitting(policy, total, attempt)
        yield Finding(
            "total_too_short", name,
            f"The total of {total:g} s ends in attempt {fitting} of {retry.max_attempts} when each takes its "
            f"{attempt:g} s and pauses are at their longest; all of them need {needed:.3g} s.",
            "Shorten the attempts or the delays, make fewer attempts, or raise the total.",
        )  # fmt: skip
    elif deadline is not None and attempt <= deadline < min(needed, inf if total is None else total):
        yield Finding(
            "retries_beyond_deadline", name,
            f"Its attempts and pauses may take {needed:.3g} s, but the deadline around it ends after {deadline:g} s.",
            "Shorten the attempts or make fewer of them.",
        )  # fmt: skip


def _fitting(policy: Policy, total: float, attempt: float) -> int:
    """Return the number of the attempt in which the total ends, when every one takes all of its time."""
    retry: Any = policy.retry
    elapsed, previous = attempt, retry.base_delay
    for number in range(1, retry.max_attempts):
        if elapsed >= total:
            return number
        previous = next_delay(retry, number - 1, previous, 1.0)
        elapsed += costs.longest(retry, previous) + attempt
        if elapsed - attempt >= total:
            return number
    return int(retry.max_attempts)


def repeats(policy: Policy, writes: bool | None) -> Iterator[Finding]:
    """Check what runs an operation more than once."""
    name, retry, hedge = policy.name, policy.retry, policy.hedge
    again = retry is not None and retry.max_attempts > 1
    if again and retry is not None and retry.budget is None:
        yield Finding(
            "retry_without_budget", name,
            f"In an outage {retry.max_attempts} attempts go out for each call, and keep it going after its cause.",
            "Give the retry a `BudgetConfig`, so that retries stay a tenth of the traffic.",
        )  # fmt: skip
    if again and retry is not None and retry.retry_rejected:
        yield Finding(
            "retries_refusals", name, "Refusals of the own layers are tried again, also those of an open circuit.",
            "Leave `retry_rejected` off, unless a refusal is sure to be over within a pause.",
        )  # fmt: skip
    if writes is not False:
        yield from _marks(policy, writes, again=again)
    limit = policy.limits.attempt
    if hedge is not None and limit is not None and hedge.delay >= limit and hedge.quantile is None:
        yield Finding(
            "late_hedge", name,
            f"The hedge starts after {hedge.delay:g} s, but an attempt ends after {limit:g} s at the latest.",
            "Start it where answers begin to be slow, such as at `quantile=0.95`.",
        )  # fmt: skip


def _marks(policy: Policy, writes: bool | None, *, again: bool) -> Iterator[Finding]:
    retry, hedge = policy.retry, policy.hedge
    unmarked = "nothing says that the operation may run more than once"
    mark = "Set `repeatable`: `idempotent` for all calls, or a function that tells it from the arguments."
    if hedge is not None and hedge.repeatable is None:
        code = "hedged_write" if writes else "unmarked_hedge"
        yield Finding(code, policy.name, f"A hedge sends a call twice, and {unmarked}.", mark)
    if again and retry is not None and retry.repeatable is None:
        code = "retried_write" if writes else "unmarked_retry"
        yield Finding(code, policy.name, f"A retry sends a call again, and {unmarked}.", mark)


def order(policy: Policy) -> Iterator[Finding]:
    """Check orders that are allowed and seldom meant; those that make no sense no configuration takes."""
    name, retry, breaker = policy.name, policy.retry, policy.breaker
    if _outside(policy, "breaker", "retry") and retry is not None and breaker is not None and retry.max_attempts > 1:
        runs = breaker.failure_threshold * retry.max_attempts
        sentence = (
            "The breaker stands outside the retry, so failures that a retry makes good do not count for it."
            if breaker.window_kind in _RATED
            else f"The breaker stands outside the retry, so it opens after {runs} failed attempts instead of "
            f"{breaker.failure_threshold}."
        )
        yield Finding("breaker_outside_retry", name, sentence, "Put the retry outside, as in the default order.")
    for layer in ("bulkhead", "limit"):
        if _outside(policy, layer, "retry") and costs.delays(retry) > 0.0:
            yield Finding(
                "slots_during_pauses", name,
                f"The {layer} stands outside the retry, so a call holds its slot for up to "
                f"{costs.delays(retry):.3g} s of pauses.",
                "Put the retry outside, as in the default order.",
            )  # fmt: skip


def breaker(policy: Policy) -> Iterator[Finding]:
    """Check whether the circuit can open at all, and when the dependency hangs."""
    config = policy.breaker
    if config is None:
        return
    never = None
    if config.mode is not BreakerMode.ENABLED:
        never = (
            f"The breaker is {config.mode.value.replace('_', ' ')}, so it never opens.",
            "Enable it once it is tried.",
        )
    rate: Any = policy.rate_limit
    timed = config.window_kind in (WindowKind.TIME, WindowKind.COUNT_IN_TIME)
    needed = config.minimum_calls if config.window_kind is WindowKind.TIME else config.failure_threshold
    if never is None and timed:
        window = config.window_size
        if rate is not None and rate.capacity + rate.per_second * window < needed:
            most = int(rate.capacity + rate.per_second * window)
            never = (
                f"The rate limit lets {most} attempts through in its window of {window:g} s, but it takes {needed}.",
                "Lower `minimum_calls` or `failure_threshold`, or take a longer window.",
            )
        else:
            never = _hanging(policy, window, needed)
    if never is not None:
        yield Finding("breaker_never_opens", policy.name, *never)


def _hanging(policy: Policy, window: float, needed: int) -> tuple[str, str] | None:
    """Return why calls that hang never fill a time window: few run at once, and each takes long."""
    slots: Any = policy.bulkhead
    limit = policy.limits.attempt
    if slots is None or limit is None:
        return None
    most = slots.max_concurrent * ceil(window / limit)
    if most >= needed:
        return None
    return (
        f"When all calls hang, {slots.max_concurrent} at once end after {limit:g} s each, so its window of "
        f"{window:g} s holds {most} failures at most, but it takes {needed}.",
        "Shorten the time limit of an attempt, take a longer window, or lower the number.",
    )


def lines(policy: Policy, deadline: float | None) -> Iterator[Finding]:
    """Check that waiting has an end."""
    if policy.limits.total is not None or deadline is not None:
        return
    bulkhead: Any = policy.bulkhead
    limit = policy.limit
    if bulkhead is not None and bulkhead.max_waiting and bulkhead.max_wait is None:
        yield Finding(
            "line_without_wait_limit", policy.name,
            f"{bulkhead.max_waiting} calls may wait for a slot of the bulkhead without end.",
            "Set `max_wait`, or a total for the whole call.",
        )  # fmt: skip
    if limit is not None and limit.longest_wait is None:
        yield Finding(
            "line_without_wait_limit", policy.name, "Attempts may wait for a slot of the adaptive limit without end.",
            "Set `max_wait`, or a total for the whole call.",
        )  # fmt: skip


def nesting(policies: Sequence[Policy]) -> Iterator[Finding]:
    """Check what several policies do to each other, each called inside the attempts of the one before."""
    again = [policy for policy in policies if costs.attempts(policy) > 1]
    shared = bool(again) and costs.spans(again[0])
    if len(again) > 1 and not shared:
        calls = costs.cost(again, None).calls
        counts = [str(costs.attempts(policy)) for policy in again]
        product = "" if any(map(costs.spans, again)) else f"{' × '.join(counts)} = "
        names = ", ".join(policy.name for policy in again)
        yield Finding(
            "nested_retries", policies[0].name,
            f"{names} try again inside each other: {product}{calls} calls for one.",
            f"Let one of them retry, or give {again[0].name} a budget with `across_layers=True`.",
        )  # fmt: skip
    for place, inner in enumerate(policies[1:], 1):
        around = [outer for outer in policies[:place] if outer.breaker is not None or outer.retry is not None]
        if inner.fallback is not None and around:
            yield Finding(
                "hidden_failures", inner.name,
                f"Its fallback answers before {around[-1].name} sees a failure.",
                f"Move the fallback to {policies[0].name}, the outermost policy.",
            )  # fmt: skip
