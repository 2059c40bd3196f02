"""How long to wait before a retry: a growing delay, capped, then spread at random."""

from __future__ import annotations

from ..config.retry import Backoff, Jitter, RetryConfig

# Bound once: an attribute of an enumeration costs more to look up than a global.
_EXPONENTIAL = Backoff.EXPONENTIAL
_LINEAR = Backoff.LINEAR
_NO_JITTER = Jitter.NONE
_FULL = Jitter.FULL
_EQUAL = Jitter.EQUAL


def computed_delay(config: RetryConfig, retry: int) -> float:
    """Return the seconds before a retry as the schedule has them, capped, before jitter.

    Arguments:
        config: Gives `backoff`, `base_delay`, `max_delay` (seconds) and `exponential_base`.
        retry: Number of the retry, 0 for the first; any whole number from 0 up.

    The result lies between 0 and `max_delay` for every `retry`, since a product too large for a float is the cap.
    Exponential gives `min(max_delay, base_delay * exponential_base ** retry)`, linear
    `min(max_delay, base_delay * (retry + 1))`, constant `base_delay`. The cap comes before jitter, as in the AWS
    SDKs' 2026 revision: capping afterwards makes late retries pile up at the cap.
    """
    base = config.base_delay
    kind = config.backoff
    try:
        if kind is _EXPONENTIAL:
            delay = base * config.exponential_base**retry
        elif kind is _LINEAR:
            delay = base * (retry + 1)
        else:
            delay = base
    except OverflowError:
        return config.max_delay if base > 0.0 else 0.0
    return delay if delay < config.max_delay else config.max_delay


def next_delay(config: RetryConfig, retry: int, previous: float, u: float) -> float:
    """Return the seconds to wait before a retry, with jitter.

    Arguments:
        config: The schedule; see `computed_delay`.
        retry: Number of the retry, 0 for the first.
        previous: Seconds of the delay used before, or `base_delay` for the first retry; at least 0. Only
            decorrelated jitter looks at it.
        u: Random number in [0, 1).

    The result lies between 0 and `max_delay`. With `d` the computed delay, no jitter gives `d`, full `u * d`, equal
    `d / 2 + u * d / 2`, and decorrelated `min(max_delay, base_delay + u * (3 * previous - base_delay))`, which
    grows out of itself instead of following `backoff`. Source: Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015.
    """
    kind = config.jitter
    if kind is _FULL:
        return u * computed_delay(config, retry)
    if kind is _NO_JITTER:
        return computed_delay(config, retry)
    if kind is _EQUAL:
        # One factor of at most 1 cannot round to more than the delay, which a sum of two halves can.
        return computed_delay(config, retry) * (0.5 + 0.5 * u)
    base = config.base_delay
    delay = base + u * (3.0 * previous - base)
    return delay if delay < config.max_delay else config.max_delay
