"""Alerts of the platform itself: their names, what is true while one holds, and the bounds by which that is judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from .records import Json, Kind

PLATFORM = "platform"
"""Group of the alerts that belong to no service."""

MAX_FLAP_OPENINGS = 100
LONGEST_FLAP_WINDOW = 3600.0
"""Bounds of what is remembered of circuits that open."""


class AlertName(StrEnum):
    """What is wrong. `heading` is its name in CamelCase, as runbooks and rules of Prometheus spell it."""

    CIRCUIT_OPEN_TOO_LONG = "circuit_open_too_long"
    CIRCUIT_FLAPPING = "circuit_flapping"
    RETRY_BUDGET_EXHAUSTED = "retry_budget_exhausted"
    ERROR_BUDGET_BURN = "error_budget_burn"
    RECOVERY_FAILING = "recovery_failing"
    STORM_BRAKE_ENGAGED = "storm_brake_engaged"
    AUTOMATION_STOPPED = "automation_stopped"
    AUDIT_CHAIN_BROKEN = "audit_chain_broken"
    PLATFORM_DEGRADED = "platform_degraded"
    REPLICA_STALE = "replica_stale"

    @property
    def heading(self) -> str:
        """The name in CamelCase, such as `CircuitOpenTooLong`."""
        return "".join(word.capitalize() for word in self.value.split("_"))


def runbook(name: AlertName, base: str | None) -> str:
    """Return where it stands what to do: the section of the page of runbooks, below `base` where that is known."""
    page = "docs/runbooks.md" if base is None else base
    return f"{page}#{name.heading.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """When there is an alert, and how often people hear of it; all times in seconds.

    Arguments:
        enabled: Whether anything is looked at.
        open_for: How long a circuit is not closed before `CircuitOpenTooLong`; default 300.
        flap_openings, flap_window: A circuit that opened more often than that within that time flaps; default more
            than 3 in 600.
        budget_for: How long a retry budget is empty while calls are made before `RetryBudgetExhausted`; default 60.
        stopped_for: How long the stop switch is on before `AutomationStopped`; default 3600.
        degraded_for: How long the control plane is not well before `PlatformDegraded`; default 60.
        stale_for: How long a replica is silent before `ReplicaStale`; default 60.
        settle: How long nothing is wrong any more before an alert is resolved; default 60. It doubles each time that
            the alert comes back within an hour, up to 1800.
        group_window: How long alerts of one service are gathered into one message; default 10.
        repeat_interval: After how long people are reminded of what still fires; default 14,400.
        runbook_url: Where the page of runbooks is published, or None.
    """

    enabled: bool = True
    open_for: float = 300.0
    flap_openings: int = 3
    flap_window: float = 600.0
    budget_for: float = 60.0
    stopped_for: float = 3600.0
    degraded_for: float = 60.0
    stale_for: float = 60.0
    settle: float = 60.0
    group_window: float = 10.0
    repeat_interval: float = 14_400.0
    runbook_url: str | None = None


class Labels(NamedTuple):
    """What tells alerts apart.

    Arguments:
        name: What is wrong.
        service: Whose it is, or None for the control plane itself.
        target: The circuit, policy, replica, watched target or part of the control plane, or None.
        variant: Which of several about one thing, such as the window of a burn rate; "" for the only one.
    """

    name: AlertName
    service: str | None = None
    target: str | None = None
    variant: str = ""

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that are the same for the same labels, in every process."""
        return _fingerprint(self)

    @property
    def group(self) -> str:
        """What alerts are told together by: the service, or `platform`."""
        return PLATFORM if self.service is None else f"service:{self.service}"


@lru_cache(maxsize=4096)  # asked for each second of everything that is true
def _fingerprint(labels: Labels) -> str:
    text = json.dumps([labels.name.value, *labels[1:]], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is true now, and an alert once it has been so for long enough.

    Arguments:
        labels: What tells it apart.
        severity: 1 (worst) to 4.
        summary: One sentence, without secrets.
        evidence: What it rests on, as JSON values.
        hold: Seconds that it has to be true before it fires.
        age: Seconds for which it is known to have been true already.
        quiet: Seconds after it has fired before people are told, where somebody else tells them at once.
        muted: Why nobody is told although it fires, or None.
    """

    labels: Labels
    severity: int
    summary: str
    evidence: Json = field(default_factory=dict)
    hold: float = 0.0
    age: float = 0.0
    quiet: float = 0.0
    muted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlertRecord:
    """An alert that people have been told of and that is not over, kept so that a restart tells nothing twice.

    Arguments:
        fingerprint: Of its labels.
        name, service, target, variant: The labels.
        severity, summary, evidence: As they were when people were told.
        since: When it began to be true.
        fired_at, told_at: When it fired, and when people were told last.
        group_severity: The worst that people were told of its group since that began.
    """

    fingerprint: str
    name: str
    service: str | None
    target: str | None
    variant: str
    severity: int
    summary: str
    evidence: Mapping[str, Any]  # Any: JSON values
    since: datetime
    fired_at: datetime
    told_at: datetime
    group_severity: int


TOLD_ALERTS: Kind[ToldAlertRecord] = Kind("told alert", lambda record: record.fingerprint)
