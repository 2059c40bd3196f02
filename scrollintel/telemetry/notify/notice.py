"""What people are told, and what a channel says when it could not tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from ...core.errors import ConfigError, ScrollIntelError, Violation


class NoticeKind(StrEnum):
    """What happened."""

    OPENED = "incident_opened"
    ESCALATED = "incident_escalated"
    APPROVAL_WANTED = "approval_wanted"
    ACKNOWLEDGED = "incident_acknowledged"
    RESOLVED = "incident_resolved"
    BRAKE_ENGAGED = "brake_engaged"
    BRAKE_RELEASED = "brake_released"
    ALERT_FIRING = "alert_firing"
    ALERT_RESOLVED = "alert_resolved"
    ALERT_SWITCHED_OFF = "alert_switched_off"
    TOLD = "told"
    TEST = "test"

    @property
    def ends(self) -> bool:
        """Whether it ends what was told before."""
        return self in _ENDING

    @property
    def recurs(self) -> bool:
        """Whether it can happen to one subject again and again, so that its moment tells one from the next."""
        return self in _RECURRING

    @property
    def words(self) -> str:
        """The kind as a reader sees it."""
        return self.value.replace("_", " ").capitalize()


_ENDING = frozenset(
    {
        NoticeKind.RESOLVED,
        NoticeKind.BRAKE_RELEASED,
        NoticeKind.ALERT_RESOLVED,
        NoticeKind.ALERT_SWITCHED_OFF,
    }
)
_RECURRING = frozenset(
    {
        NoticeKind.BRAKE_ENGAGED,
        NoticeKind.BRAKE_RELEASED,
        NoticeKind.ALERT_FIRING,
        NoticeKind.ALERT_RESOLVED,
        NoticeKind.ALERT_SWITCHED_OFF,
        NoticeKind.TOLD,
        NoticeKind.TEST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told.

    Arguments:
        kind: What happened.
        subject: What it belongs to: the incident's id, the group of a brake, or `alerts:` and a group of alerts.
            Notices of one kind about one subject are told once, and PagerDuty keeps them as one incident.
        summary: One sentence, without secrets.
        at: When it happened, in UTC.
        target, service: What failed, or None.
        severity: 1 (worst) to 4; default 3.
        occasion: Tells notices of the same kind about one subject apart, such as the id of an approval; by default
            the moment for brakes, alerts, free texts and tests.
        details: Further JSON values.
        link: Where to look, or None.
        alerts: The alerts that it is about, each a JSON object with at least `state`, `name`, `summary` and `runbook`.

    Raises:
        ConfigError: when `at` is not in UTC or `severity` is not 1 to 4.
    """

    kind: NoticeKind
    subject: str
    summary: str
    at: datetime
    target: str | None = None
    service: str | None = None
    severity: int = 3
    occasion: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values of mixed types
    link: str | None = None
    alerts: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no channel could say."""
        if self.at.utcoffset() != timedelta(0):
            raise ConfigError("Notice", [Violation("at", self.at, "a datetime with timezone UTC")])
        if self.severity not in (1, 2, 3, 4):
            raise ConfigError("Notice", [Violation("severity", self.severity, "a whole number from 1 to 4")])

    @property
    def key(self) -> str:
        """Idempotency key: the same whenever the same thing is told again."""
        occasion = self.occasion or (self.at.isoformat() if self.kind.recurs else "")
        return ":".join(part for part in (self.subject, self.kind.value, occasion) if part)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each alert that it is about, for people."""
        return tuple(
            f"[{alert['state']}] {alert['name']}: {alert['summary']} (runbook: {alert['runbook']})"
            for alert in self.alerts
        )

    def text(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the notice as a JSON object; `alerts` is there for notices about alerts only."""
        listed = {"alerts": [dict(alert) for alert in self.alerts]} if self.alerts else {}
        return {
            **listed,
            "kind": self.kind.value,
            "subject": self.subject,
            "summary": self.summary,
            "at": self.at.isoformat(timespec="milliseconds"),
            "target": self.target,
            "service": self.service,
            "severity": self.severity,
            "details": dict(self.details),
            "link": self.link,
        }


class DeliveryError(ScrollIntelError):
    """A channel could not tell; the text holds no address and no secret.

    Arguments:
        reason: Why, one sentence.
        again: Whether another attempt may help.
        retry_after: Seconds that the receiver asks for, or None.
    """

    code = "delivery_failed"

    def __init__(self, reason: str, *, again: bool, retry_after: float | None = None) -> None:
        self.again = again
        self.retry_after = retry_after
        super().__init__(reason)


class Channel(Protocol):
    """One way to tell people."""

    def deliver(self, notice: Notice) -> str:
        """Make one attempt, which ends within the channel's timeout, and return what came back in a few words.

        Raises:
            DeliveryError: when the receiver did not take it.
        """
