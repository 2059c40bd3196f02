"""Metrics and dry runs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ...control.dry_run import ASSUMPTIONS, Bucket, Outcome
from ...control.moments import moment
from ...storage.metric_history import Row
from .bodies import CircuitBreakerBody, Moment, Strict


class BucketView(BaseModel):
    """What happened to a circuit within a span of time, over all replicas; response times in seconds."""

    start: datetime
    successes: int
    failures: int
    slow: int
    rejections: int
    timeouts: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    max: float | None
    replicas: int


class HistoryView(BaseModel):
    """Buckets of a circuit, oldest first."""

    circuit: str
    resolution: int = Field(description="seconds of a bucket")
    buckets: list[BucketView]


class RetryView(BaseModel):
    """What a policy's retries, hedges and fallbacks did in the last hour, over all replicas."""

    policy: str
    calls: int = Field(description="0 where policies share a circuit: whose calls it saw is not known")
    attempts: int = Field(description="with the first of each call and the refused ones; 0 as above")
    retries: int
    given_up: int = Field(description="calls whose retries ended without success")
    hedges: int
    fallbacks: int
    lowest_budget: float | None = Field(description="fewest tokens of the retry budget on any replica")


class RetryStatisticsView(BaseModel):
    """Every policy that retried, hedged or fell back."""

    items: list[RetryView]


class DryRunRequest(Strict):
    """A configuration to try on what was recorded."""

    configuration: CircuitBreakerBody
    since: Annotated[Moment | None, Field(description="default: an hour ago")] = None
    until: Annotated[Moment | None, Field(description="default: now")] = None


class OutcomeView(BaseModel):
    """What would have happened."""

    openings: int
    first_opened: list[datetime]
    seconds_open: float
    calls: int
    refused: int
    failures_avoided: int
    successes_lost: int
    final_state: str


class DryRunView(BaseModel):
    """The present configuration beside the proposed one, on the same outcomes."""

    circuit: str
    since: datetime
    until: datetime
    resolution: int
    unknown: int = Field(description="calls that were refused then, whose outcome nobody knows")
    complete: bool = Field(description="false when there are more calls than one replay takes: the newest are replayed")
    replayed_since: datetime | None = Field(description="null when nothing was recorded")
    replayed_until: datetime | None = Field(description="null when nothing was recorded")
    present: OutcomeView | None
    present_missing: str | None = Field(description="why there is nothing to compare with; null when there is")
    proposed: OutcomeView
    assumptions: list[str]


def bucket_document(row: Row) -> dict[str, Any]:  # Any: JSON values
    """Return a `BucketView`."""
    names = ("successes", "failures", "slow", "rejections", "timeouts", "p50", "p95", "p99", "mean", "max", "replicas")
    return {"start": row["bucket_start"], **{name: row[name] for name in names}}


def to_bucket(row: Row, resolution: int) -> Bucket:
    """Return a row as the replay takes it."""
    return Bucket(
        start=row["bucket_start"].timestamp(),
        length=float(resolution),
        successes=row["successes"],
        failures=row["failures"],
        slow=row["slow"],
        rejections=row["rejections"],
    )


def outcome_document(outcome: Outcome) -> dict[str, Any]:  # Any: JSON values
    """Return an `OutcomeView`."""
    return {
        "openings": len(outcome.openings),
        "first_opened": [moment(at) for at in outcome.openings[:100]],
        "seconds_open": round(outcome.seconds_open, 3),
        "calls": outcome.calls,
        "refused": outcome.refused,
        "failures_avoided": outcome.avoided,
        "successes_lost": outcome.lost,
        "final_state": outcome.final.value,
    }


def assumptions() -> list[str]:
    """Return what a dry run takes for granted."""
    return list(ASSUMPTIONS)
