"""The storm brake: when much fails at once, automation stops until a person says that it may go on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

GROUP_OF = 3
"""Targets from which the share of a group says something."""


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """When the brake engages.

    Arguments:
        share: Share of a group of at least three that may have failed; default 0.3 (Cluster API's maxUnhealthy guards
            the same).
        recoveries: Recoveries within `window` seconds; default 10.
        window: Seconds; default 600.
    """

    share: float = 0.3
    recoveries: int = 10
    window: float = 600.0


def must_engage(limits: BrakeLimits, *, group: int, failed: int, recent: Collection[float], now: float) -> str | None:
    """Return why the brake has to engage, or None.

    Arguments:
        group: Targets of the group; 1 without one.
        failed: How many of them have failed.
        recent: When recoveries were started, monotonic seconds.
        now: Monotonic seconds.
    """
    allowed = max(1, int(group * limits.share))  # one of three is no storm, although it is more than 30 %
    if group >= GROUP_OF and failed > allowed:
        return f"{failed} of {group} targets of a group have failed, {allowed} may ({limits.share:.0%}, at least one)"
    count = sum(now - at < limits.window for at in recent)
    if count >= limits.recoveries:
        return f"{count} recoveries within {limits.window:g} s, {limits.recoveries} are the limit"
    return None
