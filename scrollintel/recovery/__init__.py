"""What to do when something broke: the strategy interface and its runner."""

from __future__ import annotations

from .runner import RecoveryConfig, RecoveryRunner
from .strategy import Observation, Plan, RecoveryOutcome, RecoveryRecord, RecoveryStrategy, Step, StepResult
from .witness import Witness

__all__ = [
    "Observation",
    "Plan",
    "RecoveryConfig",
    "RecoveryOutcome",
    "RecoveryRecord",
    "RecoveryRunner",
    "RecoveryStrategy",
    "Step",
    "StepResult",
    "Witness",
]
