"""Health of services and of the control plane."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from ...control.health import Judgement, ServiceHealth
from ...security.access import Permission
from ..context import Ask, json_response
from ..route import requires, resource_router
from ..schemas.bodies import PathName

router = resource_router("health")


class ServiceHealthView(BaseModel):
    """How a service stands, and why."""

    service: str
    status: ServiceHealth
    reasons: list[str]
    remembered: bool = Field(description="judged by what replicas reported before the control plane was started")


class StorageView(BaseModel):
    """How the database stands."""

    state: str
    for_: float = Field(alias="for", description="seconds in this state")
    dialect: str
    leads: bool = Field(description="whether this process holds the connection that writes")
    waiting: int
    commits: int
    changes: int
    problem: str | None


class CheckpointView(BaseModel):
    """The newest signed checkpoint of the audit log."""

    records: int = Field(description="records that it vouches for; 0 without one")
    at: datetime | None
    problem: str | None = Field(description="why the log is not trusted, or the checkpoint not kept outside")


class AuditView(BaseModel):
    """How the audit log stands."""

    records: int
    log_id: str
    intact: bool
    checkpoint: CheckpointView


class KeysView(BaseModel):
    """Whether there is a key to seal with."""

    state: Literal["ready", "missing"]
    rotating: bool = Field(description="whether values are still under former keys")


class PlatformView(BaseModel):
    """How the control plane itself stands."""

    status: str
    version: str
    started_at: datetime
    uptime: float = Field(description="seconds")
    storage: StorageView
    problems: list[str] = Field(description="what is wrong, such as a database without room or a broken audit log")
    audit: AuditView
    keys: KeysView
    recoveries: int = Field(description="recoveries of all services that have not ended")
    replicas: dict[str, int]
    access: str
    journal_waiting: bool
    background_errors: dict[str, str]
    stale: bool


class HealthView(BaseModel):
    """Everything that is known of health."""

    status: ServiceHealth
    services: list[ServiceHealthView]
    platform: PlatformView


class RunningRecovery(BaseModel):
    """A recovery that has not ended."""

    id: str
    service: str
    status: str
    started_at: datetime


class OpenIncident(BaseModel):
    """An incident that has not ended."""

    id: str
    target: str
    failure_type: str
    state: str
    severity: int
    detail: str | None


class RecentTimes(BaseModel):
    """How long calls took that have ended within the last minute, in seconds; within 3.2 %."""

    p50: float
    p95: float
    p99: float


class ErrorBudget(BaseModel):
    """How fast a service uses up the failures that its objective allows, as its callers count them."""

    service: str
    objective: float = Field(description="share of calls that should succeed")
    burn_1h: float | None = Field(description="times as fast as allowed over the last hour; null of too few calls")
    burn_6h: float | None = Field(description="times as fast as allowed over the last six hours")
    left: float | None = Field(
        description="share of the budget of the last three days that is left, 0 to 1, as far as this process knows them"
    )


class SummaryView(BaseModel):
    """One screen."""

    sentence: str
    circuits: dict[str, int]
    services: dict[str, int]
    refusing: list[str]
    degraded: list[str]
    capacity: list[str] = Field(
        description="what acts on calls now, or needs somebody, of detectors, fallbacks, servers and pools; at most 50"
    )
    targets: dict[str, int] = Field(description="watched targets by condition")
    incidents: list[OpenIncident] = Field(description="the worst 50 that have not ended, worst first")
    automation: Literal["watching", "stopped", "braked", "nothing to watch"]
    recoveries: list[RunningRecovery]
    calls_per_second: float
    success_rate: float | None
    response_times: RecentTimes | None = Field(
        description="over the last minute; null while no replica has told of any"
    )
    mean_time_to_recovery: float | None = Field(
        description="seconds from detection to proven health, over the last 30 days"
    )
    error_budgets: list[ErrorBudget] = Field(description="the worst 50 of watched services with an objective")
    replicas: int
    stale_replicas: int
    storage: str
    access: str
    stale: bool


_WORST_FIRST = (ServiceHealth.UNHEALTHY, ServiceHealth.DEGRADED, ServiceHealth.HEALTHY)


def _document(name: str, found: Judgement) -> dict[str, Any]:  # Any: JSON values
    return {
        "service": name,
        "status": found.status.value,
        "reasons": list(found.reasons),
        "remembered": found.remembered,
    }


@router.get("/health", response_model=HealthView, summary="Health of everything")
@requires(Permission.HEALTH_READ)
async def show_health(ask: Ask) -> Response:
    """Every service that is registered or has joined, and the control plane itself; a report, so always 200."""
    ask.use_cases.plane.fleet.bring_up_to_date()
    health = ask.use_cases.health
    judged = {name: health.judge(name) for name in health.names(ask.caller)}
    statuses = {found.status for found in judged.values()}
    worst = next((status for status in _WORST_FIRST if status in statuses), ServiceHealth.UNKNOWN)
    services = [_document(name, found) for name, found in judged.items()]
    return json_response({"status": worst.value, "services": services, "platform": health.platform()})


@router.get("/health/summary", response_model=SummaryView, summary="One screen")
@requires(Permission.HEALTH_READ)
async def show_summary(ask: Ask) -> Response:
    """What someone on call wants to know first."""
    return json_response(ask.use_cases.health.summary(ask.caller))


@router.get("/health/services/{name}", response_model=ServiceHealthView, summary="Health of a service")
@requires(Permission.HEALTH_READ)
async def show_service_health(name: PathName, ask: Ask) -> Response:
    """How one service stands, and why."""
    ask.use_cases.plane.fleet.bring_up_to_date()
    return json_response(_document(name, ask.use_cases.health.of_service(ask.caller, name)))
