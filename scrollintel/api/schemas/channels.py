"""The channels that tell people, as the API shows them: no address beyond the host, and no secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...control.alerts import AlertRules
from ...service.alerts.channels import ChannelView
from ...telemetry.notify.config import host_of, kind_of


class ChannelShown(BaseModel):
    """One channel, and how it does since the control plane started or the channel was changed."""

    name: str = Field(description="its kind, and for further ones of a kind its number, such as webhook-2")
    kind: Literal["webhook", "slack", "pagerduty", "email"]
    host: str | None = Field(description="what it speaks to; null when the address is kept as a secret")
    least_severity: int = Field(description="tells of this severity and worse, 1 (worst) to 4; of a brake always")
    waiting: int = Field(description="messages that have not been told yet")
    sent: int = Field(description="messages that the receiver took")
    given_up: int = Field(description="messages that it did not take, after all attempts")
    dropped: int = Field(description="messages that found no room")
    last_outcome: Literal["delivered", "given_up"] | None = Field(description="of the last message; null without one")
    last_at: datetime | None = Field(description="when that was")
    last_error: str | None = Field(description="why it was given up")


class AlertTiming(BaseModel):
    """How alerts are grouped and repeated; the table `[alerts]` of the settings file."""

    enabled: bool = Field(description="whether the platform alerts by itself")
    group_window: float = Field(description="seconds for which alerts of one service are gathered into one message")
    settle: float = Field(description="seconds without its cause after which an alert is over")
    repeat_interval: float = Field(description="seconds after which people are reminded of what still fires")


class ChannelList(BaseModel):
    """All channels, in the order of the settings file."""

    items: list[ChannelShown]
    alerting: AlertTiming


class ChannelTested(BaseModel):
    """What came of a test message."""

    channel: str
    delivered: bool = Field(description="whether the receiver took it")
    answer: str = Field(description="what came back, or why nothing did")
    seconds: float = Field(description="how long that took")


def channel_document(view: ChannelView) -> dict[str, Any]:  # Any: JSON values
    """Return a `ChannelShown`."""
    figures = view.figures
    outcome = None if figures.last_at is None else "delivered" if figures.last_error is None else "given_up"
    return {
        "name": view.name,
        "kind": kind_of(view.config),
        "host": host_of(view.config),
        "least_severity": view.config.least_severity,
        "waiting": figures.waiting,
        "sent": figures.sent,
        "given_up": figures.dead,
        "dropped": figures.dropped,
        "last_outcome": outcome,
        "last_at": None if figures.last_at is None else datetime.fromtimestamp(figures.last_at, UTC),
        "last_error": figures.last_error,
    }


def timing_document(rules: AlertRules) -> dict[str, Any]:  # Any: JSON values
    """Return an `AlertTiming`."""
    return {
        "enabled": rules.enabled,
        "group_window": rules.group_window,
        "settle": rules.settle,
        "repeat_interval": rules.repeat_interval,
    }
