"""What a failure costs: who suffers, how badly, and how urgent that is; with everything that the verdict rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from .burn import Burn
from .symptom import Condition
from .target import Target
from .topology import DOWN, Affected, Topology

Json = Mapping[str, Any]  # Any: JSON values of mixed types

SMALL_SHARE = 0.05
"""Share of all users below which a failure is one less severe; a convention, shown with the inputs."""
DEGRADED_LOSS = 0.3
"""Share of its worth that a service loses while it is only worse; a convention, shown with the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """The impact of one failed target.

    Arguments:
        severity: 1 (worst) to 4.
        share: Share of all users that suffer, 0 to 1.
        affected: Services that depend on it.
        replicas: Targets of its group.
        left: Targets of its group that still serve.
        burn: How the error budget burns, or None when it does not or nobody knows.
        sentence: For people.
        inputs: What the verdict rests on.
    """

    severity: int
    share: float
    affected: tuple[Affected, ...]
    replicas: int
    left: int
    burn: Burn | None
    sentence: str
    inputs: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the impact as JSON values."""
        return {
            "severity": self.severity,
            "share": round(self.share, 4),
            "sentence": self.sentence,
            "affected": [item.to_dict() for item in self.affected],
            "inputs": dict(self.inputs),
        }


def assess(
    topology: Topology, target: Target, conditions: Mapping[str, Condition], *, burn: Burn | None = None
) -> Impact:
    """Return the impact of a failed target.

    The share of users is `1 - prod(1 - share_i * loss_i)` over the failed service and those that it takes along. The
    loss of a service is the share of its replicas that are down, 1 for a dependent that is down, and `DEGRADED_LOSS`
    for one that is only worse. Severity begins with the tier (1 and 2 are urgent, 5 is not) and becomes worse by one
    when nothing of the group is left, and by one when the budget burns at the fastest rate; it becomes better by one
    while at least half of the group is left, and by one when fewer than `SMALL_SHARE` of all users suffer.
    """
    group = topology.group(target)
    down = [name for name in group if conditions.get(name) in DOWN or name == target.name]
    left = len(group) - len(down)
    loss = len(down) / len(group)
    affected = topology.affected(target.service, conditions) if left == 0 else []
    losses = [target.traffic_share * loss]
    for item in affected:
        members = topology.members(item.service)
        weight = topology.targets[members[0]].traffic_share if members else 1.0
        losses.append(weight * (DEGRADED_LOSS if item.degraded else 1.0))
    share = 1.0 - prod(1.0 - item for item in losses)
    severity = 1 + max(0, target.tier - 2)
    severity += 1 if left else 0
    severity += 1 if left * 2 >= len(group) and left else 0
    severity += 1 if share < SMALL_SHARE else 0
    if burn is not None and burn.threshold >= 14.4:
        severity -= 1
    severity = min(4, max(1, severity))
    inputs = {
        "tier": target.tier,
        "traffic_share": target.traffic_share,
        "share": round(share, 4),
        "replicas": len(group),
        "replicas_left": left,
        "losses": [round(item, 4) for item in losses],
        "objective": target.objective,
        "burn": None
        if burn is None
        else {"threshold": burn.threshold, "long": burn.long_rate, "short": burn.short_rate},
    }
    return Impact(
        severity=severity, share=share, affected=tuple(affected), replicas=len(group), left=left, burn=burn,
        sentence=_sentence(target.name, [item.to_dict() for item in affected], inputs), inputs=inputs,
    )  # fmt: skip


def seen_by(impact: Json, target: str, sees: Callable[[str], bool]) -> Json:
    """Return an impact, as JSON values, without the names of services that somebody may not see.

    Severity and share stay as they are; `hidden` tells how many services were left out.

    Arguments:
        impact: What `Impact.to_dict` gives, or nothing.
        target: The failed target.
        sees: Tells whether they may see a service.
    """
    affected = impact.get("affected", [])
    seen = [{**item, "path": [*filter(sees, item["path"])]} for item in affected if sees(item["service"])]
    if len(seen) == len(affected) and all(
        len(a["path"]) == len(b["path"]) for a, b in zip(seen, affected, strict=True)
    ):
        return impact
    hidden = len(affected) - len(seen)
    sentence = _sentence(target, seen, impact["inputs"], hidden)
    return {**impact, "affected": seen, "hidden": hidden, "sentence": sentence}


def _sentence(target: str, affected: Sequence[Json], inputs: Json, hidden: int = 0) -> str:
    parts = [f"{target} (tier {inputs['tier']}) is down"]
    if inputs["replicas"] > 1:
        parts.append(f"{inputs['replicas_left']} of {inputs['replicas']} replicas are left")
    down = [item["service"] for item in affected if not item["degraded"]]
    worse = [item["service"] for item in affected if item["degraded"]]
    if down:
        parts.append(f"it takes {', '.join(down)} down with it")
    if worse:
        parts.append(f"{', '.join(worse)} {'is' if len(worse) == 1 else 'are'} worse")
    if hidden:
        parts.append(f"{hidden} other {'service suffers' if hidden == 1 else 'services suffer'}")
    if inputs["burn"] is not None:
        parts.append(f"the error budget burns {inputs['burn']['short']:.1f} times too fast")
    return "; ".join(parts)
