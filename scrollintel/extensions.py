"""What checks and strategies of your own are written with; `recovery.plugins` in the settings file loads them."""

from .actions.base import TargetStrategy
from .actions.classes import strategy
from .actions.kinds import Orders, StrategyContext, StrategyKind
from .actions.kinds import register as register_strategy
from .core.config.base import Config, boolean, choice, integer, name, number
from .outbound.policy import OutboundPolicy
from .outbound.references import resolve
from .recovery.runbook import Runbook
from .recovery.strategy import Idempotency, Observation, Plan, RecoveryStrategy, Traits
from .recovery.symptom import Depth, FailureType, Look
from .recovery.target import Check, Target
from .watch.functions import check
from .watch.kinds import CheckKind, Probe, ProbeContext, Sentinel
from .watch.kinds import register as register_check
from .watch.looking import Bad, LookingProbe

__all__ = [
    "Bad",
    "Check",
    "CheckKind",
    "Config",
    "Depth",
    "FailureType",
    "Idempotency",
    "Look",
    "LookingProbe",
    "Observation",
    "Orders",
    "OutboundPolicy",
    "Plan",
    "Probe",
    "ProbeContext",
    "RecoveryStrategy",
    "Runbook",
    "Sentinel",
    "StrategyContext",
    "StrategyKind",
    "Target",
    "TargetStrategy",
    "Traits",
    "boolean",
    "check",
    "choice",
    "integer",
    "name",
    "number",
    "register_check",
    "register_strategy",
    "resolve",
    "strategy",
]
