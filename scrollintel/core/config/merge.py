"""A configuration from outside laid over one from code, whose callables it cannot carry."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from .base import Config, Rule
from .breaker import CircuitBreakerConfig
from .bulkhead import BulkheadConfig
from .fallback import FallbackConfig
from .hedge import HedgeConfig
from .limit import AdaptiveLimitConfig
from .metastability import MetastabilityConfig
from .rate_limit import RateLimitConfig
from .retry import BudgetConfig, RetryConfig
from .throttle import ThrottleConfig
from .timeout import TimeoutConfig

C = TypeVar("C", bound=Config)
_PARTS: dict[str, type[Config]] = {
    "breaker": CircuitBreakerConfig,
    "retry": RetryConfig,
    "budget": BudgetConfig,
    "timeout": TimeoutConfig,
    "bulkhead": BulkheadConfig,
    "rate_limit": RateLimitConfig,
    "limit": AdaptiveLimitConfig,
    "throttle": ThrottleConfig,
    "hedge": HedgeConfig,
    "fallback": FallbackConfig,
    "metastability": MetastabilityConfig,
}
"""Fields that are configurations themselves."""


def merged(own: C, content: Mapping[str, Any]) -> C:  # Any: JSON values of mixed types
    """Return `own` with the fields that `content` names, as `to_dict` writes them.

    Callables and fields that `content` does not name stay those of `own`; a part that is null there is removed,
    but a chain of fallbacks is code and stays. Unknown fields are ignored, so that content written by a newer
    version still applies.

    Raises:
        ConfigError: with every violation of what comes out.
    """
    values: dict[str, Any] = {}
    for item in dataclasses.fields(own):
        old = getattr(own, item.name)
        given = item.name in content and not _is_hook(item)
        values[item.name] = _field(item, old, content[item.name]) if given else old
    return type(own)(**values)


def from_content(kind: type[C], content: Mapping[str, Any]) -> C:  # Any: JSON values of mixed types
    """Return a configuration made of `content` alone; unknown fields are ignored.

    Raises:
        ConfigError: with every violation.
    """
    known = {
        item.name: _field(item, None, content[item.name])
        for item in dataclasses.fields(kind)
        if item.name in content and not _is_hook(item)
    }
    return kind.from_dict(known)


def _is_hook(item: dataclasses.Field[Any]) -> bool:
    rule: Rule = item.metadata["rule"]
    return rule.hook


def _field(item: dataclasses.Field[Any], old: Any, new: Any) -> Any:
    part = _PARTS.get(item.name)
    if part is not None:
        if isinstance(new, Mapping):
            return merged(old, new) if isinstance(old, part) else from_content(part, new)
        if new is None and isinstance(old, FallbackConfig) and old.chain != ():
            return dataclasses.replace(old, stale_if_error=None)
        return new
    rule: Rule = item.metadata["rule"]
    # The same value in another form: classes stay classes, which are found faster than names.
    if rule.dump is not None and old is not None and rule.dump(old) == new:
        return old
    return new
