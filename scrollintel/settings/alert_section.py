"""The table `[alerts]` of `scrollintel.toml`: when the platform itself alerts, and how often people hear of it."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass, field

from ..control.alerts import LONGEST_FLAP_WINDOW, MAX_FLAP_OPENINGS, AlertRules
from ..core.config.base import Config, boolean, integer, number
from . import rules
from .rules import parse_number, parse_switch, parse_whole, setting

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class AlertSettings(Config):
    """When the platform itself alerts, and how often people hear of it.

    Arguments:
        enabled: Whether the platform alerts by itself; default True. Incidents of watched targets are told anyway.
        open_for: Seconds for which a circuit is not closed before CircuitOpenTooLong; 0 to 86,400, default 300.
        flap_openings: Openings within `flap_window` above which CircuitFlapping fires; 1 to 100, default 3.
        flap_window: Seconds over which openings are counted; 1 to 3,600, default 600.
        budget_for: Seconds for which a retry budget is empty before RetryBudgetExhausted; 0 to 86,400, default 60.
        stopped_for: Seconds for which the stop switch is on before AutomationStopped; 0 to 86,400, default 3600.
        degraded_for: Seconds for which the control plane is not well before PlatformDegraded; 0 to 86,400, default 60.
        stale_for: Seconds for which a replica is silent before ReplicaStale; 0 to 86,400, default 60.
        settle: Seconds without the cause after which an alert is resolved, twice as many with each relapse within an
            hour; 0 to 3,600, default 60.
        group_window: Seconds for which alerts of one service are gathered into one message; 0 to 3,600, default 10.
        repeat_interval: Seconds after which people are reminded of what still fires; 60 to 604,800, default 14400.
        runbook_url: Address at which you publish `docs/runbooks.md`, for the links in messages; None (default) names
            the file.
    """

    _: KW_ONLY
    enabled: bool = field(default=True, metadata=setting(boolean(), parse=parse_switch))
    open_for: float = field(default=300.0, metadata=setting(number(maximum=DAY, unit="seconds"), parse=parse_number))
    flap_openings: int = field(
        default=3, metadata=setting(integer(minimum=1, maximum=MAX_FLAP_OPENINGS, unit="openings"), parse=parse_whole)
    )
    flap_window: float = field(
        default=600.0,
        metadata=setting(number(minimum=1.0, maximum=LONGEST_FLAP_WINDOW, unit="seconds"), parse=parse_number),
    )
    budget_for: float = field(default=60.0, metadata=setting(number(maximum=DAY, unit="seconds"), parse=parse_number))
    stopped_for: float = field(
        default=3600.0, metadata=setting(number(maximum=DAY, unit="seconds"), parse=parse_number)
    )
    degraded_for: float = field(default=60.0, metadata=setting(number(maximum=DAY, unit="seconds"), parse=parse_number))
    stale_for: float = field(default=60.0, metadata=setting(number(maximum=DAY, unit="seconds"), parse=parse_number))
    settle: float = field(default=60.0, metadata=setting(number(maximum=3600.0, unit="seconds"), parse=parse_number))
    group_window: float = field(
        default=10.0, metadata=setting(number(maximum=3600.0, unit="seconds"), parse=parse_number)
    )
    repeat_interval: float = field(
        default=14_400.0,
        metadata=setting(number(minimum=60.0, maximum=7 * DAY, unit="seconds"), parse=parse_number),
    )
    runbook_url: str | None = field(default=None, metadata=setting(rules.web_url()))

    @property
    def rules(self) -> AlertRules:
        """The same for those who alert."""
        return AlertRules(**asdict(self))
