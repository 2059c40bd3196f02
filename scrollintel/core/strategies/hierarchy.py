"""Circuits in levels: the narrowest one, and the wider ones that stand over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..call import Call
from ..machines.answers import Permit, Probe
from ..machines.hierarchy import Group
from ..outcome import Verdict
from ..states import CircuitState
from .breaker import Circuit

CLOSED, HALF_OPEN = CircuitState.CLOSED, CircuitState.HALF_OPEN
SUCCESS, FAILURE, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.ABANDONED


class Level:
    """A level that has others below it: its circuit, and what it has seen of its parts.

    Its circuit opens by order of the group and by failed probes; calls are counted where they went to.

    Attributes:
        parts: How many circuits or levels stand directly below it.
    """

    __slots__ = ("circuit", "group", "parts")

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.group = Group(circuit.config)
        self.parts = 0


class Passage:
    """Permits of a call that tries levels: that of its own circuit, and the probes of wider levels."""

    __slots__ = ("own", "probes")

    def __init__(self, own: Permit, probes: Sequence[tuple[Level, Probe]]) -> None:
        self.own = own
        self.probes = probes


class Leaf(Circuit):
    """The circuit of the narrowest level; a call passes it when every level over it lets it pass as well.

    Attributes:
        levels: The levels over it, the narrowest first; `stand_under` sets them once.
    """

    __slots__ = ("_heard_by", "levels")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: those of a circuit
        super().__init__(*args, **kwargs)
        self.stand_under(())

    def stand_under(self, levels: Sequence[Level]) -> None:
        """Take the place below `levels`, the narrowest first."""
        self.levels = tuple(levels)
        parts: tuple[object, ...] = (self, *levels)
        self._heard_by = tuple((level.group, part) for level, part in zip(levels, parts, strict=False))

    def enter(self, call: Call) -> Any:
        """Admit an attempt; raises CircuitOpenError when this circuit or a level over it refuses."""
        era = 0
        for level in self.levels:
            machine = level.circuit.machine
            if machine.state is not CLOSED or machine.ramp is not None:
                return self._enter_levels(call)
            era += machine.era
        call.era_of_levels = era
        return Circuit.enter(self, call)

    def _enter_levels(self, call: Call) -> Permit | Passage:
        probes: list[tuple[Level, Probe]] = []
        try:
            for level in reversed(self.levels):
                permit = level.circuit.enter(call)
                if isinstance(permit, Probe):
                    probes.append((level, permit))
            own = Circuit.enter(self, call)
        except BaseException:
            self._give_back(probes)
            raise
        call.era_of_levels = self._era()
        return Passage(own, probes) if probes else own

    def begin(self, permit: Any, now: float, limit: float | None) -> None:
        """Note that the attempt of a permit starts to run, for at most `limit` seconds."""
        if permit.__class__ is Passage:
            for level, probe in permit.probes:
                level.circuit.begin(probe, now, limit)
            permit = permit.own
        Circuit.begin(self, permit, now, limit)

    def extend(self, permit: Any, seconds: float) -> None:
        """Lengthen the leases of probes by a wait that is not the dependency's."""
        if permit.__class__ is Passage:
            for level, probe in permit.probes:
                level.circuit.extend(probe, seconds)
            permit = permit.own
        Circuit.extend(self, permit, seconds)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> Verdict:
        """Count the end of an attempt here, and let the levels hear of it."""
        probes: Sequence[tuple[Level, Probe]] = ()
        if permit.__class__ is Passage:
            probes, permit = permit.probes, permit.own
        try:
            verdict = Circuit.leave(self, call, permit, error, value)
        except BaseException:
            self._give_back(probes)
            raise
        if probes:
            self._settle(probes, verdict)
        elif verdict is SUCCESS:
            for group, part in self._heard_by:
                group.recent.append(part)
        elif verdict is FAILURE and call.era_of_levels == self._era():
            self._fail()
        return verdict

    def refuses_for(self) -> float:
        """Return the seconds for which every call is refused: 0 when one may be admitted, infinite when isolated."""
        return max((Circuit.refuses_for(self), *(level.circuit.refuses_for() for level in self.levels)))

    def _era(self) -> int:
        """Return a number that changes with every change of a level over this circuit."""
        return sum(level.circuit.machine.era for level in self.levels)

    def _fail(self) -> None:
        """Let the levels hear of a failure; the narrowest one that explains all of them opens."""
        now = self.clock.monotonic()
        open_one = True
        for level, (group, part) in zip(self.levels, self._heard_by, strict=True):
            group.fail(part, now)
            if open_one:
                reason = group.reason_to_open(now, level.parts)
                if reason is not None and level.circuit.trip(reason, self._failure):
                    group.clear()
                    open_one = False

    def _settle(self, probes: Sequence[tuple[Level, Probe]], verdict: Verdict) -> None:
        """Count the end of an attempt that was a probe of wider levels.

        A failure where most circuits that were tried are well says nothing of the level, and counts for nothing.
        """
        now = self.clock.monotonic()
        for level, probe in probes:
            counted = verdict
            if verdict is SUCCESS:
                level.group.succeed(self)
            elif verdict is FAILURE:
                level.group.fail(self, now)
                counted = FAILURE if level.group.is_to_blame(now) else ABANDONED
            machine = level.circuit.machine
            era = machine.era
            level.circuit.settle(probe, counted, now, None, None, counted=False)
            if machine.era != era or (machine.state is not HALF_OPEN and machine.ramp is None):
                level.group.clear()  # which begins with nothing known, as the counters of a circuit do

    def _give_back(self, probes: Sequence[tuple[Level, Probe]]) -> None:
        for level, probe in probes:
            level.circuit.settle(probe, ABANDONED, self.clock.monotonic(), None, None, counted=False)
