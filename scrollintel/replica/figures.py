"""How a process stands: what has changed of its circuits, policies, levels and parts since it was last told."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.manager import FaultToleranceManager
from ..core.strategies.breaker import Circuit
from ..core.strategies.readings import ReportMark
from .attempts import CallCounts
from .capacity import parts_of
from .durations import Durations
from .parts import PartReport
from .protocol import CircuitReport, LevelReport, PolicyReport, plain

Place = tuple[str, str | None]
"""Name and key of a circuit."""
PartPlace = tuple[str, str, str | None]
"""Name, kind and member of a part."""
_CALLS = PolicyReport._fields.index("calls")


class Figures:
    """Reads one manager for reports; one thread uses it, and what it has read counts as told."""

    def __init__(self, manager: FaultToleranceManager) -> None:
        self._manager = manager
        self._marks: dict[int, tuple[Circuit, ReportMark]] = {}
        self._seen: dict[Place, Circuit] = {}
        self._rows: dict[str, PolicyReport | LevelReport] = {}
        self._parts: dict[PartPlace, PartReport] = {}
        self._calls = CallCounts(manager.registry)
        self._durations = Durations()
        self._has_read = False

    def circuits(self, *, full: bool = False, only: Iterable[Place] | None = None) -> list[CircuitReport]:
        """Return the circuits that have changed since the last time, or all.

        With `only`, nothing but those names and keys is looked at, as far as they were seen before.
        """
        if only is not None:
            some = [self._seen[at] for at in only if at in self._seen]
            return [row for one in some if (row := self._row(one, self._marks, self._marks, begins=False)) is not None]
        marks: dict[int, tuple[Circuit, ReportMark]] = {}
        circuits = self._manager.registry.all_circuits()
        former = {} if full else self._marks
        begins, self._has_read = full or not self._has_read, True
        found = [row for one in circuits if (row := self._row(one, former, marks, begins=begins)) is not None]
        if marks.keys() != self._marks.keys() or full:
            self._durations.keep(set(marks))
            self._seen = {(circuit.name, circuit.key): circuit for circuit in circuits}
        self._marks = marks
        return found

    def durations(self) -> list[tuple[int, int]]:
        """Return how long the calls took that the circuits have been told with since the last time, by buckets."""
        return self._durations.take()

    def _row(
        self,
        circuit: Circuit,
        former: dict[int, tuple[Circuit, ReportMark]],
        marks: dict[int, tuple[Circuit, ReportMark]],
        *,
        begins: bool,
    ) -> CircuitReport | None:
        """Return a circuit's row and note its mark, or None when it stands as `former` says.

        With `begins`, how long its calls have taken so far is not told.
        """
        known = former.get(id(circuit))
        if known is not None and known[0] is not circuit:
            known = None
        reading = circuit.report(None if known is None else known[1])
        if reading is None:
            assert known is not None
            marks[id(circuit)] = known
            return None
        _, tally, failures, openings, probes = reading.mark
        marks[id(circuit)] = (circuit, reading.mark)
        self._durations.read(id(circuit), reading.durations, begins=begins, is_fresh=known is None)
        times, last = reading.response_times, reading.last_failure
        return CircuitReport(
            circuit.name, circuit.key, reading.state.value, plain(reading.reason), reading.since,
            reading.retry_after, *tally, failures, openings, times.p50, times.p95, times.p99, times.mean,
            times.maximum, None if last is None else plain(last[0]), None if last is None else last[2], probes,
            reading.buckets,
        )  # fmt: skip

    def policies(self, *, full: bool = False) -> list[PolicyReport]:
        """Return the figures of policies that have changed since the last time, or of all."""
        figures = self._manager.figures()
        counts = self._calls.read(figures, self._attempts_of)
        rows = [
            # Two fields more than the figures have, in their place; otherwise they are the same.
            PolicyReport._make((*one[:_CALLS], *counts.get(one.name, (0, 0)), *one[_CALLS:]))
            for one in figures
        ]
        return [row for row in rows if self._is_new(f"policy {row.name}", row) or full]

    def levels(self, *, full: bool = False) -> list[LevelReport]:
        """Return the levels that have changed since the last time, or all; `since` is compared by the second."""
        degradation = self._manager.levels_in_use
        rows = [
            LevelReport(one.service, int(one.level), plain(one.reason), one.automatic, round(one.since))
            for one in (() if degradation is None else degradation.standings())
        ]
        return [row for row in rows if self._is_new(f"level {row.service}", row) or full]

    def parts(self, *, full: bool = False) -> list[PartReport]:
        """Return the parts that have changed since the last time, those that are gone included, or all there are."""
        known = {} if full else self._parts
        found = {(row.name, row.kind, row.member): row for row in parts_of(self._manager)}
        self._parts = found
        gone = [PartReport(*place, None, "", {}) for place in known if place not in found]
        return [*gone, *(row for place, row in found.items() if known.get(place) != row)]

    def _is_new(self, at: str, row: PolicyReport | LevelReport) -> bool:
        known, self._rows[at] = self._rows.get(at), row
        return known != row

    def _attempts_of(self, circuit: Circuit) -> int:
        known = self._marks.get(id(circuit))
        if known is not None and known[0] is circuit:
            successes, failures, _, rejections, _, late, ignored, abandoned = known[1].tally
            return successes + failures + rejections + late + ignored + abandoned
        tally = circuit.tally()
        ended = tally.successes + tally.failures + tally.ignored + tally.abandoned + tally.late
        return ended + tally.rejections
