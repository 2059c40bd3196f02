"""What a failure costs: who suffers, how badly, and how urgent that is; with everything that the verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from .burn import Burn
from .symptom import Condition
from .target import Target
from .topology import DOWN, Affected, Topology

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
            "affected": [
                {"service": item.service, "degraded": item.degraded, "path": list(item.path)} for item in self.affected
            ],
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
    while at least half of the group is left.
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
    if burn is not None and burn.threshold >= 14.4:
        severity -= 1
    severity = min(4, max(1, severity))
    inputs = {
        "tier": target.tier,
        "traffic_share": target.traffic_share,
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
        sentence=_sentence(target, affected, len(group), left, burn), inputs=inputs,
    )  # fmt: skip


def _sentence(target: Target, affected: list[Affected], replicas: int, left: int, burn: Burn | None) -> str:
    parts = [f"{target.name} (tier {target.tier}) is down"]
    if replicas > 1:
        parts.append(f"{left} of {replicas} replicas are left")
    down = [item.service for item in affected if not item.degraded]
    worse = [item.service for item in affected if item.degraded]
    if down:
        parts.append(f"it takes {', '.join(down)} down with it")
    if worse:
        parts.append(f"{', '.join(worse)} {'is' if len(worse) == 1 else 'are'} worse")
    if burn is not None:
        parts.append(f"the error budget burns {burn.short_rate:.1f} times too fast")
    return "; ".join(parts)
