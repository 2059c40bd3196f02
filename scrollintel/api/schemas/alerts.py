"""Alerts and silences as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from ...control.alerts import AlertName, runbook
from ...control.silences import Match, Matcher, SilenceLabel, SilenceRecord
from ...service.alerts.alerting import AlertView
from .bodies import Moment, Strict, Text

MatcherValue = Annotated[str, StringConstraints(min_length=1, max_length=401, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class AlertShown(BaseModel):
    """One alert that is pending or fires, with what it rests on."""

    fingerprint: str = Field(description="the same for the same labels, in every process")
    name: AlertName
    state: Literal["pending", "firing"]
    service: str | None = Field(description="null for the control plane itself")
    target: str | None
    variant: str = Field(description="which of several about one thing, such as the window of a burn rate")
    severity: int = Field(description="1 (worst) to 4")
    summary: str
    since: datetime = Field(description="true since then")
    fired_at: datetime | None
    told_at: datetime | None = Field(description="when people were told last; null when they were not")
    ending: bool = Field(description="not true any more; it is resolved unless that comes back")
    muted: str | None = Field(description="the silence, or why else nobody is told")
    evidence: dict[str, Any]
    runbook: str = Field(description="where it stands what to do")


class AlertPage(BaseModel):
    """A page of alerts, worst first."""

    items: list[AlertShown]
    left_out: int = Field(description="alerts that are not followed because there are too many")
    next_cursor: str | None


class MatcherBody(Strict):
    """What an alert has to be for a silence to fit."""

    label: Annotated[SilenceLabel, Field(strict=False)]
    value: MatcherValue = Field(description="of `name` one of the alerts, such as circuit_open_too_long")
    match: Annotated[Match, Field(strict=False, description="the whole value, or how it begins")] = Match.EXACT


class SilenceCreate(Strict):
    """A silence that is asked for."""

    matchers: Annotated[list[MatcherBody], Field(min_length=1, max_length=3, description="all of them have to fit")]
    until: Moment = Field(description="in the future, and within 30 days")
    reason: Text

    @model_validator(mode="after")
    def _has_each_label_once(self) -> SilenceCreate:
        if len({matcher.label for matcher in self.matchers}) < len(self.matchers):
            raise ValueError("each label may be matched once")
        return self

    def wanted(self) -> tuple[Matcher, ...]:
        """Return the matchers as the use case takes them."""
        return tuple(Matcher(item.label, item.value, item.match) for item in self.matchers)


class MatcherShown(BaseModel):
    """What an alert has to be for a silence to fit."""

    label: SilenceLabel
    value: str
    match: Match


class SilenceShown(BaseModel):
    """One silence in force."""

    id: str
    matchers: list[MatcherShown]
    service: str | None = Field(description="the one service that it can concern; null when it can concern several")
    reason: str
    created_by: str
    created_at: datetime
    until: datetime


class SilencePage(BaseModel):
    """A page of silences, the oldest first."""

    items: list[SilenceShown]
    next_cursor: str | None


def alert_document(view: AlertView, runbook_url: str | None) -> dict[str, Any]:  # Any: JSON values
    """Return an `AlertShown`."""
    alert, labels, condition = view.alert, view.alert.labels, view.alert.condition
    return {
        "fingerprint": labels.fingerprint,
        "name": labels.name.value,
        "state": "pending" if alert.fired is None else "firing",
        "service": labels.service,
        "target": labels.target,
        "variant": labels.variant,
        "severity": condition.severity,
        "summary": condition.summary,
        "since": view.since,
        "fired_at": view.fired_at,
        "told_at": view.told_at,
        "ending": alert.gone is not None,
        "muted": alert.muted,
        "evidence": dict(condition.evidence),
        "runbook": runbook(labels.name, runbook_url),
    }


def silence_document(record: SilenceRecord) -> dict[str, Any]:  # Any: JSON values
    """Return a `SilenceShown`."""
    return {
        "id": record.id,
        "matchers": [matcher.to_dict() for matcher in record.matchers],
        "service": record.service,
        "reason": record.reason,
        "created_by": record.created_by,
        "created_at": record.created_at,
        "until": record.until,
    }
