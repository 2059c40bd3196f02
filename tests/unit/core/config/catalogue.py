"""Every field of every configuration with what it accepts, written down independently of the code."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from scrollintel.core.config import (
    AdaptiveLimitConfig,
    AdmissionConfig,
    Backoff,
    BreakerMode,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    Config,
    DegradationConfig,
    FallbackConfig,
    HedgeConfig,
    Jitter,
    LimitAlgorithm,
    MetastabilityConfig,
    OutlierConfig,
    Policy,
    RampKind,
    RateLimitConfig,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
    WindowKind,
)
from scrollintel.core.errors import ConfigError

CLASSES: list[type[Config]] = [
    AdmissionConfig,
    AdaptiveLimitConfig,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    DegradationConfig,
    FallbackConfig,
    HedgeConfig,
    MetastabilityConfig,
    OutlierConfig,
    Policy,
    RateLimitConfig,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
]
REQUIRED: dict[type[Config], dict[str, Any]] = {
    CircuitBreakerConfig: {"name": "orders"},
    FallbackConfig: {"chain": print},
    Policy: {"name": "orders"},
    RateLimitConfig: {"rate": 10.0},
}


@dataclasses.dataclass(frozen=True)
class Number:
    """A field for finite numbers: its bounds (`above` excludes the lower one) and whether None is allowed."""

    kind: type[Config]
    field: str
    low: float = 0.0
    high: float = math.inf
    above: bool = False
    optional: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.kind.__name__}.{self.field}"


def positive(kind: type[Config], *fields: str, high: float = math.inf, optional: bool = False) -> list[Number]:
    """Return fields that must be above 0."""
    return [Number(kind, field, 0.0, high, above=True, optional=optional) for field in fields]


def counts(kind: type[Config], *fields: str, low: int = 1, high: float = math.inf) -> list[Number]:
    """Return fields that take whole numbers."""
    return [Number(kind, field, low, high, whole=True) for field in fields]


NUMBERS: list[Number] = [
    *counts(AdmissionConfig, "max_concurrent", high=100_000),
    Number(AdmissionConfig, "max_waiting", 0, 100_000, whole=True, optional=True),
    Number(AdmissionConfig, "max_wait", 0.0, 3600.0),
    Number(AdmissionConfig, "period", 0.01, 60.0),
    *positive(AdmissionConfig, "target_wait", high=60.0),
    Number(AdmissionConfig, "rotation", 1.0, 86_400.0),
    Number(AdmissionConfig, "retry_after", 1.0, 3600.0),
    *counts(AdaptiveLimitConfig, "initial_limit", "min_limit", "max_limit", high=100_000),
    Number(AdaptiveLimitConfig, "tolerance", 1.0, 100.0),
    Number(AdaptiveLimitConfig, "max_waiting", 0, 1_000_000, optional=True, whole=True),
    *positive(AdaptiveLimitConfig, "max_wait", optional=True),
    Number(BudgetConfig, "ratio", 0.0, 1.0),
    *positive(BudgetConfig, "reserve", "cost", high=1e9),
    Number(BudgetConfig, "threshold", 0.0, 1.0),
    *counts(BulkheadConfig, "max_concurrent"),
    *counts(BulkheadConfig, "max_waiting", low=0),
    *positive(BulkheadConfig, "max_wait", optional=True),
    *counts(CircuitBreakerConfig, "failure_threshold", "success_threshold", "minimum_calls", "probes"),
    *counts(CircuitBreakerConfig, "history", high=10_000),
    *counts(CircuitBreakerConfig, "ramp_limit", low=2, high=100_000),
    *positive(CircuitBreakerConfig, "recovery_timeout", "probe_lease", "max_recovery_timeout"),
    *positive(CircuitBreakerConfig, "probe_interval", "probe_timeout"),
    *positive(CircuitBreakerConfig, "timeout", "window", "slow_call_duration", "ramp", optional=True),
    *positive(CircuitBreakerConfig, "failure_rate", "slow_call_rate", "ramp_start", high=1.0),
    Number(CircuitBreakerConfig, "probe_margin"),
    Number(CircuitBreakerConfig, "open_backoff", 1.0, 100.0),
    Number(CircuitBreakerConfig, "open_jitter", 0.0, 1.0),
    *positive(
        DegradationConfig,
        "minimal_error_rate",
        "moderate_error_rate",
        "severe_error_rate",
        "critical_error_rate",
        "restore_factor",
        high=1.0,
    ),
    *positive(DegradationConfig, "latency", optional=True),
    *counts(DegradationConfig, "circuit_open_level", low=0, high=4),
    *positive(DegradationConfig, "quiet_period"),
    *counts(DegradationConfig, "minimum_calls"),
    *positive(FallbackConfig, "stale_if_error", optional=True),
    *counts(FallbackConfig, "stale_entries", high=1_000_000),
    Number(FallbackConfig, "shadow_rate", 0.0, 1.0),
    *counts(FallbackConfig, "shadow_limit", high=100),
    *positive(FallbackConfig, "shadow_timeout", "cold_after"),
    Number(HedgeConfig, "delay"),
    *counts(HedgeConfig, "max_hedges", high=20),
    *positive(HedgeConfig, "quantile", high=1.0, optional=True),
    *counts(HedgeConfig, "minimum_samples"),
    *positive(MetastabilityConfig, "interval", high=60.0),
    *counts(MetastabilityConfig, "min_calls", high=1_000_000),
    Number(MetastabilityConfig, "learning"),
    *positive(MetastabilityConfig, "memory", "minimum_duration"),
    *positive(MetastabilityConfig, "low_goodput", "shed_to", high=1.0),
    Number(MetastabilityConfig, "normal_load", 1.0, 10.0),
    *positive(MetastabilityConfig, "high_retries", high=100.0),
    Number(MetastabilityConfig, "high_queue", 1.0, 1000.0),
    Number(MetastabilityConfig, "growth", 1.1, 10.0),
    *counts(OutlierConfig, "consecutive_failures", "minimum_calls"),
    *counts(OutlierConfig, "minimum_hosts", low=2),
    *positive(OutlierConfig, "success_rate_factor", "slow_start_aggression", high=100.0),
    *positive(OutlierConfig, "interval", "ejection_time", "max_ejection_time"),
    Number(OutlierConfig, "max_ejection_share", 0.0, 1.0),
    Number(OutlierConfig, "panic_threshold", 0.0, 1.0),
    *positive(OutlierConfig, "slow_start", optional=True),
    *counts(Policy, "max_keys", high=1_000_000),
    Number(Policy, "key_idle"),
    *positive(RateLimitConfig, "rate", high=1e9),
    *positive(RateLimitConfig, "period"),
    Number(RateLimitConfig, "burst", 1.0, 1e9, optional=True),
    Number(RateLimitConfig, "max_wait"),
    *counts(RetryConfig, "max_attempts"),
    Number(RetryConfig, "base_delay"),
    Number(RetryConfig, "max_delay"),
    Number(RetryConfig, "exponential_base", 1.0, 1000.0),
    *positive(RetryConfig, "max_elapsed", optional=True),
    Number(RetryConfig, "max_retry_after"),
    Number(ThrottleConfig, "multiplier", 1.0, 100.0),
    Number(ThrottleConfig, "window", 0.001, 3600.0),
    *counts(ThrottleConfig, "min_requests", high=1_000_000),
    *positive(ThrottleConfig, "max_share", high=1.0),
    *positive(TimeoutConfig, "attempt", "total", optional=True),
]
BOOLEANS: list[tuple[type[Config], str]] = [
    (AdaptiveLimitConfig, "per_key"),
    (BudgetConfig, "deposit_on_success"),
    (BudgetConfig, "across_layers"),
    (CircuitBreakerConfig, "response_times"),
    (DegradationConfig, "follow_dependencies"),
    (DegradationConfig, "automatic"),
    (MetastabilityConfig, "sheds"),
    (Policy, "response_times"),
    (RetryConfig, "retry_rejected"),
    (TimeoutConfig, "in_thread"),
]
CHOICES: list[tuple[type[Config], str, Any]] = [
    (AdaptiveLimitConfig, "algorithm", LimitAlgorithm),
    (CircuitBreakerConfig, "window_kind", WindowKind),
    (CircuitBreakerConfig, "mode", BreakerMode),
    (CircuitBreakerConfig, "ramp_kind", RampKind),
    (RetryConfig, "jitter", Jitter),
    (RetryConfig, "backoff", Backoff),
]
ERRORS: list[tuple[type[Config], str]] = [
    (AdaptiveLimitConfig, "overload_exceptions"),
    (CircuitBreakerConfig, "failure_exceptions"),
    (CircuitBreakerConfig, "ignored_exceptions"),
    (FallbackConfig, "on"),
    (OutlierConfig, "failure_exceptions"),
    (OutlierConfig, "ignored_exceptions"),
    (RetryConfig, "retryable_exceptions"),
    (RetryConfig, "non_retryable_exceptions"),
]
HOOKS: list[tuple[type[Config], str]] = [
    (AdaptiveLimitConfig, "overload_predicate"),
    (AdaptiveLimitConfig, "result_predicate"),
    (CircuitBreakerConfig, "failure_predicate"),
    (CircuitBreakerConfig, "health_probe"),
    (CircuitBreakerConfig, "result_predicate"),
    (FallbackConfig, "shadow_compare"),
    (FallbackConfig, "stale_key"),
    (FallbackConfig, "when"),
    (FallbackConfig, "result_predicate"),
    (OutlierConfig, "failure_predicate"),
    (Policy, "key"),
    (RetryConfig, "retry_predicate"),
    (RetryConfig, "result_predicate"),
    (HedgeConfig, "repeatable"),
    (RetryConfig, "repeatable"),
    (RetryConfig, "retry_after"),
    (ThrottleConfig, "failure_predicate"),
    (ThrottleConfig, "result_predicate"),
]
NAMES: list[tuple[type[Config], str]] = [
    (AdmissionConfig, "name"),
    (BudgetConfig, "name"),
    (CircuitBreakerConfig, "name"),
    (Policy, "name"),
]
NESTED: list[tuple[type[Config], str, type[Config]]] = [
    (HedgeConfig, "budget", BudgetConfig),
    (RetryConfig, "budget", BudgetConfig),
    (Policy, "breaker", CircuitBreakerConfig),
    (Policy, "retry", RetryConfig),
    (Policy, "timeout", TimeoutConfig),
    (Policy, "bulkhead", BulkheadConfig),
    (Policy, "rate_limit", RateLimitConfig),
    (AdmissionConfig, "limit", AdaptiveLimitConfig),
    (Policy, "limit", AdaptiveLimitConfig),
    (Policy, "throttle", ThrottleConfig),
    (Policy, "hedge", HedgeConfig),
    (Policy, "fallback", FallbackConfig),
    (Policy, "metastability", MetastabilityConfig),
]
CHAINS: list[tuple[type[Config], str]] = [(FallbackConfig, "chain")]
ORDERS: list[tuple[type[Config], str]] = [(Policy, "order")]


def build(kind: type[Config], **fields: Any) -> Config:
    """Create a configuration from its required fields and the given ones."""
    return kind(**{**REQUIRED.get(kind, {}), **fields})


def refused(kind: type[Config], **fields: Any) -> ConfigError:
    """Return the error with which a configuration refuses the fields."""
    with pytest.raises(ConfigError) as caught:
        build(kind, **fields)
    return caught.value


def assert_refused(kind: type[Config], field: str, value: object) -> None:
    """Check that one bad value is the one violation, named with its field, its value and what would be allowed."""
    error = refused(kind, **{field: value})
    assert [violation.field for violation in error.violations] == [field]
    (violation,) = error.violations
    assert violation.value is value
    assert violation.allowed == kind.describe()[field]["allowed"]
    assert str(error) == f"{kind.__name__}: {violation}"
    assert str(violation).startswith(f"{field}=")
    assert str(violation).endswith(f": must be {violation.allowed}")
    if len(repr(value)) <= 80:
        assert repr(value) in str(violation)
