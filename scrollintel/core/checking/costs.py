"""How many runs of the operation, and how many seconds, a policy may take at most."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from ..config.policy import Policy
from ..config.retry import RetryConfig
from ..machines.backoff import next_delay
from .findings import WorstCase

_ALMOST_ONE = 1.0 - 2.0**-53
_MOST_SUMMED = 1000
"""Delays that are added up one by one; the rest counts as the last one."""


def longest(retry: RetryConfig, delay: float) -> float:
    """Return the seconds that a pause may take at most whose computed `delay` is known.

    A server may ask for more, and so does a refusal that is tried again; both are followed up to `max_retry_after`.
    """
    asked = retry.retry_after is not None or retry.retry_rejected
    return max(delay, retry.max_retry_after) if asked else delay


def delays(retry: RetryConfig | None) -> float:
    """Return the seconds that all pauses between attempts may take at most."""
    if retry is None:
        return 0.0
    total, previous = 0.0, retry.base_delay
    pauses = retry.max_attempts - 1
    for number in range(min(pauses, _MOST_SUMMED)):
        previous = next_delay(retry, number, previous, _ALMOST_ONE)
        total += longest(retry, previous)
    return total + max(0, pauses - _MOST_SUMMED) * longest(retry, previous)


def wait(policy: Policy) -> float:
    """Return the seconds that one attempt may wait for slots and permits; infinite when nothing ends that."""
    total = 0.0
    rate: Any = policy.rate_limit
    bulkhead: Any = policy.bulkhead
    limit = policy.limit
    if rate is not None:
        total += rate.max_wait
    if bulkhead is not None and bulkhead.max_waiting:
        total += inf if bulkhead.max_wait is None else bulkhead.max_wait
    if limit is not None:
        total += inf if limit.longest_wait is None else limit.longest_wait
    return total


class Cost(NamedTuple):
    """What a policy, with those inside it, may take at most.

    Attributes:
        attempts: Attempts of this policy alone, hedges included.
        calls: Runs of the operation.
        attempt: Seconds of one attempt, without waits.
        seconds: Seconds of one call; infinite when nothing ends it.
    """

    attempts: int
    calls: int
    attempt: float
    seconds: float


def spans(policy: Policy) -> bool:
    """Tell whether the layers inside pay from a budget of this policy."""
    budgets = [part.budget for part in (policy.retry, policy.hedge) if part is not None]
    return any(budget is not None and budget.across_layers for budget in budgets)


def attempts(policy: Policy) -> int:
    """Return the attempts that one call may make, hedges included."""
    rounds = 1 if policy.retry is None else policy.retry.max_attempts
    return rounds * (1 if policy.hedge is None else 1 + policy.hedge.max_hedges)


def cost(policies: Sequence[Policy], deadline: float | None) -> Cost:
    """Return what the first policy may take, each of the others being called inside the attempts of the one before."""
    policy = policies[0]
    own = attempts(policy)
    limit = policy.limits.attempt
    inner = cost(policies[1:], limit) if len(policies) > 1 else None
    attempt = inf if limit is None else limit
    if inner is not None:
        attempt = min(attempt, inner.seconds)
    hedged = 0.0 if policy.hedge is None else policy.hedge.delay * policy.hedge.max_hedges
    once = hedged + wait(policy) + attempt
    rounds = 1 if policy.retry is None else policy.retry.max_attempts
    seconds = rounds * once + delays(policy.retry)
    if policy.retry is not None and policy.retry.max_elapsed is not None:
        seconds = min(seconds, policy.retry.max_elapsed + once)
    for end in (policy.limits.total, deadline):
        seconds = seconds if end is None else min(seconds, end)
    calls = 1 if inner is None else inner.calls
    # Under a budget across layers those inside make one attempt each while this one is in a further attempt.
    return Cost(own, own - 1 + calls if spans(policy) else own * calls, attempt, seconds)


def worst_case(policies: Sequence[Policy], deadline: float | None) -> WorstCase:
    """Return the most that one call of the outermost policy may cost, in words as well."""
    found = cost(policies, deadline)
    product = " × ".join(str(attempts(policy)) for policy in policies)
    made = f" ({product})" if len(policies) > 1 and not any(map(spans, policies)) else ""
    plural = "" if found.calls == 1 else "s"
    finite = found.seconds != inf
    lasts = f"takes {found.seconds:.3g} s" if finite else "nothing ends it"
    sentence = f"In the worst case one call runs the operation {found.calls} time{plural}{made} and {lasts}."
    layers = [policy for policy in policies if policy.limits.attempt is not None or policy.limits.total is not None]
    if finite and layers and not all(policy.limits.in_thread for policy in layers):
        sentence += " A plain function that runs inline has to keep to its time limit by itself."
    if policies[0].fallback is not None:
        sentence += " Its fallbacks come on top."
    return WorstCase(found.calls, found.seconds if finite else None, sentence)
