"""How automated recovery stands, as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...actions.kinds import StrategyKind
from ...recovery.strategy import Traits
from ...watch.watcher import TargetView
from .bodies import Name, Strict


class StoppedView(BaseModel):
    """Who has stopped automation."""

    by: str
    since: datetime
    reason: str


class BrakeView(BaseModel):
    """Why the storm brake holds."""

    since: datetime
    why: str
    subject: str


class AutomationView(BaseModel):
    """How automated recovery stands."""

    watching: bool
    targets: int
    engine: str = Field(description="starting, serving, away or stopped")
    durable: bool = Field(description="whether recoveries outlive the process")
    stopped: StoppedView | None
    brake: BrakeView | None
    running: int
    max_running: int
    journalled: int = Field(description="notes that wait for the database")
    doubts: int = Field(description="times that everything seemed to fail at once")


class CheckView(BaseModel):
    """What one check found last."""

    name: str
    depth: str
    good: bool
    detail: str
    failure_type: str | None
    age: float = Field(description="seconds since the look")
    latency: float | None = Field(description="seconds")


class TargetViewModel(BaseModel):
    """How a target stands."""

    target: str
    service: str
    group: str | None
    tier: int
    mode: str
    condition: str
    judged: str = Field(description="what the looks alone add up to")
    since: float | None = Field(description="seconds since the condition changed")
    suspicion: float = Field(description="how unusual the present silence is, for ranking only")
    last_beat: float | None = Field(description="seconds since the last beat")
    last_progress: float | None = Field(description="seconds since the last progress")
    checks: list[CheckView]


class TargetStory(TargetViewModel):
    """How a target stands, and how it is declared."""

    declaration: dict[str, Any] = Field(description="as the settings file has it; what may be a secret is hidden")


class TargetList(BaseModel):
    """All targets."""

    items: list[TargetViewModel]


class NodeView(BaseModel):
    """A target in the graph."""

    target: str
    service: str
    group: str | None
    tier: int
    condition: str


class EdgeView(BaseModel):
    """A service needs another."""

    service: str
    needs: str
    kind: str
    source: str = Field(description="declared, or observed from circuits")


class TopologyView(BaseModel):
    """Who depends on whom."""

    nodes: list[NodeView]
    edges: list[EdgeView]


class StrategyKindView(BaseModel):
    """A kind of strategy."""

    name: str
    description: str
    traits: dict[str, Any]
    options: dict[str, Any] = Field(description="JSON schema of what it takes")


class StrategyKindList(BaseModel):
    """All kinds of strategies."""

    items: list[StrategyKindView]


class Beat(Strict):
    """A sign of life."""

    progress: Annotated[str, Field(max_length=200)] | float | int | None = Field(
        default=None, description="changes whenever the target has got on with its work"
    )


class DryRunRequest(Strict):
    """What would be done about a failure."""

    target: Annotated[str, Field(min_length=1, max_length=401)]
    failure_type: Name = "unresponsive"


class DryRunView(BaseModel):
    """What would be done; nothing has been."""

    target: str
    failure_type: str
    chain: list[dict[str, Any]]
    left_out: dict[str, str]
    held_by: str | None
    verdict: dict[str, Any]
    impact: dict[str, Any]


class ReloadedView(BaseModel):
    """What has come of reading the settings file anew."""

    applied: bool
    targets: int
    needs_restart: list[str]


def target_document(view: TargetView, now: float) -> dict[str, Any]:  # Any: JSON values
    """Return a `TargetViewModel`."""
    target = view.target
    return {
        "target": target.name,
        "service": target.service,
        "group": target.group,
        "tier": target.tier,
        "mode": target.mode.value,
        "condition": view.condition.value,
        "judged": view.judged.value,
        "since": _age(view.since, now),
        "suspicion": round(view.suspicion, 3),
        "last_beat": _age(view.last_beat, now),
        "last_progress": _age(view.progressed_at, now),
        "checks": [
            {
                "name": look.check,
                "depth": look.depth.value,
                "good": look.good,
                "detail": look.detail,
                "failure_type": look.failure_type,
                "age": _age(look.at, now),
                "latency": look.latency,
            }
            for look in view.looks
        ],
    }


def kind_document(kind: StrategyKind) -> dict[str, Any]:  # Any: JSON values
    """Return a `StrategyKindView`."""
    return {
        "name": kind.name,
        "description": kind.description,
        "traits": traits_document(kind.traits),
        "options": kind.options.json_schema(),
    }


def traits_document(traits: Traits) -> dict[str, Any]:  # Any: JSON values
    """Return what a strategy says about itself."""
    return {
        "destructive": traits.destructive,
        "restarts": traits.restarts,
        "failover": traits.failover,
        "idempotency": traits.idempotency.value,
        "concurrency": traits.concurrency,
        "cool_down": traits.cool_down,
        "affects": traits.affects,
        "acts_on_healthy": traits.acts_on_healthy,
        "known": traits.known,
    }


def _age(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(max(0.0, now - moment), 3)
