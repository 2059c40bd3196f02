"""What keeps services within their capacity: adaptive limits, throttles, detectors, fallbacks, servers and pools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from ..control.capacity import KINDS, CapacityPart, ReplicaPart, of_policy
from ..security.access import Permission
from .caller import Caller
from .errors import MissingError
from .fleet import Fleet, Session

ORDER = {kind: place for place, kind in enumerate(KINDS)}
"""What is first: the whole before its members."""
Place = tuple[str, str, str, str | None]
"""Name, service, kind and member of a part."""


class Capacity:
    """Reads what replicas report. Everything on the event loop.

    Arguments:
        fleet: The replicas.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def visible(self, caller: Caller, *, name: str | None = None) -> list[CapacityPart]:
        """Return the parts that the caller may see, of one policy, server or pool or of all."""
        permission = Permission.METRICS_READ
        return self.parts(lambda service: caller.identity.allows(permission, service), name=name)

    def named(self, caller: Caller, name: str) -> list[CapacityPart]:
        """Return the parts of a policy, server or pool; raises MissingError when there are none that may be seen."""
        found = self.visible(caller, name=name)
        if not found:
            raise MissingError("capacity", name)
        return found

    def acting(self, sees: Callable[[str], bool]) -> list[CapacityPart]:
        """Return the parts that have reports of their own and act on calls now, or need somebody.

        Hosts are left out, because their pool tells of them, and so is what only replicas report that are silent.

        Arguments:
            sees: Of which services.
        """
        names = {
            report.name
            for session in self._fleet.sessions()
            if sees(session.service)
            for report in session.parts.of(None)
            if report.kind != "host" and report.state not in KINDS[report.kind].calm
        }
        found = [part for name in sorted(names) for part in self.parts(sees, name=name, with_policies=False)]
        return [part for part in found if part.acting and part.kind != "host" and not all(one.stale for one in part.on)]

    def parts(
        self, sees: Callable[[str], bool], *, name: str | None = None, with_policies: bool = True
    ) -> list[CapacityPart]:
        """Return the parts of the services that `sees` tells, by name, service, kind (as in `KINDS`) and member.

        Arguments:
            name: Only those of this policy, server or pool.
            with_policies: Also those that the figures of policies tell of.
        """
        found: dict[Place, list[ReplicaPart]] = {}
        pools: Counter[tuple[str, str]] = Counter()
        for session in self._fleet.sessions():
            if sees(session.service):
                for of, kind, member, part in self._of(session, name, with_policies):
                    found.setdefault((of, session.service, kind, member), []).append(part)
                    pools[of, session.service] += kind == "pool" and not part.stale
        places = sorted(found, key=lambda place: (*place[:2], ORDER[place[2]], place[3] or ""))
        return [
            CapacityPart(kind, of, member, service, found[of, service, kind, member],
                         among=pools[of, service] if kind == "host" else 0)
            for of, service, kind, member in places
        ]  # fmt: skip

    def _of(
        self, session: Session, name: str | None, with_policies: bool
    ) -> Iterator[tuple[str, str, str | None, ReplicaPart]]:
        """Yield name, kind, member and standing of each part of one replica."""
        age, stale = self._fleet.age(session), self._fleet.is_stale(session)
        instance, host = session.instance, session.host
        policies = session.policies if with_policies else {}
        for policy in policies.values() if name is None else filter(None, [policies.get(name)]):
            for kind, state, figures in of_policy(policy):
                yield policy.name, kind, None, ReplicaPart(instance, host, age, stale, state, "", figures)
        for report in session.parts.of(name):
            if report.state is not None:
                standing = ReplicaPart(instance, host, age, stale, report.state, report.reason, report.figures)
                yield report.name, report.kind, report.member, standing
