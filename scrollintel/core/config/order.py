"""In which order the parts of a policy may stand around the operation."""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_ORDER = ("fallback", "retry", "hedge", "breaker", "throttle", "rate_limit", "bulkhead", "limit", "timeout")
"""Outermost first. The total deadline spans everything inside the fallback."""

_RULES = (
    ("fallback", "retry", "a fallback inside the retry answers before anything is tried again"),
    ("fallback", "hedge", "a fallback inside the hedge answers before any attempt is compared"),
    ("fallback", "breaker", "a fallback inside the breaker hides every failure from it"),
    ("fallback", "rate_limit", "a refusal outside the fallback is not answered by it"),
    ("fallback", "bulkhead", "a refusal outside the fallback is not answered by it"),
    ("fallback", "throttle", "a refusal outside the fallback is not answered by it"),
    ("fallback", "limit", "a refusal outside the fallback is not answered by it"),
    ("fallback", "timeout", "a late attempt outside the fallback is not answered by it"),
    ("retry", "hedge", "retries inside a hedge multiply with it"),
    ("retry", "timeout", "the time limit is one for each attempt; use TimeoutConfig(total=...) for the whole call"),
    ("hedge", "breaker", "a breaker outside the hedge does not see the attempts"),
    ("hedge", "timeout", "the time limit is one for each attempt; use TimeoutConfig(total=...) for the whole call"),
    ("breaker", "timeout", "a breaker inside the time limit never learns of hanging calls"),
    ("retry", "throttle", "a throttle outside the retry does not see the attempts"),
    ("hedge", "throttle", "a throttle outside the hedge does not see the attempts"),
    ("retry", "limit", "a limit outside the retry would take its pauses for slow answers"),
    ("hedge", "limit", "a limit outside the hedge does not see the attempts"),
    ("throttle", "timeout", "a throttle inside the time limit never learns of hanging calls"),
    ("rate_limit", "limit", "the limit would take the wait for a permit for a slow answer"),
    ("bulkhead", "limit", "the limit would take the wait for a slot of the bulkhead for a slow answer"),
    ("limit", "timeout", "the time limit would run while the call waits for a slot"),
    ("bulkhead", "timeout", "the time limit would run while the call waits for a slot"),
    ("rate_limit", "timeout", "the time limit would run while the call waits for its permit"),
)


def full_order(order: Sequence[str]) -> tuple[str, ...]:
    """Return the default order with the named layers changing places among themselves as `order` has them."""
    named = iter(order)
    return tuple(next(named, layer) if layer in order else layer for layer in DEFAULT_ORDER) + tuple(named)


def order_problem(order: Sequence[str]) -> str | None:
    """Return why an order (outermost first) makes no sense, or None when it does."""
    unknown = [layer for layer in order if layer not in DEFAULT_ORDER]
    if unknown:
        return f"{unknown[0]!r} is no layer; the layers are {', '.join(DEFAULT_ORDER)}"
    twice = [layer for layer in order if list(order).count(layer) > 1]
    if twice:
        return f"{twice[0]!r} stands twice"
    place = {layer: position for position, layer in enumerate(order)}
    for outer, inner, reason in _RULES:
        if outer in place and inner in place and place[outer] > place[inner]:
            return f"{outer!r} must stand outside {inner!r}: {reason}"
    return None
