"""How often services fail and how fast they come back: medians and tails, never a mean alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class IncidentTimes:
    """When one incident was detected, declared, begun, acted on and proven healthy; None where that did not happen."""

    service: str
    target: str
    failure_type: str
    detected_at: datetime
    declared_at: datetime
    recovering_at: datetime | None
    acted_at: datetime | None
    validated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How one recovery ended, and by which strategies it was tried."""

    service: str
    failure_type: str
    outcome: str
    strategy: str | None
    tried: tuple[str, ...]


def spread(values: Iterable[float]) -> dict[str, Any] | None:  # Any: JSON values
    """Return count, median, tails, maximum and mean in seconds; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return {
        "count": len(ordered),
        "median": _quantile(ordered, 0.5),
        "p90": _quantile(ordered, 0.9),
        "p95": _quantile(ordered, 0.95),
        "max": ordered[-1],
        "mean": sum(ordered) / len(ordered),
    }


def statistics(incidents: Sequence[IncidentTimes], ended: Sequence[Ended]) -> dict[str, Any]:  # Any: JSON values
    """Return the statistics over all, and by service, failure type and strategy.

    Time to recover (MTTR) is that from detection to proven health. Time between failures (MTBF) is that between two
    declarations of one target. The rate of success counts recoveries that ended recovered or not needed.
    """
    by_service = {
        name: _of([one for one in incidents if one.service == name], [one for one in ended if one.service == name])
        for name in sorted({one.service for one in incidents} | {one.service for one in ended})
    }
    kinds = sorted({one.failure_type for one in incidents} | {one.failure_type for one in ended})
    by_failure = {
        kind: _of(
            [one for one in incidents if one.failure_type == kind], [one for one in ended if one.failure_type == kind]
        )
        for kind in kinds
    }
    strategies = sorted({name for one in ended for name in one.tried})
    by_strategy = {
        name: {
            "tried": sum(name in one.tried for one in ended),
            "helped": sum(one.strategy == name for one in ended),
        }
        for name in strategies
    }
    return {
        **_of(incidents, ended),
        "by_service": by_service,
        "by_failure_type": by_failure,
        "by_strategy": by_strategy,
    }


def _of(incidents: Sequence[IncidentTimes], ended: Sequence[Ended]) -> dict[str, Any]:  # Any: JSON values
    succeeded = sum(one.outcome in ("recovered", "not_needed") for one in ended)
    return {
        "incidents": len(incidents),
        "recoveries": len(ended),
        "success_rate": succeeded / len(ended) if ended else None,
        "time_to_recover": spread(_spans(incidents, "detected_at", "validated_at")),
        "time_between_failures": spread(_gaps(incidents)),
        "detection": spread(_spans(incidents, "detected_at", "declared_at")),
        "initiation": spread(_spans(incidents, "declared_at", "recovering_at")),
        "action": spread(_spans(incidents, "recovering_at", "acted_at")),
        "validation": spread(_spans(incidents, "acted_at", "validated_at")),
    }


def _spans(incidents: Iterable[IncidentTimes], early: str, late: str) -> list[float]:
    found = []
    for one in incidents:
        begin, end = getattr(one, early), getattr(one, late)
        if begin is not None and end is not None:
            found.append(max(0.0, (end - begin).total_seconds()))
    return found


def _gaps(incidents: Iterable[IncidentTimes]) -> list[float]:
    moments: dict[str, list[datetime]] = {}
    for one in incidents:
        moments.setdefault(one.target, []).append(one.declared_at)
    return [
        (later - earlier).total_seconds()
        for declared in moments.values()
        for earlier, later in pairwise(sorted(declared))
    ]


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of all lie, by linear interpolation."""
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
