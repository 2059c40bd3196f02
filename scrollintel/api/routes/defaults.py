"""The default configurations with their units and ranges."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from ...core.config.base import Config
from ...core.config.breaker import CircuitBreakerConfig
from ...core.config.bulkhead import BulkheadConfig
from ...core.config.degradation import DegradationConfig
from ...core.config.fallback import FallbackConfig
from ...core.config.hedge import HedgeConfig
from ...core.config.limit import AdaptiveLimitConfig
from ...core.config.metastability import MetastabilityConfig
from ...core.config.policy import Policy
from ...core.config.rate_limit import RateLimitConfig
from ...core.config.retry import RetryConfig
from ...core.config.throttle import ThrottleConfig
from ...core.config.timeout import TimeoutConfig
from ...recovery.runner import RecoveryConfig
from ...security.access import Permission
from ..context import Ask, json_response
from ..route import requires, resource_router

router = resource_router("defaults")

KINDS: dict[str, type[Config]] = {
    "circuit_breaker": CircuitBreakerConfig,
    "retry": RetryConfig,
    "timeout": TimeoutConfig,
    "bulkhead": BulkheadConfig,
    "rate_limit": RateLimitConfig,
    "limit": AdaptiveLimitConfig,
    "throttle": ThrottleConfig,
    "hedge": HedgeConfig,
    "fallback": FallbackConfig,
    "metastability": MetastabilityConfig,
    "degradation": DegradationConfig,
    "recovery": RecoveryConfig,
    "policy": Policy,
}


class FieldView(BaseModel):
    """One field of a configuration."""

    default: Any = None
    required: bool
    allowed: str
    unit: str


class ConfigurationView(BaseModel):
    """One kind of configuration: its fields, and what it accepts as a JSON Schema."""

    fields: dict[str, FieldView]
    json_schema: dict[str, Any] = Field(alias="schema")


class DefaultsView(BaseModel):
    """Every kind of configuration, by name."""

    configurations: dict[str, ConfigurationView]


@router.get("/config/defaults", response_model=DefaultsView, summary="Default configurations")
@requires(Permission.DEFAULTS_READ)
async def show_defaults(ask: Ask) -> Response:
    """Default, allowed range and unit of every field."""
    described = {name: {"fields": kind.describe(), "schema": kind.json_schema()} for name, kind in KINDS.items()}
    return json_response({"configurations": described})
