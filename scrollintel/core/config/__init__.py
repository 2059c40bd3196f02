"""Frozen parameters of every strategy; each validates itself and names all violations at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import Config
from .breaker import BreakerMode, CircuitBreakerConfig, RampKind, WindowKind
from .bulkhead import BulkheadConfig
from .fallback import FallbackConfig
from .hedge import HedgeConfig
from .limit import AdaptiveLimitConfig, LimitAlgorithm
from .metastability import MetastabilityConfig
from .policy import Policy
from .rate_limit import RateLimitConfig
from .retry import Backoff, BudgetConfig, Jitter, RetryConfig
from .throttle import ThrottleConfig
from .timeout import TimeoutConfig

if TYPE_CHECKING:
    from .admission import AdmissionConfig
    from .degradation import DegradationConfig, DegradationLevel
    from .outliers import OutlierConfig

__all__ = [
    "AdaptiveLimitConfig",
    "AdmissionConfig",
    "Backoff",
    "BreakerMode",
    "BudgetConfig",
    "BulkheadConfig",
    "CircuitBreakerConfig",
    "Config",
    "DegradationConfig",
    "DegradationLevel",
    "FallbackConfig",
    "HedgeConfig",
    "Jitter",
    "LimitAlgorithm",
    "OutlierConfig",
    "MetastabilityConfig",
    "Policy",
    "RampKind",
    "RateLimitConfig",
    "RetryConfig",
    "ThrottleConfig",
    "TimeoutConfig",
    "WindowKind",
]


_LATER = {
    "AdmissionConfig": "admission",
    "DegradationConfig": "degradation",
    "DegradationLevel": "degradation",
    "OutlierConfig": "outliers",
}
"""Names whose modules are loaded when they are first asked for, because most processes need none of them."""


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __package__), name)
