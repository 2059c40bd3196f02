"""When requests come: at random or evenly, at a rate that changes in steps and ramps."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from .scenario import ArrivalChange, ArrivalKind, ArrivalsConfig


def arrivals(config: ArrivalsConfig, duration: float, random: Random) -> Iterator[float]:
    """Yield the times of all requests of a simulation, in order.

    Candidates come at the highest rate that there ever is; each is taken with the share that the rate of its time has
    of that. Thinning gives an exact Poisson process of changing rate (Lewis and Shedler, 1979); even arrivals add the
    shares up and take the candidate at which the sum passes a whole number.
    """
    highest = max([config.rate, *(change.rate for change in config.changes)])
    even = config.kind is ArrivalKind.CONSTANT
    now = whole = 0.0
    while True:
        now += 1.0 / highest if even else random.expovariate(highest)
        if now >= duration:
            return
        share = rate_at(config, now) / highest if config.changes else 1.0
        if even:
            whole += share
            if whole < 1.0 - 1e-9:
                continue
            whole -= 1.0
        elif share < 1.0 and random.random() >= share:
            continue
        yield now


def rate_at(config: ArrivalsConfig, now: float) -> float:
    """Return the requests per second at a time."""
    holding = [change for change in config.changes if _holds(change, now)]
    if not holding:
        return config.rate
    last = max(holding, key=lambda change: change.at)
    done = 1.0 if last.over <= 0.0 else min(1.0, (now - last.at) / last.over)
    if done >= 1.0:
        return last.rate
    others = [change for change in config.changes if _holds(change, last.at) and change is not last]
    before = max(others, key=lambda change: change.at).rate if others else config.rate
    return before + (last.rate - before) * done


def _holds(change: ArrivalChange, now: float) -> bool:
    return change.at <= now and (change.until is None or now < change.until)
