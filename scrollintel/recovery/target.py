"""What is watched and how it may be repaired, as data: one target is one thing that can fail and be brought back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..core.config.base import Config, Rule, boolean, choice, integer, name, nested, number
from ..core.config.lists import json_map, line, required, rows, text_map, texts
from ..core.errors import Violation
from .chains import chains
from .needs import needs
from .selectors import group_name, target_name
from .symptom import Depth
from .windows import Window

__all__ = [
    "DEFAULT_CHAIN",
    "MAX_CHECKS",
    "Check",
    "Heartbeat",
    "Limits",
    "Mode",
    "Process",
    "Remedy",
    "Target",
    "Window",
]

DEFAULT_CHAIN = "default"
"""Key of the strategies that are tried for failure types without a chain of their own."""
MAX_CHECKS = 50
"""Checks of one target at most."""
OWN_LOOKS = ("heartbeat", "circuit")
"""Names of looks that come by themselves, which no check may have."""
_DAY = 86_400.0
_KIND = r"[a-z][a-z0-9_.-]{0,99}"
_KIND_ALLOWED = "the name of a kind: lower-case letters, digits, '.', '_' and '-'"


def _seconds(
    *, minimum: float = 0.0, maximum: float = _DAY, above: bool = False, optional: bool = False
) -> dict[str, Rule]:
    return number(minimum=minimum, maximum=maximum, above=above, unit="seconds", optional=optional)


class Mode(StrEnum):
    """What may be done about a target: look and tell, or repair as well."""

    OBSERVE = "observe"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Config):
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

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=name())
    kind: str = field(metadata=line(pattern=_KIND, words=_KIND_ALLOWED))
    depth: Depth = field(metadata=choice(Depth))
    interval: float = field(default=1.0, metadata=_seconds(minimum=0.05))
    timeout: float = field(default=1.0, metadata=_seconds(above=True, maximum=300.0))
    failures: int = field(default=2, metadata=integer(minimum=1, maximum=100, unit="looks"))
    window: int = field(default=3, metadata=integer(minimum=1, maximum=100, unit="looks"))
    successes: int = field(default=3, metadata=integer(minimum=1, maximum=100, unit="looks"))
    options: Mapping[str, Any] = field(default_factory=dict, metadata=json_map())  # Any: JSON values of mixed types

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that enough looks are remembered to fail, and that the name is free."""
        if not broken & {"failures", "window"} and self.failures > self.window:
            yield Violation("failures", self.failures, f"at most window ({self.window} looks)")
        if self.name in OWN_LOOKS:
            yield Violation("name", self.name, f"another name than {' and '.join(OWN_LOOKS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Config):
    """Signs of life that a target sends by itself.

    Arguments:
        timeout: Seconds of silence after which it is suspected; default 3.
        progress_timeout: Seconds without progress after which a target that still beats counts as stalled; None
            (default) expects no progress.

    Raises:
        ConfigError: with every violation.
    """

    timeout: float = field(default=3.0, metadata=_seconds(minimum=0.05))
    progress_timeout: float | None = field(default=None, metadata=_seconds(minimum=0.05, optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Config):
    """A local process that can be started.

    Arguments:
        command: Argument vector; no shell.
        directory: Working folder, or None.
        environment: Variables of the process; nothing else is passed on besides PATH, HOME, LANG and TZ, and
            SCROLLINTEL_TARGET with the target's name. `{env:NAME}` and `{file:PATH}` stand for secrets.
        pidfile: Where its number, start time and key are kept as JSON, or where the program itself writes its number;
            by default a file in the data directory.
        stop_timeout: Seconds between SIGTERM and SIGKILL; default 10.
        start_timeout: Seconds that it may take until its checks answer; failures do not count so long. Default 30.
        autostart: Whether the control plane starts it when it does not run at the beginning; default False.
        log: File that takes its output; by default one in the data directory.

    Raises:
        ConfigError: with every violation.
    """

    command: tuple[str, ...] = field(metadata=texts(words="a list of 1 to 1000 texts, none of them blank: no shell"))
    directory: str | None = field(default=None, metadata=line(optional=True))
    environment: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text_map(pattern="[A-Za-z_][A-Za-z0-9_]*", words="at most 200 names of variables, each with a text"),
    )
    pidfile: str | None = field(default=None, metadata=line(optional=True))
    stop_timeout: float = field(default=10.0, metadata=_seconds(above=True, maximum=3600.0))
    start_timeout: float = field(default=30.0, metadata=_seconds())
    autostart: bool = field(default=False, metadata=boolean())
    log: str | None = field(default=None, metadata=line(optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy(Config):
    """One strategy in a chain.

    Arguments:
        kind: A strategy kind that ships, such as `restart-process`, or one that was registered.
        options: What the kind takes.
        attempts: Times that it is tried within one recovery; default 1. The second try waits 10 s, the third 20 s.
        approval: Whether a person has to agree; None (default) leaves that to the strategy's traits.

    Raises:
        ConfigError: with every violation.
    """

    kind: str = field(metadata=line(pattern=_KIND, words=_KIND_ALLOWED))
    options: Mapping[str, Any] = field(default_factory=dict, metadata=json_map())  # Any: JSON values of mixed types
    attempts: int = field(default=1, metadata=integer(minimum=1, maximum=10, unit="attempts"))
    approval: bool | None = field(default=None, metadata=boolean(optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Config):
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

    Raises:
        ConfigError: with every violation.
    """

    attempts: int = field(default=3, metadata=integer(minimum=1, maximum=100, unit="recoveries"))
    cool_down: float = field(default=60.0, metadata=_seconds(maximum=7 * _DAY))
    failover_cool_down: float = field(default=3600.0, metadata=_seconds(maximum=7 * _DAY))
    group_share: float = field(default=0.2, metadata=number(above=True, maximum=1.0))
    successes: int = field(default=3, metadata=integer(minimum=1, maximum=100, unit="looks"))
    verify_timeout: float = field(default=60.0, metadata=_seconds(above=True))
    relapse_window: float = field(default=600.0, metadata=_seconds(maximum=7 * _DAY))
    approval_timeout: float = field(default=3600.0, metadata=_seconds(above=True, maximum=30 * _DAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Config):
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

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=target_name())
    service: str = field(metadata=target_name())
    group: str | None = field(default=None, metadata=group_name())
    region: str | None = field(default=None, metadata=line(maximum=200, optional=True))
    tier: int = field(default=3, metadata=integer(minimum=1, maximum=5))
    owner: str | None = field(default=None, metadata=line(optional=True))
    mode: Mode = field(default=Mode.OBSERVE, metadata=choice(Mode))
    depends_on: tuple[tuple[str, str], ...] = field(default=(), metadata=needs())
    degrade_to: int = field(default=0, metadata=integer(maximum=4))
    traffic_share: float = field(default=1.0, metadata=number(maximum=1.0))
    objective: float | None = field(default=None, metadata=number(above=True, maximum=0.999999999, optional=True))
    checks: tuple[Check, ...] = field(default=(), metadata=rows(Check, maximum=MAX_CHECKS))
    heartbeat: Heartbeat | None = field(default=None, metadata=nested(Heartbeat))
    process: Process | None = field(default=None, metadata=nested(Process))
    unit: str | None = field(
        default=None,
        metadata=line(
            pattern=r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*",
            maximum=255,
            words="the name of a systemd unit",
            optional=True,
        ),
    )
    strategies: Mapping[str, tuple[Remedy, ...]] = field(default_factory=dict, metadata=chains(Remedy))
    limits: Limits = field(default_factory=Limits, metadata=required(Limits))
    windows: tuple[Window, ...] = field(default=(), metadata=rows(Window, maximum=100))
    location: str | None = field(default=None, metadata=line(optional=True))

    def chain(self, failure_type: str) -> tuple[Remedy, ...]:
        """Return the strategies that are tried for a failure type, in order."""
        return tuple(self.strategies.get(failure_type, self.strategies.get(DEFAULT_CHAIN, ())))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check what concerns several fields: names of checks, what it is, and that it does not wait for itself."""
        if "checks" not in broken:
            seen: set[str] = set()
            for index, check in enumerate(self.checks):
                if check.name in seen:
                    yield Violation(f"checks[{index}].name", check.name, "a name that no other check of the target has")
                seen.add(check.name)
        if self.process is not None and self.unit is not None and not broken & {"process", "unit"}:
            yield Violation("unit", self.unit, "left out, because there is a process")
        if not broken & {"service", "depends_on"} and any(needed == self.service for needed, _ in self.depends_on):
            yield Violation("depends_on", self.service, "names of other services")
