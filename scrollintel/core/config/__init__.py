"""Frozen parameters of every strategy; each validates itself and names all violations at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Config
from .breaker import BreakerMode, CircuitBreakerConfig, RampKind, WindowKind
from .bulkhead import BulkheadConfig
from .fallback import FallbackConfig
from .hedge import HedgeConfig
from .policy import Policy
from .rate_limit import RateLimitConfig
from .retry import Backoff, BudgetConfig, Jitter, RetryConfig
from .timeout import TimeoutConfig

if TYPE_CHECKING:
    from .degradation import DegradationConfig, DegradationLevel

__all__ = [
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
    "Policy",
    "RampKind",
    "RateLimitConfig",
    "RetryConfig",
    "TimeoutConfig",
    "WindowKind",
]


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    if name not in ("DegradationConfig", "DegradationLevel"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import degradation  # loaded when it is first asked for, because most processes degrade nothing

    return getattr(degradation, name)
