"""Fallback configuration: the chain, constants and stale results."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config import FallbackConfig
from scrollintel.core.config.fallback import Value
from scrollintel.core.errors import ConfigError


@pytest.mark.parametrize("chain", [None, 3, "", "abc", b"", {}, {"a": print}, [print, 3], [None]], ids=repr)
def test_fallback_config_chain_of_anything_but_callables_is_refused(chain: Any) -> None:
    """Also where a stale result would make an empty chain acceptable."""
    with pytest.raises(ConfigError) as caught:
        FallbackConfig(chain, stale_if_error=5)
    assert [violation.field for violation in caught.value.violations] == ["chain"]


def test_fallback_config_that_can_never_answer_is_refused() -> None:
    """An empty chain needs stale results."""
    with pytest.raises(ConfigError) as caught:
        FallbackConfig()
    (violation,) = caught.value.violations
    assert violation.allowed == "at least one callable, unless stale_if_error is given"
    assert FallbackConfig(stale_if_error=5).chain == ()


def test_fallback_config_chain_is_a_tuple_in_order() -> None:
    """One callable is a chain of one; several keep their order."""
    assert FallbackConfig(dict).chain == (dict,)
    assert FallbackConfig([dict, list]).chain == (dict, list)
    assert FallbackConfig(fallback for fallback in (list, dict)).chain == (list, dict)


def test_fallback_config_defaults_answer_every_exception() -> None:
    """Every Exception is answered, nothing is kept, 128 results at most."""
    config = FallbackConfig(dict)
    assert (config.on, config.stale_if_error, config.stale_entries) == ((Exception,), None, 128)


def test_value_called_returns_its_constant() -> None:
    """A constant is a fallback like any other, compared by value."""
    constant = Value([1])
    assert constant() == [1]
    assert constant == Value([1])
    assert FallbackConfig(constant).chain == (constant,)
