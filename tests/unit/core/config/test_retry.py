"""Retry and budget configuration: defaults, shorthands and the fields that must agree."""

from __future__ import annotations

import pytest

from scrollintel.core.config import Backoff, BudgetConfig, Jitter, RetryConfig
from scrollintel.core.errors import ConfigError


def test_retry_config_defaults_are_the_documented_ones() -> None:
    """Three attempts, 1 s doubling up to 60 s, full jitter, every Exception, no budget."""
    config = RetryConfig()
    assert (config.max_attempts, config.base_delay, config.max_delay, config.exponential_base) == (3, 1.0, 60.0, 2.0)
    assert (config.jitter, config.backoff) == (Jitter.FULL, Backoff.EXPONENTIAL)
    assert (config.retryable_exceptions, config.non_retryable_exceptions) == ((Exception,), ())
    assert (config.retry_rejected, config.max_elapsed, config.max_retry_after, config.budget) == (
        False,
        None,
        300.0,
        None,
    )


def test_retry_config_takes_the_documented_call() -> None:
    """The call of the documentation, with a list of exceptions and `jitter=True`, gives full jitter."""
    config = RetryConfig(
        max_attempts=3,
        base_delay=1.0,
        max_delay=60.0,
        exponential_base=2.0,
        jitter=True,
        retryable_exceptions=[ConnectionError, TimeoutError],
    )
    assert config.jitter is Jitter.FULL
    assert config.retryable_exceptions == (ConnectionError, TimeoutError)


def test_retry_config_jitter_false_is_none() -> None:
    """The boolean shorthand means full or none."""
    assert RetryConfig(jitter=False).jitter is Jitter.NONE


def test_retry_config_cap_below_the_first_delay_is_refused() -> None:
    """`max_delay < base_delay` is a contradiction; equal is not."""
    with pytest.raises(ConfigError) as caught:
        RetryConfig(base_delay=2, max_delay=1)
    (violation,) = caught.value.violations
    assert (violation.field, violation.value, violation.allowed) == (
        "max_delay",
        1.0,
        "at least base_delay (2 seconds)",
    )
    assert RetryConfig(base_delay=2, max_delay=2).max_delay == 2


@pytest.mark.parametrize(("base", "cap", "field"), [(-1, 0.5, "base_delay"), (1, -1, "max_delay")])
def test_retry_config_cap_beside_a_bad_delay_is_not_compared(base: float, cap: float, field: str) -> None:
    """Only the value that is wrong by itself is reported."""
    with pytest.raises(ConfigError) as caught:
        RetryConfig(base_delay=base, max_delay=cap)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_retry_config_budget_from_a_dict_is_a_budget() -> None:
    """A nested dict becomes its configuration."""
    assert RetryConfig.from_dict({"budget": {"ratio": 0.2}}).budget == BudgetConfig(ratio=0.2)


def test_budget_config_defaults_are_a_tenth_of_the_calls_and_a_small_reserve() -> None:
    """Ten per cent of the calls, ten attempts in reserve, one token each."""
    config = BudgetConfig()
    assert (config.name, config.ratio, config.reserve, config.cost) == (None, 0.1, 10.0, 1.0)
    assert (config.threshold, config.deposit_on_success) == (0.0, False)


def test_budget_config_grpc_is_the_form_of_grpc() -> None:
    """Ten tokens, a tenth for each success, and retries only above one half."""
    config = BudgetConfig.grpc("shared", max_tokens=20, token_ratio=0.2)
    assert config == BudgetConfig("shared", 0.2, 20, 1, 0.5, True)
