"""What people are told of a group of alerts, as a notice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...control.alert_machine import Alert, Message
from ...control.alerts import runbook
from ...telemetry.notify.notice import Notice, NoticeKind

LISTED = 50
"""Alerts of one message that are named; of the others the number is told."""


def notice_of(message: Message, at: datetime, runbook_url: str | None) -> Notice:
    """Return a message as a notice, which PagerDuty keeps as one incident for each group from beginning to end.

    Arguments:
        message: What is told.
        at: When.
        runbook_url: Where the page of runbooks is published, or None.
    """
    off = [alert for alert in message.resolved if alert.off]
    over = [alert for alert in message.resolved if not alert.off]
    firing = [*message.begun, *message.worse, *message.still]
    named = [
        *((alert, "firing") for alert in message.begun),
        *((alert, "worse") for alert in message.worse),
        *((alert, "still firing") for alert in message.still),
        *((alert, "switched off") for alert in off),
        *((alert, "resolved") for alert in over),
    ]
    first = (*message.begun, *message.worse) or message.still or off or over
    worst = min(first, key=lambda alert: alert.condition.severity)
    counts = {
        "firing": len(firing), "new": len(message.begun), "worse": len(message.worse), "resolved": len(over),
        "switched_off": len(off),
    }  # fmt: skip
    ended = NoticeKind.ALERT_SWITCHED_OFF if off else NoticeKind.ALERT_RESOLVED
    return Notice(
        kind=ended if message.ends else NoticeKind.ALERT_FIRING,
        subject=f"alerts:{message.group}",
        summary=_sentence(message, worst),
        at=at,
        service=message.service,
        severity=message.severity,
        details=counts if len(named) <= LISTED else {**counts, "not_listed": len(named) - LISTED},
        link=None if runbook_url is None else runbook(worst.labels.name, runbook_url),
        alerts=tuple(_line(alert, state, runbook_url) for alert, state in named[:LISTED]),
    )


def _sentence(message: Message, worst: Alert) -> str:
    """Return what has happened, and the worst of what it has happened to."""
    said = f"{worst.labels.name.heading}: {worst.condition.summary}"
    news, off = len(message.begun) + len(message.worse), sum(alert.off for alert in message.resolved)
    if news > 1:
        said = f"{news} alerts, the worst {said}"
    elif news == 1:
        said = f"worse: {said}" if message.worse else said
    elif off:
        others = "" if off == 1 else f" {off} alerts, among them"
        said = f"alerts were switched off in the configuration, while this held:{others} {said}"
    elif message.ends or not message.still:
        said = f"over: {said}" if len(message.resolved) == 1 else f"{len(message.resolved)} over, the worst was {said}"
    else:
        over = f"{len(message.resolved)} over, " if message.resolved else ""
        said = f"{over}still firing: {said}"
    return said[:500]


def _line(alert: Alert, state: str, runbook_url: str | None) -> dict[str, Any]:  # Any: JSON values
    labels, condition = alert.labels, alert.condition
    return {
        "state": state,
        "name": labels.name.heading,
        "fingerprint": labels.fingerprint,
        "service": labels.service,
        "target": labels.target,
        "variant": labels.variant,
        "severity": condition.severity,
        "summary": condition.summary,
        "runbook": runbook(labels.name, runbook_url),
    }
