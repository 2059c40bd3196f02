"""Pipelines layer by layer, for those who want another order than the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from .clock import SYSTEM_CLOCK, Clock
from .config.base import check_name
from .config.breaker import CircuitBreakerConfig
from .config.bulkhead import BulkheadConfig
from .config.fallback import FallbackConfig
from .config.hedge import HedgeConfig
from .config.limit import AdaptiveLimitConfig
from .config.metastability import MetastabilityConfig
from .config.order import order_problem
from .config.policy import Policy
from .config.rate_limit import RateLimitConfig
from .config.retry import RetryConfig
from .config.throttle import ThrottleConfig
from .config.timeout import TimeoutConfig
from .errors import ConfigError, Violation
from .hub import DEFAULT_HUB, EventHub
from .pipeline import Pipeline


class PipelineBuilder:
    """Collect layers, outermost first, and build a pipeline of exactly these in exactly that order.

    `Pipeline.builder("payments").retry().breaker().timeout(1.0).build()`. Each method takes a configuration, or
    the keywords of one, and returns the builder. The breaker takes the builder's name and no time limit of its
    own unless it is given one.

    Raises:
        ConfigError: as soon as a layer comes twice or stands where it makes no sense, with the reason.
    """

    __slots__ = ("_layers", "_name", "_options", "_order")

    def __init__(self, name: str, /) -> None:
        self._name = check_name(name, "PipelineBuilder")
        self._layers: dict[str, Any] = {}
        self._options: dict[str, Any] = {}
        self._order: list[str] = []

    def fallback(self, *chain: Callable[..., Any], config: FallbackConfig | None = None, **options: Any) -> Self:
        """Add fallbacks, tried in order."""
        return self._add("fallback", config or FallbackConfig(chain, **options))

    def retry(self, config: RetryConfig | None = None, **options: Any) -> Self:
        """Add retries."""
        return self._add("retry", config or RetryConfig(**options))

    def hedge(self, config: HedgeConfig | None = None, **options: Any) -> Self:
        """Add hedging."""
        return self._add("hedge", config or HedgeConfig(**options))

    def breaker(self, config: CircuitBreakerConfig | None = None, **options: Any) -> Self:
        """Add a circuit breaker."""
        return self._add("breaker", config or CircuitBreakerConfig(**{"name": self._name, "timeout": None, **options}))

    def rate_limit(self, config: RateLimitConfig | float, **options: Any) -> Self:
        """Add a rate limit; a number is permits per second."""
        limit = config if isinstance(config, RateLimitConfig) else RateLimitConfig(config, **options)
        return self._add("rate_limit", limit)

    def bulkhead(self, config: BulkheadConfig | int, **options: Any) -> Self:
        """Add a bulkhead; a number is slots."""
        slots = config if isinstance(config, BulkheadConfig) else BulkheadConfig(config, **options)
        return self._add("bulkhead", slots)

    def limit(self, config: AdaptiveLimitConfig | None = None, **options: Any) -> Self:
        """Add an adaptive concurrency limit."""
        return self._add("limit", config or AdaptiveLimitConfig(**options))

    def throttle(self, config: ThrottleConfig | None = None, **options: Any) -> Self:
        """Add adaptive throttling."""
        return self._add("throttle", config or ThrottleConfig(**options))

    def timeout(self, config: TimeoutConfig | float | None = None, **options: Any) -> Self:
        """Add time limits; a number is seconds for each attempt."""
        limits = config if isinstance(config, TimeoutConfig) else TimeoutConfig(attempt=config, **options)
        return self._add("timeout", limits)

    def metastability(self, config: MetastabilityConfig | None = None, **options: Any) -> Self:
        """Watch for overloads that keep themselves alive, around all layers but the fallback."""
        self._options["metastability"] = config or MetastabilityConfig(**options)
        return self

    def keyed(self, key: Callable[..., object], **options: Any) -> Self:
        """Give each key of a call its own circuit and adaptive limit; see `Policy.key`."""
        self._options.update(options, key=key)
        return self

    def policy(self) -> Policy:
        """Return the collected configuration."""
        return Policy(self._name, order=tuple(self._order) or None, **self._layers, **self._options)

    def build(self, *, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB) -> Pipeline:
        """Return a pipeline of its own; it shares nothing and is in no registry."""
        return Pipeline(self.policy(), clock=clock, hub=hub)

    def _add(self, layer: str, config: Any) -> Self:
        order = [*self._order, layer]
        problem = order_problem(order)
        if problem is not None:
            raise ConfigError("PipelineBuilder", [Violation(layer, config, f"elsewhere: {problem}")])
        self._order = order
        self._layers[layer] = config
        return self
