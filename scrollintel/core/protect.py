"""The shortest way to a protected function: names and configurations in, decorator out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .config.breaker import CircuitBreakerConfig
from .config.bulkhead import BulkheadConfig
from .config.fallback import FallbackConfig
from .config.hedge import HedgeConfig
from .config.limit import AdaptiveLimitConfig
from .config.policy import Policy
from .config.presets import preset_parts
from .config.rate_limit import RateLimitConfig
from .config.retry import RetryConfig
from .config.throttle import ThrottleConfig
from .config.timeout import TimeoutConfig
from .errors import NotFoundError
from .pipeline import Pipeline
from .registry import DEFAULT_REGISTRY, Registry


def protect(
    policy: str | Policy,
    /,
    *,
    preset: str | None = None,
    breaker: CircuitBreakerConfig | None = None,
    retry: RetryConfig | None = None,
    timeout: float | TimeoutConfig | None = None,
    bulkhead: int | BulkheadConfig | None = None,
    rate_limit: RateLimitConfig | None = None,
    limit: AdaptiveLimitConfig | None = None,
    throttle: ThrottleConfig | None = None,
    hedge: HedgeConfig | None = None,
    fallback: Callable[..., object] | Sequence[Callable[..., object]] | FallbackConfig | None = None,
    registry: Registry = DEFAULT_REGISTRY,
    **options: Any,
) -> Pipeline:
    """Return the pipeline of a policy, to be used as a decorator or by its methods.

    Arguments:
        policy: A whole `Policy`, or a name for one made of the other arguments. A name alone returns the policy
            that is registered under it, or else a new one with a circuit breaker of the default configuration.
        preset: Name of parts that need no tuning: "goodput", see `core.config.presets`. Arguments beside it replace
            parts of it or add others; None leaves them as they are.
        breaker, retry, timeout, bulkhead, rate_limit, limit, throttle, hedge, fallback: See `Policy`; a number as
            `timeout` is seconds for each attempt, one as `bulkhead` is slots.
        registry: Where names are looked up; the process-wide one by default.
        options: Further fields of `Policy`: `key`, `max_keys`, `key_idle`, `order`, `response_times`.

    Under a name that is known, the policy goes on with the new configuration and keeps its state.

    Raises:
        ConfigError: with every violation.
    """
    parts: dict[str, Any] = {
        "breaker": breaker, "retry": retry, "timeout": timeout, "bulkhead": bulkhead, "rate_limit": rate_limit,
        "limit": limit, "throttle": throttle, "hedge": hedge, "fallback": fallback, **options,
    }  # fmt: skip
    given = {name: part for name, part in parts.items() if part is not None}
    if preset is not None and not isinstance(policy, Policy):
        given = {**preset_parts(preset, policy), **given}
    if isinstance(policy, Policy):
        if given or preset is not None:
            further = sorted(given) if preset is None else ["preset", *sorted(given)]
            raise TypeError(f"a whole Policy takes no further parts, but got {', '.join(further)}")
        return registry.pipeline(policy)
    if not given:
        try:
            return registry.get(policy)
        except NotFoundError:
            given = {"breaker": CircuitBreakerConfig(policy)}
    return registry.pipeline(Policy.from_dict({"name": policy, **given}))
