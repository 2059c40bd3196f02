"""Notices as events of PagerDuty's Events API v2."""

from __future__ import annotations

from typing import Any

from ...outbound.policy import OutboundPolicy
from .config import PagerDutyChannel
from .notice import Notice, NoticeKind
from .posting import encode, post, secret

MAX_SUMMARY = 1024
"""Characters that PagerDuty takes as a summary."""
_SEVERITIES = {1: "critical", 2: "error", 3: "warning", 4: "info"}


class PagerDutySender:
    """Triggers, acknowledges and resolves one incident at PagerDuty for each subject.

    Arguments:
        config: The integration.
        policy: Which addresses may be spoken to.
    """

    def __init__(self, config: PagerDutyChannel, policy: OutboundPolicy) -> None:
        self._config = config
        self._policy = policy

    def deliver(self, notice: Notice) -> str:
        """Post the event; see `Channel`."""
        body = encode(event(notice, secret(self._config.routing_key)))
        url = f"{self._config.url.rstrip('/')}/v2/enqueue"
        return post(url, body, {}, timeout=self._config.timeout, policy=self._policy)


def event(notice: Notice, routing_key: str) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return the event in PagerDuty's form; an escalation is critical whatever the incident's severity."""
    action = "resolve" if notice.kind.ends else "acknowledge" if notice.kind is NoticeKind.ACKNOWLEDGED else "trigger"
    found: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": f"scrollintel:{notice.subject}"[:255],
    }
    if action == "trigger":
        urgent = notice.kind in (NoticeKind.ESCALATED, NoticeKind.BRAKE_ENGAGED)
        found["payload"] = {
            "summary": f"{notice.kind.words}: {notice.summary}"[:MAX_SUMMARY],
            "source": notice.target or notice.service or notice.subject,
            "severity": "critical" if urgent else _SEVERITIES[notice.severity],
            "timestamp": notice.at.isoformat(),
            "component": notice.service,
            "class": notice.kind.value,
            "custom_details": {**notice.details, **({"alerts": list(notice.lines)} if notice.lines else {})},
        }
        found["links"] = [{"href": notice.link, "text": "Open"}] if notice.link else []
    return found
