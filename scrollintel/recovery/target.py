"""What is watched and how it may be repaired, as data: one target is one thing that can fail and be brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .symptom import Depth

_EMPTY: Mapping[str, Any] = MappingProxyType({})  # Any: JSON values of mixed types
DEFAULT_CHAIN = "default"
"""Key of the strategies that are tried for failure types without a chain of their own."""


class Mode(StrEnum):
    """What may be done about a target: look and tell, or repair as well."""

    OBSERVE = "observe"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One way to look at a target again and again.

    Arguments:
        name: Unique within the target.
        kind: A kind that ships (`http`, `tcp`, `process`, `command`, `postgresql`, `redis`, `grpc`, `systemd`, `disk`,
            `memory`) or one that was registered.
        depth: What a failure says; only a failed `alive` may lead to a restart.
        interval: Seconds between two looks; default 1.
        timeout: Seconds for one look; default 1.
        failures: Failed looks among the last `window` from which the target counts as failed; default 2.
        window: Looks that are remembered for that; default 3.
        successes: Good looks in a row after which it counts as healthy again; default 3.
        options: What the kind takes, such as `url`.
    """

    name: str
    kind: str
    depth: Depth
    interval: float = 1.0
    timeout: float = 1.0
    failures: int = 2
    window: int = 3
    successes: int = 3
    options: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)  # Any: JSON values of mixed types


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Signs of life that a target sends by itself.

    Arguments:
        timeout: Seconds of silence after which it is suspected; default 3.
        progress_timeout: Seconds without progress after which a target that still beats counts as stalled; None
            (default) expects no progress.
    """

    timeout: float = 3.0
    progress_timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A local process that can be started.

    Arguments:
        command: Argument vector; no shell.
        directory: Working folder, or None.
        environment: Variables of the process; nothing else is passed on besides PATH, HOME, LANG and TZ.
        pidfile: Where its number is written; by default a file in the data directory.
        stop_timeout: Seconds between SIGTERM and SIGKILL; default 10.
        start_timeout: Seconds that it may take until its checks answer; failures do not count so long. Default 30.
        autostart: Whether the control plane starts it when it does not run at the beginning; default False.
        log: File that takes its output; by default one in the data directory.
    """

    command: tuple[str, ...]
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    pidfile: str | None = None
    stop_timeout: float = 10.0
    start_timeout: float = 30.0
    autostart: bool = False
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One strategy in a chain.

    Arguments:
        kind: A strategy kind that ships, such as `restart-process`, or one that was registered.
        options: What the kind takes.
        attempts: Times that it is tried within one recovery; default 1. The second try waits 10 s, the third 20 s.
        approval: Whether a person has to agree; None (default) leaves that to the strategy's traits.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)  # Any: JSON values of mixed types
    attempts: int = 1
    approval: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far automation may go with a target.

    Arguments:
        attempts: Recoveries within one incident, relapses included, before people are called; default 3.
        cool_down: Seconds between two recoveries; default 60.
        failover_cool_down: Seconds between two failovers; default 3600 (orchestrator's block).
        group_share: Largest share of a group that may be under repair at once; at least one, never the last healthy
            one; default 0.2.
        successes: Looks in a row at `ready` and `deep` that prove health after a repair; default 3.
        verify_timeout: Seconds that the proof may take; default 60.
        relapse_window: Seconds after a repair in which a new failure belongs to the same incident; default 600.
        approval_timeout: Seconds after which an approval that nobody gave counts as refused; default 3600.
    """

    attempts: int = 3
    cool_down: float = 60.0
    failover_cool_down: float = 3600.0
    group_share: float = 0.2
    successes: int = 3
    verify_timeout: float = 60.0
    relapse_window: float = 600.0
    approval_timeout: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which nothing is repaired; what happens is recorded all the same.

    Either `begins` and `ends` are two moments with their offset (RFC 3339), or `days` and two times of day in UTC.

    Arguments:
        begins, ends: Text of the moments, or `HH:MM`.
        days: `monday` to `sunday`; empty for one stretch between two moments.
        reason: For the history, or None.
    """

    begins: str
    ends: str
    days: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing that is watched.

    Arguments:
        name: Unique; that of the service, or `service/replica`.
        service: The service that it belongs to.
        group: Targets of one group stand in for each other; None when nothing does. Replicas form the group of their
            service.
        region: Where it runs, or None.
        tier: How much depends on it; 1 (most) to 5.
        owner: Who answers for it, or None.
        mode: Whether it may be repaired; default observe.
        depends_on: Pairs of a service and `hard`, `soft` or `fallback`.
        degrade_to: Degradation level (1 to 4) that the service is held at while a hard dependency of it is down; 0 for
            none.
        traffic_share: Share of all users that it serves, 0 to 1; default 1.
        objective: Share of calls that should succeed, such as 0.999, or None.
        checks, heartbeat, process, unit: How it is looked at, and what it is.
        strategies: Chains by failure type; `default` for the rest.
        limits, windows: How far automation may go, and when it stands back.
        location: File and line of the declaration, or None.
    """

    name: str
    service: str
    group: str | None = None
    region: str | None = None
    tier: int = 3
    owner: str | None = None
    mode: Mode = Mode.OBSERVE
    depends_on: tuple[tuple[str, str], ...] = ()
    degrade_to: int = 0
    traffic_share: float = 1.0
    objective: float | None = None
    checks: tuple[Check, ...] = ()
    heartbeat: Heartbeat | None = None
    process: Process | None = None
    unit: str | None = None
    strategies: Mapping[str, tuple[Remedy, ...]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    windows: tuple[Window, ...] = ()
    location: str | None = None

    def chain(self, failure_type: str) -> tuple[Remedy, ...]:
        """Return the strategies that are tried for a failure type, in order."""
        return tuple(self.strategies.get(failure_type, self.strategies.get(DEFAULT_CHAIN, ())))
