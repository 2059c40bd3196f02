"""Policies that need no tuning: what is in them, and what may be changed."""

from __future__ import annotations

import pytest

from scrollintel import ConfigError, Policy, RetryConfig, protect
from scrollintel.core.config.presets import PRESETS
from scrollintel.core.registry import Registry


def test_preset_protects_a_call_under_its_name(registry: Registry) -> None:
    """One word brings limit, throttle, circuit and retries out of one budget."""
    pipeline = protect("payments", preset="goodput", registry=registry)
    policy = pipeline.policy
    assert policy.name == "payments" and policy.breaker is not None and policy.breaker.name == "payments"
    assert policy.retry is not None and policy.retry.budget is not None and policy.retry.budget.across_layers
    assert policy.limit is not None and policy.throttle is not None
    assert pipeline.call(lambda: 3) == 3


def test_preset_takes_further_parts_and_lets_its_own_be_replaced(registry: Registry) -> None:
    """What is given beside a preset comes before it."""
    policy = protect(
        "payments", preset="goodput", retry=RetryConfig(max_attempts=2), fallback=[lambda: 0], registry=registry
    ).policy
    assert policy.retry == RetryConfig(max_attempts=2)
    assert policy.fallback is not None and policy.limit is not None


def test_preset_that_is_unknown_names_those_there_are(registry: Registry) -> None:
    """A near miss is told."""
    with pytest.raises(ConfigError, match=r"preset.*goodput; did you mean goodput\?"):
        protect("payments", preset="goodputs", registry=registry)


def test_preset_beside_a_whole_policy_is_refused(registry: Registry) -> None:
    """A policy that is whole says everything itself."""
    with pytest.raises(TypeError, match="preset"):
        protect(Policy("payments"), preset="goodput", registry=registry)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_survives_the_way_through_json(name: str) -> None:
    """A preset is data: it can be stored and sent as any policy."""
    policy = Policy("payments", **PRESETS[name]("payments"))
    assert Policy.from_dict(policy.to_dict()).to_dict() == policy.to_dict()
