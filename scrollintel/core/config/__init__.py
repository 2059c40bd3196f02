"""Frozen parameters of every strategy; each validates itself and names all violations at once."""

from __future__ import annotations

from .base import Config
from .breaker import BreakerMode, CircuitBreakerConfig, WindowKind
from .bulkhead import BulkheadConfig
from .degradation import DegradationConfig, DegradationLevel
from .fallback import FallbackConfig
from .hedge import HedgeConfig
from .policy import Policy
from .rate_limit import RateLimitConfig
from .retry import Backoff, BudgetConfig, Jitter, RetryConfig
from .timeout import TimeoutConfig

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
    "RateLimitConfig",
    "RetryConfig",
    "TimeoutConfig",
    "WindowKind",
]
