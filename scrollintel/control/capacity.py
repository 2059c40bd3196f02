"""What keeps services within their capacity, as wholes: merged from what the replicas of a service report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple

from ..replica.parts import PART_KINDS, PartKind, Together
from ..replica.protocol import PolicyReport

_FULL = (("full", "free"), frozenset({"free"}))
KINDS: Final[Mapping[str, PartKind]] = MappingProxyType(
    {
        "limit": PartKind(
            *_FULL, {"limit": Together.SUM, "running": Together.SUM, "waiting": Together.SUM,
                     "rejections": Together.COUNT},
        ),
        "throttle": PartKind(
            ("refusing", "passing"), frozenset({"passing"}), {"share": Together.MOST, "rejections": Together.COUNT}
        ),
        "bulkhead": PartKind(
            *_FULL, {"slots": Together.SUM, "running": Together.SUM, "waiting": Together.SUM}
        ),
        "rate_limit": PartKind(
            ("empty", "free"), frozenset({"free"}), {"capacity": Together.SUM, "permits": Together.SUM}
        ),
        **PART_KINDS,
    }
)  # fmt: skip
"""Every kind of part: those that the figures of policies tell of, and those that have reports of their own."""
DERIVED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"pool": ("share",), "fallback": ("success_share", "agreement")}
)
"""Figures that are made of others, by kind."""


class ReplicaPart(NamedTuple):
    """A part on one replica.

    Attributes:
        replica, host: Who reports it, and on which machine.
        age: Seconds since the replica was heard of.
        stale: Whether it has fallen silent.
        state, reason, figures: As it reports them.
    """

    replica: str
    host: str | None
    age: float
    stale: bool
    state: str
    reason: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class CapacityPart:
    """A part over all replicas of one service.

    Arguments:
        kind, name, member: As in `PartReport`.
        service: Whose replicas report it.
        on: One for each replica, at least one.
        among: Replicas that have what it is a member of, where they tell of the member only while something is wrong.
    """

    kind: str
    name: str
    member: str | None
    service: str
    on: Sequence[ReplicaPart]
    among: int = 0

    @cached_property
    def fresh(self) -> Sequence[ReplicaPart]:
        """The replicas that are not stale, or all when all are."""
        return [one for one in self.on if not one.stale] or self.on

    @cached_property
    def deciding(self) -> ReplicaPart:
        """The replica that stands for the whole: the first one in the worst state."""
        rank = KINDS[self.kind].rank
        ranks = {state: rank(state) for state in {one.state for one in self.fresh}}
        worst = min(ranks, key=ranks.__getitem__)
        return next(one for one in self.fresh if one.state == worst)

    @property
    def state(self) -> str:
        """The worst state of any replica that is not stale."""
        return self.deciding.state

    @property
    def acting(self) -> bool:
        """Whether it acts on calls now, or needs somebody."""
        return self.state not in KINDS[self.kind].calm

    def states(self) -> dict[str, int]:
        """Return how many replicas have it in each state."""
        return dict(Counter(one.state for one in self.on))

    @cached_property
    def figures(self) -> Mapping[str, float]:
        """The figures of all fresh replicas together; what nobody tells is left out."""
        found: dict[str, float] = {}
        told = [one.figures for one in self.fresh]
        for name, together in KINDS[self.kind].figures.items():
            values = [figures[name] for figures in told if name in figures]
            if values:
                found[name] = _together(values, together)
        return {**found, **dict(_derived(self.kind, found))}


def _together(values: list[float], together: Together) -> float:
    if together is Together.LEAST:
        return min(values)
    if together is Together.MOST:
        return max(values)
    if together is Together.MEAN:
        return sum(values) / len(values)
    return sum(values)


def _derived(kind: str, figures: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    if kind == "pool" and figures.get("hosts"):
        yield "share", 1.0 - figures.get("ejected", 0) / figures["hosts"]
    if kind == "fallback":
        ended = sum(figures.get(name, 0) for name in ("worked", "failed", "late"))
        if ended:
            yield "success_share", figures.get("worked", 0) / ended
        if figures.get("compared"):
            yield "agreement", figures.get("agreed", 0) / figures["compared"]


def of_policy(report: PolicyReport) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield kind, state and figures of each part that the figures of a policy tell of."""
    if report.limit is not None:
        running, waiting = report.limit_running or 0, report.limit_waiting or 0
        limit = {"limit": report.limit, "running": running, "waiting": waiting, "rejections": report.limit_rejections}
        yield "limit", _filled(running, waiting, report.limit), _figures(limit)
    if report.throttled is not None:
        throttle = {"share": report.throttled, "rejections": report.throttle_rejections}
        yield "throttle", "refusing" if report.throttled > 0.0 else "passing", _figures(throttle)
    if report.slots is not None:
        running, waiting = report.running or 0, report.waiting or 0
        slots = {"slots": report.slots, "running": running, "waiting": waiting}
        yield "bulkhead", _filled(running, waiting, report.slots), _figures(slots)
    if report.permits is not None:
        permits = {"permits": report.permits, "capacity": report.capacity}
        yield "rate_limit", "empty" if report.permits < 1.0 else "free", _figures(permits)


def _figures(found: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in found.items() if value is not None}


def _filled(running: float, waiting: float, slots: float) -> str:
    return "full" if waiting > 0 or running >= slots else "free"
