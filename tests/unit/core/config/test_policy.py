"""Policies: shorthands for their parts, paths of violations, and what is in force."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config import (
    BulkheadConfig,
    CircuitBreakerConfig,
    FallbackConfig,
    Policy,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.core.errors import ConfigError


def violated(**fields: Any) -> list[str]:
    """Return the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        Policy("orders", **fields)
    return [violation.field for violation in caught.value.violations]


def test_policy_shorthands_become_configurations() -> None:
    """Seconds, a number of calls and a callable stand for the configuration they fill."""
    policy = Policy("orders", timeout=2, bulkhead=7, fallback=dict)
    assert policy.timeout == TimeoutConfig(attempt=2)
    assert policy.bulkhead == BulkheadConfig(max_concurrent=7)
    assert policy.fallback == FallbackConfig(dict)
    assert Policy("orders", fallback=[dict, list]).fallback == FallbackConfig((dict, list))  # type: ignore[arg-type]


def test_policy_bad_shorthands_name_the_field_they_fill() -> None:
    """A shorthand with a bad value is reported under the path of the field it stands for."""
    assert violated(timeout=0, bulkhead=0, fallback=[3]) == [
        "timeout.attempt",
        "bulkhead.max_concurrent",
        "fallback.chain",
    ]


@pytest.mark.parametrize("field", ["timeout", "bulkhead", "fallback"])
@pytest.mark.parametrize("value", [True, False, "30"])
def test_policy_shorthand_of_the_wrong_type_is_refused(field: str, value: object) -> None:
    """A boolean is no number here either, and text is no shorthand."""
    assert violated(**{field: value}) == [field]


def test_policy_from_dict_reports_every_level_at_once() -> None:
    """One error lists what is wrong in the policy, in its parts and in their parts."""
    with pytest.raises(ConfigError) as caught:
        Policy.from_dict(
            {
                "name": "",
                "colour": "red",
                "breaker": {"failure_threshold": 0},
                "retry": {"max_attempts": True, "budget": {"ratio": 2, "shade": 1}},
                "timeout": {"attempt": 5, "total": 1},
                "hedge": {"budget": {"reserve": 0}},
                "rate_limit": {},
                "max_keys": 0,
            }
        )
    assert {violation.field for violation in caught.value.violations} == {
        "name",
        "colour",
        "breaker.name",
        "breaker.failure_threshold",
        "retry.max_attempts",
        "retry.budget.ratio",
        "retry.budget.shade",
        "timeout.total",
        "hedge.budget.reserve",
        "rate_limit.rate",
        "max_keys",
    }
    assert len(caught.value.violations) == 11


def test_policy_from_dict_gives_its_name_to_a_circuit_without_one() -> None:
    """The circuit of a policy is mostly its namesake, and a file should not have to say so."""
    policy = Policy.from_dict({"name": "shop", "breaker": {"failure_threshold": 3}})
    assert policy.breaker == CircuitBreakerConfig("shop", failure_threshold=3)
    other = Policy.from_dict({"name": "shop", "breaker": {"name": "warehouse"}})
    assert other.breaker == CircuitBreakerConfig("warehouse")


def test_policy_schema_says_that_its_circuit_needs_no_name() -> None:
    """A schema refuses nothing that is accepted; a circuit by itself needs its name."""
    breaker = Policy.json_schema()["properties"]["breaker"]["anyOf"][0]
    assert "name" in breaker["properties"] and breaker["required"] == []
    assert CircuitBreakerConfig.json_schema()["required"] == ["name"]


def test_policy_key_without_a_breaker_is_refused() -> None:
    """A key chooses among circuits, so there must be some."""
    assert violated(key=len) == ["key"]
    assert Policy("orders", key=len, breaker=CircuitBreakerConfig("orders")).key is len


def test_policy_limits_are_its_own_or_those_of_the_breaker() -> None:
    """The breaker's timeout limits attempts unless the policy has limits of its own."""
    breaker = CircuitBreakerConfig("orders", timeout=3)
    assert Policy("orders").limits == TimeoutConfig()
    assert Policy("orders", breaker=breaker).limits == TimeoutConfig(attempt=3)
    assert Policy("orders", breaker=breaker, timeout=TimeoutConfig(total=9)).limits == TimeoutConfig(total=9)


def test_policy_measures_unless_it_or_its_breaker_says_no() -> None:
    """Response times are on by default and off when either switches them off."""
    assert Policy("orders").measures
    assert not Policy("orders", response_times=False).measures
    assert not Policy("orders", breaker=CircuitBreakerConfig("orders", response_times=False)).measures


def test_policy_to_dict_leaves_out_a_fallback_that_is_only_code() -> None:
    """Such a fallback could not be read back."""
    data = Policy("orders", fallback=dict, retry=RetryConfig()).to_dict()
    assert data["fallback"] is None
    assert Policy.from_dict(data).fallback is None
