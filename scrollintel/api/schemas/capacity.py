"""What keeps services within their capacity, as the API shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ...control.capacity import CapacityPart
from ...control.capacity_sentences import sentence_of

_FIGURES = "numbers by name; which ones a kind has, the reference tells"


class CapacityOnReplica(BaseModel):
    """A part on one replica."""

    replica: str
    host: str | None
    state: str
    reason: str
    age: float = Field(description="seconds since the replica was heard of")
    stale: bool
    figures: dict[str, float] = Field(description=_FIGURES)


class CapacitySummary(BaseModel):
    """One limit, throttle, detector, fallback, server, pool or host that is out, over all replicas of a service."""

    kind: str = Field(
        description="limit, throttle, bulkhead, rate_limit, metastability, fallback, admission, pool or host"
    )
    name: str = Field(description="name of the policy, server or pool")
    member: str | None = Field(description="which fallback of the policy, or which host of the pool")
    service: str
    state: str = Field(description="the worst one of any replica that is not stale")
    acting: bool = Field(description="whether it acts on calls now, or needs somebody")
    why: str
    replicas: int
    stale_replicas: int
    states: dict[str, int] = Field(description="replicas in each state")
    figures: dict[str, float] = Field(description=_FIGURES)


class CapacityDetail(CapacitySummary):
    """The same with each replica."""

    on_replicas: list[CapacityOnReplica]


class CapacityPage(BaseModel):
    """A page of parts."""

    items: list[CapacitySummary]
    next_cursor: str | None


class CapacityOfName(BaseModel):
    """All parts of one policy, server or pool."""

    name: str
    parts: list[CapacityDetail]


def summary(part: CapacityPart) -> dict[str, Any]:  # Any: JSON values
    """Return a `CapacitySummary`."""
    return {
        "kind": part.kind,
        "name": part.name,
        "member": part.member,
        "service": part.service,
        "state": part.state,
        "acting": part.acting,
        "why": sentence_of(part),
        "replicas": len(part.on),
        "stale_replicas": sum(one.stale for one in part.on),
        "states": part.states(),
        "figures": dict(part.figures),
    }


def detail(part: CapacityPart) -> dict[str, Any]:  # Any: JSON values
    """Return a `CapacityDetail`."""
    rows = [{**one._asdict(), "age": round(one.age, 3), "figures": dict(one.figures)} for one in part.on]
    return {**summary(part), "on_replicas": rows}
