"""Policies that need no tuning, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ..errors import ConfigError, Violation
from .base import Config, name_problem
from .breaker import CircuitBreakerConfig, RampKind, WindowKind
from .known_names import one_of
from .limit import AdaptiveLimitConfig
from .policy import Policy
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


def policy_of(data: object) -> Policy:
    """Build a policy as `Policy.from_dict` does, from fields among which `preset` may be.

    Arguments:
        data: Fields of a policy, and the name of a preset; a part that is given comes before that of the preset.

    Raises:
        ConfigError: with every violation, that of the preset among them.
    """
    if not isinstance(data, Mapping):
        raise ConfigError("Policy", [Violation("(root)", data, "a mapping of field names to values")])
    known = (*(item.name for item in fields(Policy)), "preset")
    wrong = [Violation(str(key), data[key], one_of(known, key, "fields")) for key in data if key not in known]
    content = {key: value for key, value in data.items() if key in known}
    preset, name = content.pop("preset", None), content.get("name")
    name = name if isinstance(name, str) and not name_problem(name) else "unnamed"
    if preset is not None:
        try:
            content = {**preset_parts(preset, name), **content}
        except ConfigError as error:
            wrong.extend(error.violations)
    try:
        policy = Policy.from_dict(content)
    except ConfigError as error:
        raise ConfigError("Policy", [*wrong, *error.violations]) from None
    if wrong:
        raise ConfigError("Policy", wrong)
    return policy


def policy_schema() -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return what `policy_of` accepts as a JSON Schema (draft 2020-12); rules between fields are not in it."""
    schema = Policy.json_schema()
    described = "parts that are not given are those of this preset"
    preset = {"anyOf": [{"enum": [*PRESETS]}, {"type": "null"}], "default": None, "description": described}
    return {**schema, "properties": {**schema["properties"], "preset": preset}}
