"""A policy: the named bundle of configurations for one dependency."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

from ..errors import Violation
from .base import Config, InvalidValue, Rule, boolean, hook, integer, name, name_problem, nested, number
from .breaker import CircuitBreakerConfig
from .bulkhead import BulkheadConfig
from .fallback import FallbackConfig
from .hedge import HedgeConfig
from .limit import AdaptiveLimitConfig
from .metastability import MetastabilityConfig
from .order import DEFAULT_ORDER, full_order, order_problem
from .rate_limit import RateLimitConfig
from .retry import RetryConfig
from .throttle import ThrottleConfig
from .timeout import TimeoutConfig


def _seconds(value: object) -> TimeoutConfig | None:
    return TimeoutConfig(attempt=value) if isinstance(value, int | float) else None


def _slots(value: object) -> BulkheadConfig | None:
    return BulkheadConfig(max_concurrent=value) if isinstance(value, int) else None


def _fallbacks(value: object) -> FallbackConfig | None:
    return FallbackConfig(value) if callable(value) or isinstance(value, list | tuple) else None


def _order() -> dict[str, Rule]:
    def convert(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise InvalidValue
        layers = tuple(value)
        if not all(isinstance(layer, str) for layer in layers):
            raise InvalidValue
        return layers

    allowed = f"a sensible order of layers, such as {', '.join(DEFAULT_ORDER)}"
    return {"rule": Rule(convert, allowed, optional=True, dump=list)}


@dataclass(frozen=True, slots=True)
class Policy(Config):
    """How calls to one dependency are protected; every part is optional.

    Arguments:
        name: 1 to 200 characters without control characters; also the name of the circuit.
        breaker: Circuit breaker; its `timeout` limits each attempt unless `timeout` is given.
        retry: Retries and their delays.
        timeout: A `TimeoutConfig`, or seconds for each attempt.
        bulkhead: A `BulkheadConfig`, or the number of calls that may run at once.
        rate_limit: Attempts per time.
        limit: Adaptive concurrency limit.
        throttle: Adaptive throttling of what the dependency would refuse.
        hedge: Further attempts beside a slow one.
        fallback: A `FallbackConfig`, or a callable or list of callables.
        metastability: Detector of overloads that keep themselves alive; stands around all but the fallback.
        order: Layers outermost first, where the default order does not fit; see `config.order`. Named layers
            change places among themselves, the others stay.
        key: Gives a key from the call's arguments; each key gets a circuit of its own (host, shard, tenant), and an
            adaptive limit of its own. With `levels(shard=..., host=...)` each level gets a circuit, and the narrowest
            that explains the failures opens.
        max_keys: Circuits, and adaptive limits, kept at once; idle ones are dropped; default 500.
        key_idle: Seconds after which what belongs to an unused key may be dropped; default 600.
        response_times: Whether response times are measured; default True.

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=name())
    _: KW_ONLY
    breaker: CircuitBreakerConfig | None = field(default=None, metadata=nested(CircuitBreakerConfig))
    retry: RetryConfig | None = field(default=None, metadata=nested(RetryConfig))
    timeout: TimeoutConfig | float | None = field(
        default=None, metadata=nested(TimeoutConfig, shorthand=_seconds, words="seconds")
    )
    bulkhead: BulkheadConfig | int | None = field(
        default=None, metadata=nested(BulkheadConfig, shorthand=_slots, words="a number of calls")
    )
    rate_limit: RateLimitConfig | None = field(default=None, metadata=nested(RateLimitConfig))
    limit: AdaptiveLimitConfig | None = field(default=None, metadata=nested(AdaptiveLimitConfig))
    throttle: ThrottleConfig | None = field(default=None, metadata=nested(ThrottleConfig))
    hedge: HedgeConfig | None = field(default=None, metadata=nested(HedgeConfig))
    fallback: FallbackConfig | Callable[..., Any] | None = field(
        default=None, metadata=nested(FallbackConfig, shorthand=_fallbacks, words="a callable or a list of callables")
    )
    metastability: MetastabilityConfig | None = field(default=None, metadata=nested(MetastabilityConfig))
    order: tuple[str, ...] | None = field(default=None, metadata=_order())
    key: Callable[..., object] | None = field(default=None, metadata=hook())
    max_keys: int = field(default=500, metadata=integer(minimum=1, maximum=1_000_000, unit="circuits"))
    key_idle: float = field(default=600.0, metadata=number(unit="seconds"))
    response_times: bool = field(default=True, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check what spans several parts."""
        if not broken and self.key is not None and self.breaker is None and self.limit is None:
            yield Violation("key", self.key, "None unless there is a breaker or an adaptive limit")
        if self.order is not None and "order" not in broken:
            problem = order_problem(self.order)
            if problem is None and not broken:
                problem = order_problem([layer for layer in self.layers if getattr(self, layer) is not None])
            if problem is not None:
                allowed = f"a sensible order of layers, such as {', '.join(DEFAULT_ORDER)}; {problem}"
                yield Violation("order", self.order, allowed)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # Any: the value is whatever the user passed
        """Build from a mapping such as parsed JSON or TOML; a breaker without a name has that of the policy.

        Raises:
            ConfigError: when a key is unknown or missing or a value does not fit; all are listed.
        """
        if isinstance(data, Mapping):
            breaker, named = data.get("breaker"), data.get("name")
            if isinstance(breaker, Mapping) and "name" not in breaker and not name_problem(named):
                data = {**data, "breaker": {"name": named, **breaker}}
        return super(Policy, cls).from_dict(data)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return what `from_dict` accepts as a JSON Schema (draft 2020-12); rules between fields are not in it."""
        result = super(Policy, cls).json_schema()
        kinds = result["properties"]["breaker"]["anyOf"]
        required = [field for field in kinds[0]["required"] if field != "name"]
        kinds[0] = {**kinds[0], "required": required}
        return result

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the policy as JSON values; a fallback that is only code is left out."""
        result = super(Policy, self).to_dict()
        if isinstance(self.fallback, FallbackConfig) and self.fallback.stale_if_error is None:
            result["fallback"] = None
        return result

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers in the order in force, outermost first."""
        return DEFAULT_ORDER if self.order is None else full_order(self.order)

    @property
    def limits(self) -> TimeoutConfig:
        """The time limits in force: `timeout`, or the breaker's."""
        if isinstance(self.timeout, TimeoutConfig):
            return self.timeout
        return TimeoutConfig(attempt=self.breaker.timeout if self.breaker is not None else None)

    @property
    def measures(self) -> bool:
        """Whether response times are recorded."""
        return self.response_times and (self.breaker is None or self.breaker.response_times)
