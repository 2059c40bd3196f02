"""What is done next about an incident, decided without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ...control.incidents import IncidentRecord
from ...recovery.guardrail import Ruling, Verdict
from ...recovery.symptom import RESTARTABLE, Depth
from ...recovery.target import Mode, Target
from .judgement import Judgement
from .storm_brake import Engaged

LOOK_AGAIN = 5.0
"""Seconds after which something that was not allowed is considered again."""
AUTOMATION_RESTS = frozenset({"stop_switch", "storm_brake", "window", "selector"})
"""Guards that hold back everything that automation does, and not only a repair."""

Remedies = Sequence[Mapping[str, Any]]  # Any: JSON values


class Course(StrEnum):
    """`HOLD`: what it depends on comes first. `WATCH`: nothing may be done. `WAIT`: not now. `BEGIN`: a recovery.
    `LEAVE`: people have to do it; `GIVE_UP`: they too, because automation has tried or may not try.
    """

    HOLD = "hold"
    WATCH = "watch"
    WAIT = "wait"
    BEGIN = "begin"
    LEAVE = "leave"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What is done next.

    Arguments:
        course: Which way.
        why: One sentence for people.
        root: The target that is repaired first, or None.
        chain: Remedies in order, for a recovery.
        seconds: How long to wait.
        data: What the decision rests on, as JSON values.
        engaged: The storm brake, when this very look has engaged it.
        holds_dependents: Whether what needs the service may be held at its level meanwhile.
    """

    course: Course
    why: str = ""
    root: str | None = None
    chain: Remedies = ()
    seconds: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values
    engaged: Engaged | None = None
    holds_dependents: bool = False


def next_step(judgement: Judgement, target: Target, incident: IncidentRecord, age: float) -> NextStep:
    """Return what is done next about an incident; looks at the storm brake, and engages it when it has to be.

    Arguments:
        age: Seconds since the failure that it is about now was told.
    """
    way = judgement.way_to_root(target)
    if way:
        why = f"held back: it depends on {way[0]}, which is down as well"
        return NextStep(course=Course.HOLD, why=why, root=judgement.held_by(target))
    if target.mode is Mode.OBSERVE:
        return NextStep(course=Course.WATCH, why='observe only: nothing is done; set mode = "recover" to enable it')
    chain, left_out = judgement.chain(target, incident.failure_type)
    if not chain:
        reasons = "".join(f"; {kind} is left out: {why}" for kind, why in left_out.items())
        why = f"there is no strategy for {incident.failure_type}{reasons}"
        left = _settles(target, incident.failure_type) - age
        if left > 0.0:
            return NextStep(course=Course.WAIT, why=f"{why}; more may fail in a moment", seconds=left)
        return NextStep(course=Course.LEAVE, why=why, data={"left_out": dict(left_out)}, holds_dependents=True)
    engaged = judgement.storm(target)
    verdict, inputs = judgement.may_begin(target, incident, chain[0])
    course, why, seconds = Course.BEGIN, "", 0.0
    if verdict.final:
        course, why = Course.GIVE_UP, verdict.why
    elif verdict.ruling is Ruling.WAIT:
        course, why, seconds = Course.WAIT, _waits(verdict), verdict.seconds
    elif verdict.ruling is Ruling.REFUSE:
        course, why, seconds = Course.WAIT, f"not allowed: {verdict.why}", LOOK_AGAIN
    return NextStep(
        course=course,
        why=why,
        chain=chain,
        seconds=seconds,
        data={"guard": verdict.guard, "inputs": inputs, "left_out": dict(left_out)},
        engaged=engaged,
        holds_dependents=verdict.guard not in AUTOMATION_RESTS,
    )


def _waits(verdict: Verdict) -> str:
    left = f", for {max(1.0, verdict.seconds):.0f} s more" if verdict.guard == "cool_down" else ""
    return f"waits: {verdict.why}{left}"


def _settles(target: Target, failure_type: str) -> float:
    """Return the seconds after which a failure that is not one of `alive` has shown all of itself.

    A hang fails several checks, in any order: whether it is one, the checks of `alive` say within an interval and the
    two looks that declare it.
    """
    if failure_type in RESTARTABLE:
        return 0.0
    looks = [check.interval + 2.0 * check.timeout for check in target.checks if check.depth is Depth.ALIVE]
    return min(LOOK_AGAIN, max(looks, default=0.0))


def rests(detail: str | None) -> bool:
    """Tell whether a recovery was refused by what holds back all automation, so that it is tried again afterwards."""
    return detail is not None and detail.partition(":")[0] in AUTOMATION_RESTS
