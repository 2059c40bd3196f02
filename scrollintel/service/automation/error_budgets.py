"""How much of their error budgets services have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...recovery.burn import HOUR, Bucket, Burn, all_burning, burn_rate
from ...recovery.call_counts import KEPT
from ...recovery.target import Target
from ...recovery.topology import Topology
from ...security.access import Permission
from ..caller import Caller

KNOWN_FOR = 5.0
"""Seconds for which error budgets count as known."""

Calls = Callable[[Iterable[str]], list[Bucket]]


class ErrorBudgets:
    """Those of the watched services. On the event loop, but for `burns` and `burn`, which may be asked anywhere.

    Arguments:
        topology: Gives the targets.
        calls: Gives the calls to the things of some names, of the last three days.
        now: The monotonic clock.
    """

    def __init__(self, topology: Callable[[], Topology], calls: Calls, now: Callable[[], float]) -> None:
        self._topology = topology
        self._calls = calls
        self._now = now
        self._known: list[dict[str, Any]] = []  # Any: JSON values
        self._known_until = float("-inf")

    def seen_by(self, caller: Caller) -> list[dict[str, Any]]:  # Any: JSON values
        """Return how much is left of those that the caller may see, worst first.

        They are those of `KNOWN_FOR` seconds ago at most: three days of counts are summed up for each.
        """
        now = self._now()
        if now >= self._known_until:
            self._known_until = now + KNOWN_FOR
            self._known = error_budgets(self._topology(), self._calls)
        return [item for item in self._known if caller.sees(Permission.RECOVERY_READ, item["service"])]

    def burns(self, target: Target) -> Iterator[Burn]:
        """Yield every pair of windows over which the error budget of a target burns, the fastest first."""
        if target.objective is None:
            return
        yield from all_burning(self._calls(names_of_calls(self._topology(), target)), target.objective)

    def burn(self, target: Target) -> Burn | None:
        """Return the fastest of them, or None."""
        return next(self.burns(target), None)


def names_of_calls(topology: Topology, target: Target) -> set[str]:
    """Return the names under which callers count calls to a target."""
    return {target.service, target.group or target.service, *topology.members(target.service)}


def error_budgets(topology: Topology, calls: Calls) -> list[dict[str, Any]]:  # Any: JSON values
    """Return one object for each watched service with an objective, the strictest of its targets; worst first.

    Arguments:
        topology: The targets.
        calls: Gives the calls to the things of some names, of the last three days.
    """
    strictest: dict[str, Target] = {}
    for target in topology.targets.values():
        known = strictest.get(target.service)
        if target.objective is not None and (known is None or target.objective > (known.objective or 0.0)):
            strictest[target.service] = target
    found = []
    for service, target in strictest.items():
        objective = target.objective or 0.0
        buckets = calls(names_of_calls(topology, target))
        spent = burn_rate(buckets, KEPT, objective)
        found.append(
            {
                "service": service,
                "objective": objective,
                "burn_1h": _rounded(burn_rate(buckets, HOUR, objective)),
                "burn_6h": _rounded(burn_rate(buckets, 6 * HOUR, objective)),
                "left": None if spent is None else round(max(0.0, 1.0 - spent), 6),
            }
        )
    return sorted(found, key=_worst_first)


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 3)


def _worst_first(budget: dict[str, Any]) -> tuple[float, float, str]:  # Any: JSON values
    left, burn = budget["left"], budget["burn_1h"]
    return (2.0 if left is None else left, 0.0 if burn is None else -burn, budget["service"])
