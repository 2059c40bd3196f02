"""Moving the leader of a PostgreSQL cluster under Patroni; tested against a recorded API, not against a cluster.

The recordings follow the documentation of Patroni's REST API: `GET /cluster`, `POST /switchover`, `POST /failover`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.config.base import Config, integer, number
from ..core.errors import PlanRefusedError
from ..outbound.options import headers, line, texts
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import Interface, RemoteError, RemoteStrategy

LEADERS = ("leader", "standby_leader", "master")
FIT = ("running", "streaming")
"""States of a member that may lead: `streaming` since Patroni 3.0, `running` before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatroniOptions(Config):
    """A cluster.

    Arguments:
        members: Addresses of the members' REST APIs, 1 to 20; the first that answers is asked.
        max_lag: Bytes that a candidate may be behind; default 1,048,576.
        headers: Further header fields, such as an Authorization by reference.
        timeout: Seconds for a request, above 0 and at most 120; default 30, since a switchover answers when it is done.
        ca_file: Certificates to trust, or None for the system's.

    Raises:
        ConfigError: with every violation.
    """

    members: tuple[str, ...] = field(
        metadata=texts(
            maximum=20,
            pattern=r"https?://[A-Za-z0-9_.\[\]:-]{1,300}/?",
            words="a list of 1 to 20 http or https addresses",
        )
    )
    max_lag: int = field(default=1_048_576, metadata=integer(unit="bytes"))
    headers: Mapping[str, str] = field(default_factory=dict, metadata=headers())
    timeout: float = field(default=30.0, metadata=number(above=True, maximum=120.0, unit="seconds"))
    ca_file: str | None = field(default=None, metadata=line(optional=True))


Member = Mapping[str, Any]  # Any: JSON values of mixed types


class Patroni(RemoteStrategy):
    """Asks Patroni for a switchover, or for a failover when there is no leader; Patroni fences the old one itself."""

    def __init__(self, context: StrategyContext, options: PatroniOptions) -> None:
        super().__init__("patroni", context, TRAITS)
        self._options = options

    def plan(self, observation: Observation) -> Plan:
        """Say who leads next: the replica that is least behind.

        Raises:
            PlanRefusedError: when no replica may lead, or the cluster is paused.
        """
        content = self._ask("GET", "/cluster")
        if content.get("pause"):
            raise PlanRefusedError("the cluster is in maintenance mode")
        members = _members(content)
        leader = _leader(members)
        fit = [member for member in members if member is not leader and self._may_lead(member)]
        if not fit:
            raise PlanRefusedError(f"no replica runs and is at most {self._options.max_lag} bytes behind")
        candidate = min(fit, key=lambda member: (member["lag"], str(member["name"])))["name"]
        old = None if leader is None else leader["name"]
        action = f"make {candidate} the leader" + ("" if old is None else f" in place of {old}")
        return self.planned(observation, action, leader=old, candidate=candidate)

    def act(self, plan: Plan) -> None:
        """Ask for it, unless it leads already."""
        old, candidate = plan.parameters["leader"], plan.parameters["candidate"]
        leader = _leader(_members(self._ask("GET", "/cluster")))
        present = None if leader is None else leader["name"]
        if present == candidate:
            return
        if present not in (None, old):
            raise self.failed(Step.ACT, f"{present} leads, planned for was {old}")
        if present is None:
            self._ask("POST", "/failover", {"candidate": candidate})
        else:
            self._ask("POST", "/switchover", {"leader": present, "candidate": candidate})

    def verify(self, plan: Plan) -> bool:
        """Tell whether the candidate leads, and the target answers."""
        leader = _leader(_members(self._ask("GET", "/cluster")))
        leads = leader is not None and leader["name"] == plan.parameters["candidate"]
        return leads and super().verify(plan)

    def _may_lead(self, member: Member) -> bool:
        lag, tags = member.get("lag"), member.get("tags")
        barred = isinstance(tags, dict) and bool(tags.get("nofailover"))
        known = type(lag) is int and 0 <= lag <= self._options.max_lag
        return known and not barred and member.get("role") != "standby_leader" and member.get("state") in FIT

    def _ask(self, method: str, path: str, content: object = None) -> Mapping[str, Any]:
        problem: RemoteError | None = None
        options = self._options
        for member in options.members:
            api = Interface(member, self.context.outbound, options.headers, options.timeout, options.ca_file)
            try:
                return api.ask(method, path, content).expect(f"{method} {path}").fields
            except RemoteError as error:
                problem = error
                # Asked twice, a change could meet a cluster that the first request is still changing.
                if method != "GET" and not str(error).startswith("no answer: ConnectionRefused"):
                    break
        assert problem is not None
        raise problem


def _members(content: Mapping[str, Any]) -> list[Member]:
    found = content.get("members")
    listed = found if isinstance(found, list) else []
    return [member for member in listed if isinstance(member, dict) and isinstance(member.get("name"), str)]


def _leader(members: list[Member]) -> Member | None:
    """Return who leads and runs, or None."""
    return next((m for m in members if m.get("role") in LEADERS and m.get("state") == "running"), None)


TRAITS = Traits(failover=True, idempotency=Idempotency.GUARDED, affects="group", concurrency=1)
KIND = StrategyKind("patroni", PatroniOptions, TRAITS, "Moves the leader of a Patroni cluster.", Patroni)
