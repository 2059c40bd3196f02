"""What a campaign says: medians and tails with censored runs, ratios of medians with a bootstrap interval."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 4000
CONFIDENCE = 0.95


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of all lie, by linear interpolation; NaN of nothing, inf where censored."""
    if not values:
        return math.nan
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    if ordered[high] == math.inf:
        return ordered[low] if place == low else math.inf
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def restricted_mean(values: Sequence[float], deadline: float) -> float:
    """Return the mean with runs that did not recover counted at their deadline."""
    return math.nan if not values else sum(min(value, deadline) for value in values) / len(values)


@dataclass(frozen=True)
class Ratio:
    """Ratio of two medians, ours over theirs, with the bounds of its interval; NaN where neither recovered."""

    value: float
    low: float
    high: float


def ratio_of_medians(ours: Sequence[float], theirs: Sequence[float], *, deadline: float, seed: int) -> Ratio:
    """Return the ratio of the medians with a percentile bootstrap interval of 95 % (Efron 1979).

    Runs are drawn anew within each arm. One that did not recover counts at its deadline, which makes a ratio against an
    arm that never recovers an upper bound.
    """
    if not ours or not theirs:
        return Ratio(math.nan, math.nan, math.nan)
    mine, other = ([min(value, deadline) for value in values] for values in (ours, theirs))
    draw = random.Random(seed)
    found = sorted(
        quantile(draw.choices(mine, k=len(mine)), 0.5) / quantile(draw.choices(other, k=len(other)), 0.5)
        for _ in range(RESAMPLES)
    )
    tail = (1.0 - CONFIDENCE) / 2.0
    return Ratio(quantile(mine, 0.5) / quantile(other, 0.5), quantile(found, tail), quantile(found, 1.0 - tail))
