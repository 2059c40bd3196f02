"""One look by a check of any kind."""

from __future__ import annotations

from collections.abc import Callable

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth, Look
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.kinds import Probe, ProbeContext, check_kinds

LOCAL = OutboundPolicy(private=("127.0.0.0/8",))


def probe_of(
    kind: str,
    *,
    depth: Depth = Depth.READY,
    timeout: float = 2.0,
    policy: OutboundPolicy = LOCAL,
    pid_of: Callable[[Target], tuple[int, float] | None] = lambda _: None,
    **options: object,
) -> Probe:
    """Return a probe of a kind; options are those of the kind."""
    found = check_kinds()[kind]
    check = Check(name="c", kind=kind, depth=depth, timeout=timeout)
    return found.build(Target(name="t", service="t"), check, found.options(**options), ProbeContext(policy, pid_of))


async def look(kind: str, **options: object) -> Look:
    """Look once; options are those of `probe_of`."""
    return await probe_of(kind, **options).look()  # type: ignore[arg-type]  # passed on
