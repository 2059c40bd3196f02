"""Policies that need no tuning, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import ConfigError, Violation
from .base import Config
from .breaker import CircuitBreakerConfig, RampKind, WindowKind
from .known_names import one_of
from .limit import AdaptiveLimitConfig
from .retry import BudgetConfig, RetryConfig
from .throttle import ThrottleConfig


def goodput(name: str) -> dict[str, Config]:
    """Return the parts that get the most useful work out of a dependency that fails, slows down or is overloaded.

    * An adaptive limit finds out how many attempts the dependency serves in time. It acts first: a dependency at 30 %
      of its capacity goes on at 30 % instead of being cut off.
    * A throttle is the second line, for what is refused or fails although little is sent.
    * Retries are paid from one budget of all layers, a tenth of the calls that succeed, so that they cannot keep an
      overload alive.
    * The circuit opens when half of the calls of 10 seconds fail, at least 20. It stays open for 5 seconds, twice as
      long each time up to a minute, give or take a tenth; traffic returns by success, one call more with each.
    * An attempt may take 30 seconds.

    Sources: the comparison of client policies in `docs/strategies/goodput.md`; defaults of the parts.
    """
    return {
        "breaker": CircuitBreakerConfig(
            name,
            window_kind=WindowKind.TIME,
            window=10.0,
            minimum_calls=20,
            recovery_timeout=5.0,
            open_backoff=2.0,
            max_recovery_timeout=60.0,
            open_jitter=0.1,
            ramp_kind=RampKind.SUCCESS,
        ),
        "retry": RetryConfig(base_delay=0.1, max_delay=5.0, budget=BudgetConfig(across_layers=True)),
        "throttle": ThrottleConfig(),
        "limit": AdaptiveLimitConfig(),
    }


PRESETS: Mapping[str, Callable[[str], dict[str, Config]]] = {"goodput": goodput}
"""By name; each gives the parts of a policy of the given name."""


def preset_parts(preset: object, name: str) -> dict[str, Config]:
    """Return the parts of a preset for a policy called `name`.

    Raises:
        ConfigError: when there is no such preset.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError("Policy", [Violation("preset", preset, one_of(PRESETS, preset, "presets"))])
    return PRESETS[preset](name)
