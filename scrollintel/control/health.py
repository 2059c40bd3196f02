"""How a service stands, judged from its circuits, its level, its replicas, and what is watched of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..core.config.degradation import DegradationLevel
from ..core.states import CircuitState
from ..recovery.symptom import Condition


class ServiceHealth(StrEnum):
    """`UNKNOWN`: no replica reports and nothing is watched, so nothing can be said."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a service.

    Arguments:
        circuits: Name and state of each circuit that its replicas run.
        level: Its degradation level.
        replicas, stale: Replicas that have joined, and those of them that have fallen silent.
        remembered: Replicas that reported before the control plane was started and have not joined again; default 0.
        targets: Name and condition of each target of it that is watched; none by default.
    """

    circuits: Sequence[tuple[str, CircuitState]]
    level: DegradationLevel
    replicas: int
    stale: int
    remembered: int = 0
    targets: Sequence[tuple[str, Condition]] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a service stands, and every reason for it as a sentence.

    `remembered` tells that no replica has joined since the control plane was started, so that it is judged by what
    they reported before.
    """

    status: ServiceHealth
    reasons: tuple[str, ...]
    remembered: bool = False


def judge(evidence: Evidence) -> Judgement:
    """Return how a service stands; the worst reason decides.

    A level of `SEVERE` or worse, silence of all replicas, or the failure of all targets makes it unhealthy. An open or
    isolated circuit, a lower level, silence of some replicas, or the failure of some targets makes it degraded.
    Replicas that have not come back since the control plane was started are told of and do not make it worse: they
    come back within seconds, unless they ended meanwhile.
    """
    reasons: list[str] = []
    worst = ServiceHealth.HEALTHY
    refusing = [name for name, state in evidence.circuits if state in (CircuitState.OPEN, CircuitState.ISOLATED)]
    probing = [name for name, state in evidence.circuits if state is CircuitState.HALF_OPEN]
    if refusing:
        worst = ServiceHealth.DEGRADED
        reasons.append(f"refuses calls to {_listed(refusing)}")
    if probing:
        worst = ServiceHealth.DEGRADED
        reasons.append(f"tries {_listed(probing)} again")
    if evidence.level:
        worst = ServiceHealth.UNHEALTHY if evidence.level >= DegradationLevel.SEVERE else ServiceHealth.DEGRADED
        reasons.append(f"is degraded to {evidence.level.name.lower()}")
    if evidence.stale:
        everyone = evidence.stale == evidence.replicas
        worst = ServiceHealth.UNHEALTHY if everyone or worst is ServiceHealth.UNHEALTHY else ServiceHealth.DEGRADED
        reasons.append(f"{evidence.stale} of {evidence.replicas} replicas have fallen silent")
    known = [name for name, condition in evidence.targets if condition is not Condition.UNKNOWN]
    down = [name for name, condition in evidence.targets if condition in _DOWN]
    if down:
        everything = len(down) == len(evidence.targets)
        worst = ServiceHealth.UNHEALTHY if everything or worst is ServiceHealth.UNHEALTHY else ServiceHealth.DEGRADED
        reasons.append(f"{_listed(down)} {'has' if len(down) == 1 else 'have'} failed")
    if evidence.remembered:
        reasons.append(_of_before(evidence.remembered, evidence.replicas == 0))
    elif not evidence.replicas and not known and worst is ServiceHealth.HEALTHY:
        return Judgement(ServiceHealth.UNKNOWN, ("no replica has joined",))
    remembered = evidence.remembered > 0 and evidence.replicas == 0
    return Judgement(worst, tuple(reasons) or ("nothing is wrong",), remembered)


_DOWN = frozenset({Condition.FAILED, Condition.RECOVERING, Condition.VALIDATING, Condition.QUARANTINED})


def _of_before(replicas: int, alone: bool) -> str:
    who = "1 replica" if replicas == 1 else f"{replicas} replicas"
    if alone:
        return f"this is what {who} reported before the control plane was started"
    return f"{who} of before the control plane was started {'has' if replicas == 1 else 'have'} not come back"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
