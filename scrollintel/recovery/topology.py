"""Who depends on whom: declared and observed edges, what fails because of what, and where to act."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .symptom import Condition
from .target import Target

DOWN = frozenset({Condition.FAILED, Condition.RECOVERING, Condition.VALIDATING, Condition.QUARANTINED})
"""Conditions in which a target serves nobody."""
HARD = "hard"


@dataclass(frozen=True, slots=True)
class ObservedEdge:
    """A service was seen to call another: replicas of it report a circuit of that name.

    `last_seen` is in monotonic seconds.
    """

    service: str
    needs: str
    last_seen: float


@dataclass(frozen=True, slots=True)
class Affected:
    """A service that suffers from a failure elsewhere.

    Arguments:
        service: Its name.
        degraded: Whether it works on, worse; otherwise it is down.
        path: From the failed service to this one.
    """

    service: str
    degraded: bool
    path: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return it as JSON values."""
        return {"service": self.service, "degraded": self.degraded, "path": list(self.path)}


class Topology:
    """Targets and their dependencies; immutable.

    Declared edges decide; observed ones are kept beside them and are shown.

    Arguments:
        targets: All targets.
        observed: Edges that were seen.
    """

    def __init__(self, targets: Iterable[Target], observed: Iterable[ObservedEdge] = ()) -> None:
        self.targets: Mapping[str, Target] = {target.name: target for target in targets}
        self.observed = tuple(observed)
        self.by_name: dict[str, list[str]] = {}
        """The targets by each name that callers may know them by: their own, the service's, the group's."""
        self._members: dict[str, list[str]] = {}
        self._needs: dict[str, dict[str, str]] = {}
        self._needed_by: dict[str, dict[str, str]] = {}
        for target in self.targets.values():
            self._members.setdefault(target.service, []).append(target.name)
            for name in {target.name, target.service, target.group or target.service}:
                self.by_name.setdefault(name, []).append(target.name)
            for name, kind in target.depends_on:
                self._needs.setdefault(target.service, {})[name] = kind
                self._needed_by.setdefault(name, {})[target.service] = kind

    def members(self, service: str) -> list[str]:
        """Return the targets of a service: its replicas, or the one of its name."""
        return list(self._members.get(service, ()))

    def group(self, target: Target) -> list[str]:
        """Return the targets that stand in for each other, this one included."""
        if target.group is None:
            return [target.name]
        return [other.name for other in self.targets.values() if other.group == target.group]

    def edges(self) -> list[tuple[str, str, str]]:
        """Return the declared edges: service, what it needs, and how."""
        return [(service, name, kind) for service, needs in self._needs.items() for name, kind in needs.items()]

    def hard_needs(self, service: str) -> list[str]:
        """Return the services that a service declares hard dependencies on."""
        return [name for name, kind in self._needs.get(service, {}).items() if kind == HARD]

    def is_down(self, service: str, conditions: Mapping[str, Condition]) -> bool:
        """Tell whether no target of a service serves anybody; one that is not watched counts as up."""
        members = self._members.get(service, ())
        return bool(members) and all(conditions.get(name) in DOWN for name in members)

    def root_suspects(self, failed: Collection[str], conditions: Mapping[str, Condition]) -> list[str]:
        """Return the failed targets none of whose hard dependencies is down: the ones to act on."""
        return [name for name in failed if name in self.targets and self.held_by(name, conditions) is None]

    def held_by(self, target: str, conditions: Mapping[str, Condition]) -> str | None:
        """Return the target to be repaired first because a failed one depends on it, or None.

        Follows hard dependencies that are down to the deepest one. In a circle, which declarations refuse, the first
        one that comes round again is acted on.
        """
        way = self.way_to_root(target, conditions)
        return self._members[way[-1]][0] if way else None

    def way_to_root(self, target: str, conditions: Mapping[str, Condition]) -> list[str]:
        """Return the services that are down from the nearest dependency of a failed target to the deepest one."""
        service, way = self.targets[target].service, list[str]()
        while True:
            needs = self._needs.get(service, {})
            deeper = [
                name
                for name, kind in needs.items()
                if kind == HARD
                and name not in way
                and name != self.targets[target].service
                and self.is_down(name, conditions)
            ]
            if not deeper:
                return way
            service = deeper[0]
            way.append(service)

    def affected(self, service: str, conditions: Mapping[str, Condition]) -> list[Affected]:
        """Return the services that suffer when one is down, nearest first.

        A hard dependency takes its dependents down with it, a soft one makes them worse. Where a dependent declares a
        fallback that is up, it works on, worse. What depends on a service that is only worse is not affected.
        """
        found: dict[str, Affected] = {}
        waiting: list[tuple[str, tuple[str, ...]]] = [(service, (service,))]
        while waiting:
            name, path = waiting.pop(0)
            for dependent, kind in self._needed_by.get(name, {}).items():
                if dependent in found or dependent == service or kind == "fallback":
                    continue
                degraded = kind != HARD or self._has_fallback(dependent, conditions)
                found[dependent] = Affected(dependent, degraded, (*path, dependent))
                if not degraded:
                    waiting.append((dependent, (*path, dependent)))
        return list(found.values())

    def dependents(self, service: str) -> list[Target]:
        """Return one target of each service that declares a hard dependency on a service."""
        names = [name for name, kind in self._needed_by.get(service, {}).items() if kind == HARD]
        return [self.targets[self._members[name][0]] for name in names if name in self._members]

    def _has_fallback(self, service: str, conditions: Mapping[str, Condition]) -> bool:
        return any(
            kind == "fallback" and not self.is_down(name, conditions)
            for name, kind in self._needs.get(service, {}).items()
        )
