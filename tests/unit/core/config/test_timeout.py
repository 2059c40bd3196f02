"""Timeout configuration: defaults and fields that must agree."""

from __future__ import annotations

import pytest

from scrollintel.core.config import TimeoutConfig
from scrollintel.core.errors import ConfigError


def violated(**fields: float) -> list[str]:
    """Return the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        TimeoutConfig(**fields)  # type: ignore[arg-type]
    return [violation.field for violation in caught.value.violations]


def test_timeout_config_defaults_are_no_limit_and_inline() -> None:
    """Nothing is limited unless asked, and plain functions run where they are called."""
    config = TimeoutConfig()
    assert (config.attempt, config.total, config.in_thread) == (None, None, False)


def test_timeout_config_total_shorter_than_one_attempt_is_refused() -> None:
    """The whole call leaves room for at least one attempt."""
    assert violated(attempt=2, total=1) == ["total"]
    assert TimeoutConfig(attempt=2, total=2).total == 2
