"""Counters over all replicas that never fall: a replica that leaves takes nothing of what it has counted with it.

A sum over the replicas that there are would fall when one of them goes, and whoever asks how fast it rises would take
the fall for a new beginning. So the differences between reports are added up here. Everything is on the event loop.
"""

from __future__ import annotations

from collections import OrderedDict
from operator import add, sub
from typing import Final, TypeVar

from ..core.machines.sketch import CLASSIC_BOUNDS
from ..replica.parts import PART_KINDS, PartReport
from ..replica.protocol import CircuitReport, PolicyReport

MAX_KEPT: Final = 20_000
"""Circuits, policies and parts whose counters are kept, of each so many; the one that rose longest ago goes first."""
BUCKETS = len(CLASSIC_BOUNDS) + 1
Place = tuple[str, str]
"""Name of a circuit or policy, and the service whose replicas report it."""
PartPlace = tuple[str, str, str | None, str]
"""Kind, name and member of a part, and the service whose replicas report it."""
K = TypeVar("K")
V = TypeVar("V")

_NOTHING = (0,) * 8
_NO_TIMES = (0,) * BUCKETS
POLICY_COUNTS = (
    "retries", "given_up", "hedges", "fallbacks", "rejections", "limit_rejections", "throttle_rejections",
)  # fmt: skip


class CircuitGrowth:
    """What one circuit has counted on the replicas of one service.

    Attributes:
        changes: Changes of state.
        tally: Counts in the order of a report.
        buckets: Response times in each bucket.
        seconds: Their sum.
    """

    __slots__ = ("buckets", "changes", "seconds", "tally")

    def __init__(self) -> None:
        self.changes = 0
        self.tally: tuple[int, ...] = _NOTHING
        self.buckets: tuple[int, ...] = _NO_TIMES
        self.seconds = 0.0

    def take(self, before: CircuitReport | None, now: CircuitReport) -> None:
        """Add by how much a report exceeds the one before; one with a smaller count began anew."""
        counts = _tally(now)
        risen = counts if before is None else tuple(map(sub, counts, _tally(before)))
        if min(risen) < 0:
            before, risen = None, counts
        self.tally = tuple(map(add, self.tally, risen))
        if now.buckets is None:
            return
        former = _NO_TIMES if before is None or before.buckets is None else before.buckets
        grown = tuple(map(sub, now.buckets, former))
        if min(grown) < 0:
            before, grown = None, tuple(now.buckets)
        if any(grown):
            self.buckets = tuple(map(add, self.buckets, grown))
            self.seconds += max(0.0, _sum(now) - (0.0 if before is None else _sum(before)))


def _tally(report: CircuitReport) -> tuple[int, ...]:
    """Return the counts of a report, which lie side by side in its row: successes to abandoned."""
    return report[6:14]


def _sum(report: CircuitReport) -> float:
    return 0.0 if report.mean is None or report.buckets is None else float(report.mean) * sum(report.buckets)


class Grown:
    """The counters of all circuits and policies since the control plane was started.

    Attributes:
        circuits: By name and service.
        policies: Counts in the order of `POLICY_COUNTS`, by name and service.
        parts: Counts in the order of the kind's `counts`.
        facts_dropped: Facts that replicas have lost.
        forgotten: Counters that were let go because there were too many.
    """

    def __init__(self) -> None:
        self.circuits: OrderedDict[Place, CircuitGrowth] = OrderedDict()
        self.policies: OrderedDict[Place, tuple[int, ...]] = OrderedDict()
        self.parts: OrderedDict[PartPlace, tuple[int, ...]] = OrderedDict()
        self.facts_dropped = 0
        self.forgotten = 0

    def circuit(self, service: str, before: CircuitReport | None, now: CircuitReport) -> None:
        """Take a report of a circuit, and the one before, or None when all of it counts."""
        self._growth(now.name, service).take(before, now)

    def changed(self, service: str, circuit: str) -> None:
        """Count a change of a circuit's state."""
        self._growth(circuit, service).changes += 1

    def policy(self, service: str, before: PolicyReport | None, now: PolicyReport) -> None:
        """Take a report of a policy, and the one before, or None when all of it counts."""
        counts = tuple(getattr(now, name) for name in POLICY_COUNTS)
        former = None if before is None else tuple(getattr(before, name) for name in POLICY_COUNTS)
        self._add(self.policies, (now.name, service), former, counts)

    def part(self, service: str, before: PartReport | None, now: PartReport) -> None:
        """Take a report of a part, and the one before, or None when all of it counts."""
        names = PART_KINDS[now.kind].counts
        if names and now.state is not None:
            counts = tuple(int(now.figures.get(name, 0)) for name in names)
            former = None if before is None else tuple(int(before.figures.get(name, 0)) for name in names)
            self._add(self.parts, (now.kind, now.name, now.member, service), former, counts)

    def _add(
        self, kept: OrderedDict[K, tuple[int, ...]], place: K, before: tuple[int, ...] | None, now: tuple[int, ...]
    ) -> None:
        risen = now if before is None else tuple(map(sub, now, before))
        if min(risen) < 0:
            risen = now
        known = kept.get(place)
        kept[place] = risen if known is None else tuple(map(add, known, risen))
        kept.move_to_end(place)
        self._bound(kept)

    def dropped(self, before: int, now: int) -> None:
        """Count the facts that a replica has lost."""
        self.facts_dropped += now - before if now >= before else now

    def _growth(self, name: str, service: str) -> CircuitGrowth:
        place = (name, service)
        growth = self.circuits.get(place)
        if growth is None:
            growth = self.circuits[place] = CircuitGrowth()
            self._bound(self.circuits)
        else:
            self.circuits.move_to_end(place)
        return growth

    def _bound(self, kept: OrderedDict[K, V]) -> None:
        if len(kept) > MAX_KEPT:
            kept.popitem(last=False)
            self.forgotten += 1
