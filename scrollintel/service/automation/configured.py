"""What automated recovery is told to do: targets, bounds, and what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...outbound.policy import OutboundPolicy
from ...recovery.brake import BrakeLimits
from ...recovery.runbook import Runbook
from ...recovery.target import Target
from ...telemetry.notify.config import ChannelConfig
from .judgement import Rules


@dataclass(frozen=True, slots=True)
class AutomationConfig:
    """What a settings file says about watching and repairing; nothing is watched by default.

    Arguments:
        targets: What is watched.
        rules: What holds for all of them.
        brake: When the storm brake engages.
        outbound: Which addresses may be spoken to.
        runbooks: Programs that may be run, by name.
        channels: Ways to people, by name.
        heartbeat_socket: Where local programs beat, or None.
        engine_url: PostgreSQL for recoveries in progress, or None for a SQLite file.
        durable: Whether recoveries outlive the process.
    """

    targets: tuple[Target, ...] = ()
    rules: Rules = field(default_factory=Rules)
    brake: BrakeLimits = field(default_factory=BrakeLimits)
    outbound: OutboundPolicy = field(default_factory=OutboundPolicy)
    runbooks: Mapping[str, Runbook] = field(default_factory=dict)
    channels: Mapping[str, ChannelConfig] = field(default_factory=dict)
    heartbeat_socket: Path | None = None
    engine_url: str | None = None
    durable: bool = False
