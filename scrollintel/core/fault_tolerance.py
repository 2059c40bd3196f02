"""Front door of the in-process engine: every public name in one place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .builder import PipelineBuilder
from .call import remaining
from .circuit_breaker import CircuitBreaker
from .clock import SYSTEM_CLOCK, Clock, SystemClock
from .config import (
    AdaptiveLimitConfig,
    Backoff,
    BreakerMode,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    FallbackConfig,
    HedgeConfig,
    Jitter,
    LimitAlgorithm,
    MetastabilityConfig,
    Policy,
    RampKind,
    RateLimitConfig,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
    WindowKind,
)
from .config.fallback import Value, shadowable
from .context import Criticality, RequestContext, current_request, request_context
from .endpoints import Endpoint
from .errors import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitHalfOpenError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    ConfigError,
    DeadlineExceededError,
    FailureSummary,
    LeaseLostError,
    LimitReachedError,
    MetastableSheddingError,
    NotFoundError,
    PlanRefusedError,
    RateLimitedError,
    RecoveryError,
    RejectedError,
    ScrollIntelError,
    ShedError,
    StepFailedError,
    ThrottledError,
    UnprotectedError,
    Violation,
)
from .guard import Attempts, Guard
from .hub import EventHub, Subscription
from .levels import levels
from .manager import FaultToleranceManager, ft_manager
from .outcome import Outcome, idempotent
from .pipeline import Pipeline
from .protect import protect
from .registry import Registry, endpoint
from .states import CircuitState, StateChange

if TYPE_CHECKING:
    from .check import check
    from .checking.findings import Finding, Findings, WorstCase
    from .config.admission import AdmissionConfig
    from .config.degradation import DegradationConfig, DegradationLevel
    from .config.outliers import OutlierConfig
    from .events import (
        CallRejected,
        CallTimedOut,
        Event,
        FallbackCold,
        FallbackFailed,
        FallbackUsed,
        FallbackWarm,
        HedgeLaunched,
        HostEjected,
        HostReturned,
        LevelChanged,
        LimitChanged,
        MetastableOver,
        MetastableShedding,
        MetastableSuspected,
        PolicyReplaced,
        RetryGivenUp,
        RetryScheduled,
        Severity,
        SheddingChanged,
        StateChanged,
        ThrottleChanged,
        WouldHaveOpened,
    )
    from .evidence import DecidingCall, DecidingSpan, Evidence
    from .explain import explain
    from .explaining.account import Explanation
    from .snapshot import (
        CircuitSnapshot,
        FallbackSnapshot,
        LimitSnapshot,
        MetastabilitySnapshot,
        PolicySnapshot,
        ResponseTimes,
        Tally,
    )
    from .strategies.admission import Admission
    from .strategies.degradation import GracefulDegradation
    from .strategies.outliers import HostPool, HostSnapshot, PoolSnapshot

__all__ = [
    "AdaptiveLimitConfig",
    "Admission",
    "AdmissionConfig",
    "Attempts",
    "Backoff",
    "BreakerMode",
    "BudgetConfig",
    "BulkheadConfig",
    "BulkheadFullError",
    "CallRejected",
    "CallTimedOut",
    "CallTimeoutError",
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "CircuitHalfOpenError",
    "CircuitIsolatedError",
    "CircuitOpenError",
    "CircuitRampingError",
    "CircuitSnapshot",
    "CircuitState",
    "Clock",
    "ConfigError",
    "Criticality",
    "DeadlineExceededError",
    "DecidingCall",
    "DecidingSpan",
    "DegradationConfig",
    "DegradationLevel",
    "Endpoint",
    "Event",
    "EventHub",
    "Evidence",
    "Explanation",
    "FailureSummary",
    "FallbackConfig",
    "FallbackCold",
    "FallbackFailed",
    "FallbackSnapshot",
    "FallbackUsed",
    "FallbackWarm",
    "FaultToleranceManager",
    "Finding",
    "Findings",
    "GracefulDegradation",
    "Guard",
    "HedgeConfig",
    "HedgeLaunched",
    "HostEjected",
    "HostPool",
    "HostReturned",
    "HostSnapshot",
    "Jitter",
    "LeaseLostError",
    "LevelChanged",
    "LimitAlgorithm",
    "LimitChanged",
    "LimitReachedError",
    "LimitSnapshot",
    "MetastabilityConfig",
    "MetastabilitySnapshot",
    "MetastableOver",
    "MetastableShedding",
    "MetastableSheddingError",
    "MetastableSuspected",
    "NotFoundError",
    "Outcome",
    "OutlierConfig",
    "Pipeline",
    "PipelineBuilder",
    "PlanRefusedError",
    "Policy",
    "PolicyReplaced",
    "PolicySnapshot",
    "PoolSnapshot",
    "RampKind",
    "RateLimitConfig",
    "RateLimitedError",
    "RecoveryError",
    "Registry",
    "RejectedError",
    "RequestContext",
    "ResponseTimes",
    "RetryConfig",
    "RetryGivenUp",
    "RetryScheduled",
    "SYSTEM_CLOCK",
    "ScrollIntelError",
    "Severity",
    "ShedError",
    "SheddingChanged",
    "StateChange",
    "StateChanged",
    "StepFailedError",
    "Subscription",
    "SystemClock",
    "Tally",
    "ThrottleChanged",
    "ThrottleConfig",
    "ThrottledError",
    "TimeoutConfig",
    "UnprotectedError",
    "Value",
    "Violation",
    "WindowKind",
    "WorstCase",
    "WouldHaveOpened",
    "check",
    "current_request",
    "endpoint",
    "explain",
    "ft_manager",
    "idempotent",
    "levels",
    "protect",
    "remaining",
    "request_context",
    "shadowable",
]

_LATER = {
    "Admission": "strategies.admission",
    "AdmissionConfig": "config.admission",
    "HostPool": "strategies.outliers",
    "HostSnapshot": "strategies.outliers",
    "OutlierConfig": "config.outliers",
    "PoolSnapshot": "strategies.outliers",
    "HostEjected": "events",
    "HostReturned": "events",
    "DegradationConfig": "config.degradation",
    "DegradationLevel": "config.degradation",
    "GracefulDegradation": "strategies.degradation",
    "check": "check",
    "Finding": "checking.findings",
    "Findings": "checking.findings",
    "WorstCase": "checking.findings",
    "explain": "explain",
    "Explanation": "explaining.account",
    "CircuitSnapshot": "snapshot",
    "LimitSnapshot": "snapshot",
    "MetastabilitySnapshot": "snapshot",
    "PolicySnapshot": "snapshot",
    "ResponseTimes": "snapshot",
    "Tally": "snapshot",
    "DecidingCall": "evidence",
    "DecidingSpan": "evidence",
    "Evidence": "evidence",
    "CallRejected": "events",
    "CallTimedOut": "events",
    "Event": "events",
    "FallbackCold": "events",
    "FallbackFailed": "events",
    "FallbackSnapshot": "snapshot",
    "FallbackWarm": "events",
    "FallbackUsed": "events",
    "HedgeLaunched": "events",
    "LevelChanged": "events",
    "LimitChanged": "events",
    "MetastableOver": "events",
    "MetastableShedding": "events",
    "MetastableSuspected": "events",
    "PolicyReplaced": "events",
    "RetryGivenUp": "events",
    "RetryScheduled": "events",
    "Severity": "events",
    "SheddingChanged": "events",
    "StateChanged": "events",
    "ThrottleChanged": "events",
    "WouldHaveOpened": "events",
}
"""Names whose modules are loaded when they are first asked for, because most processes need few of them."""


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __package__), name)
    globals()[name] = value
    return value
