"""What holds for every configuration as a whole: all violations at once, JSON and back, a frozen value."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrollintel.core import config as package
from scrollintel.core.config import (
    AdaptiveLimitConfig,
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
    MetastabilityConfig,
    Policy,
    RateLimitConfig,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
    WindowKind,
)
from scrollintel.core.config.base import NAME_ALLOWED, check_name
from scrollintel.core.errors import ConfigError, Violation
from tests.unit.core.config.catalogue import (
    BOOLEANS,
    CHAINS,
    CHOICES,
    CLASSES,
    ERRORS,
    HOOKS,
    NAMES,
    NESTED,
    NUMBERS,
    ORDERS,
    REQUIRED,
    Number,
    build,
    refused,
)


def test_tables_of_the_catalogue_cover_every_field() -> None:
    """A field that the catalogue does not name is a field without a test."""
    named = {(number.kind, number.field) for number in NUMBERS}
    for table in (BOOLEANS, CHOICES, ERRORS, HOOKS, NAMES, NESTED, CHAINS, ORDERS):
        named |= {(entry[0], entry[1]) for entry in table}
    assert named == {(kind, item.name) for kind in CLASSES for item in dataclasses.fields(kind)}


def test_classes_of_the_catalogue_are_all_the_package_has() -> None:
    """A configuration that the catalogue does not list would go unchecked."""
    exported = {getattr(package, name) for name in package.__all__}
    listed = {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Config) and kind is not Config}
    assert listed == set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_config_with_every_field_wrong_reports_every_field(kind: type[Config]) -> None:
    """All violations come in one error, in the order of the fields."""
    names = [item.name for item in dataclasses.fields(kind)]
    error = refused(kind, **dict.fromkeys(names, 1j))
    assert [violation.field for violation in error.violations] == names
    assert [entry["field"] for entry in error.details["violations"]] == names
    assert json.loads(json.dumps(error.details)) == error.details


@pytest.mark.parametrize("kind", CLASSES)
def test_config_error_is_a_value_error(kind: type[Config]) -> None:
    """Callers that know nothing of this library can catch it as a ValueError."""
    with pytest.raises(ValueError, match=kind.__name__):
        kind.from_dict({"colour": "red"})


@pytest.mark.parametrize("kind", CLASSES)
def test_from_dict_with_unknown_keys_names_each_of_them_and_what_is_known(kind: type[Config]) -> None:
    """A misspelt key is an error, reported beside every other one."""
    first = next(number.field for number in NUMBERS if number.kind is kind)
    with pytest.raises(ConfigError) as caught:
        kind.from_dict({**REQUIRED.get(kind, {}), "colour": "red", "Name": 1, first: "bad"})
    violations = {violation.field: violation for violation in caught.value.violations}
    assert set(violations) == {"colour", "Name", first}
    assert violations["colour"].value == "red"
    assert all(item.name in violations["colour"].allowed for item in dataclasses.fields(kind))


@pytest.mark.parametrize("kind", [CircuitBreakerConfig, Policy, RateLimitConfig])
def test_from_dict_without_a_required_key_says_that_it_is_missing(kind: type[Config]) -> None:
    """A missing key is reported once, together with what would be allowed."""
    with pytest.raises(ConfigError) as caught:
        kind.from_dict({})
    (violation,) = caught.value.violations
    assert violation.field == next(iter(REQUIRED[kind]))
    assert violation.allowed.startswith("given: ")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("data", [None, [], "name", 3, [("name", "x")]], ids=repr)
def test_from_dict_with_no_mapping_is_refused(kind: type[Config], data: Any) -> None:
    """The root itself must be a mapping."""
    with pytest.raises(ConfigError) as caught:
        kind.from_dict(data)
    assert [violation.field for violation in caught.value.violations] == ["(root)"]


ROUND_TRIPS: list[Config] = [
    AdaptiveLimitConfig(),
    AdaptiveLimitConfig("vegas", 5, 2, 50, 2, max_waiting=3, max_wait=None, overload_exceptions=["a.B"], per_key=False),
    BudgetConfig(),
    BudgetConfig.grpc("shared"),
    BudgetConfig("b", 0.5, 3, 2, 0.25),
    BulkheadConfig(3, 4, 0.5),
    CircuitBreakerConfig("orders"),
    CircuitBreakerConfig("orders", 2, 1, 1, None, window_kind=WindowKind.COUNT, window=20, slow_call_duration=1),
    CircuitBreakerConfig("orders", failure_exceptions=[], ignored_exceptions=["KeyError"]),
    CircuitBreakerConfig("orders", mode=BreakerMode.METRICS_ONLY, response_times=False, ramp=30),
    DegradationConfig(),
    DegradationConfig(0.1, 0.2, 0.3, 0.4, latency=2, automatic=False),
    FallbackConfig(stale_if_error=60, on=["a.B"]),
    HedgeConfig(quantile=0.95, budget=BudgetConfig()),
    Policy("orders"),
    Policy("orders", order=("bulkhead", "breaker")),
    Policy(
        "orders",
        breaker=CircuitBreakerConfig("orders"),
        retry=RetryConfig(budget=BudgetConfig("shared")),
        timeout=2,
        bulkhead=5,
        rate_limit=RateLimitConfig(5),
        limit=AdaptiveLimitConfig(),
        throttle=ThrottleConfig(),
        hedge=HedgeConfig(),
        metastability=MetastabilityConfig(shed_to=0.2, sheds=False),
        fallback=FallbackConfig(stale_if_error=9),
    ),
    RateLimitConfig(0.5, 60, 3, 1),
    RetryConfig(),
    RetryConfig(5, 0.1, 2, 3, False, ["TimeoutError"], backoff=Backoff.LINEAR, max_elapsed=9),
    RetryConfig(jitter=Jitter.DECORRELATED),
    TimeoutConfig(),
    TimeoutConfig(1, 5, True),
]  # fmt: skip


@pytest.mark.parametrize("config", ROUND_TRIPS, ids=lambda config: type(config).__name__)
def test_to_dict_through_json_gives_an_equal_dict_back(config: Config) -> None:
    """What `to_dict` writes is plain JSON, and `from_dict` reads it into the same configuration."""
    data = config.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    again = type(config).from_dict(json.loads(json.dumps(data)))
    assert again.to_dict() == data
    for item in dataclasses.fields(config):
        if (type(config), item.name) not in {*ERRORS, *HOOKS, *CHAINS} and item.name not in {
            "breaker",
            "retry",
            "fallback",
        }:
            assert getattr(again, item.name) == getattr(config, item.name)


def test_to_dict_names_a_class_defined_in_a_function_and_reads_the_name_back() -> None:
    """The name of a local class holds `<locals>`, which is a name like any other."""

    class LocalError(Exception):
        pass

    data = RetryConfig(retryable_exceptions=[LocalError, KeyError]).to_dict()
    local = f"{LocalError.__module__}.{LocalError.__qualname__}"
    assert data["retryable_exceptions"] == [local, "builtins.KeyError"]
    assert RetryConfig.from_dict(data).retryable_exceptions == (local, "builtins.KeyError")


@pytest.mark.parametrize("config", ROUND_TRIPS, ids=lambda config: type(config).__name__)
def test_config_is_a_frozen_value(config: Config) -> None:
    """Configurations are compared by value, hashed, copied and pickled, and cannot be changed."""
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert dataclasses.replace(config) == config
    assert hash(dataclasses.replace(config)) == hash(config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, None)


@pytest.mark.parametrize("kind", CLASSES)
def test_describe_gives_default_range_and_unit_of_every_field(kind: type[Config]) -> None:
    """The description is plain JSON, in the order of the fields, and its defaults are those of a fresh object."""
    described = kind.describe()
    assert list(described) == [item.name for item in dataclasses.fields(kind)]
    assert json.loads(json.dumps(described, allow_nan=False))
    required = {name for name, entry in described.items() if entry["required"]}
    assert required == set(REQUIRED.get(kind, {})) - {"chain"}
    plain = build(kind).to_dict()
    for name, entry in described.items():
        assert set(entry) == {"default", "required", "allowed", "unit"}
        assert entry["allowed"]
        assert entry["unit"] in entry["allowed"]
        if name in plain and not entry["required"]:
            assert entry["default"] == plain[name]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_describe_names_both_bounds_of_a_number(number: Number) -> None:
    """The words for what is allowed hold the bounds, in plain digits."""
    allowed = number.kind.describe()[number.field]["allowed"]
    assert allowed.startswith("a whole number " if number.whole else "a finite number ")
    assert (f"above {number.low:g}" if number.above else f"of at least {number.low:g}") in allowed
    assert (f"at most {number.high:.0f}" in allowed) == (number.high < math.inf)


@pytest.mark.parametrize("kind", CLASSES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_from_dict_with_any_json_raises_nothing_but_a_config_error(kind: type[Config], data: st.DataObject) -> None:
    """Whatever JSON holds, the answer is a configuration or one ConfigError whose text can be built."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    names = [item.name for item in dataclasses.fields(kind)]
    fields = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=5), values, max_size=6))
    try:
        config = kind.from_dict({**REQUIRED.get(kind, {}), **fields})
    except ConfigError as error:
        assert error.violations
        assert str(error)
        assert json.dumps(error.details)
    else:
        assert config == dataclasses.replace(config)


@pytest.mark.parametrize("name", ["", "a\nb", 3, None, "n" * 201])
def test_check_name_that_cannot_be_shown_raises_with_its_subject(name: object) -> None:
    """Names given outside a configuration follow the same rule."""
    with pytest.raises(ConfigError, match="service: name=") as caught:
        check_name(name, "service")
    assert caught.value.violations == (Violation("name", name, NAME_ALLOWED),)


def test_check_name_returns_a_good_name() -> None:
    """A good name comes back as it is."""
    assert check_name("orders é 注文") == "orders é 注文"
