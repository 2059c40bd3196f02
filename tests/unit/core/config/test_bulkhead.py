"""Bulkhead configuration: defaults and fields that must agree."""

from __future__ import annotations

import pytest

from scrollintel.core.config import BulkheadConfig
from scrollintel.core.errors import ConfigError


def violated(**fields: float) -> list[str]:
    """Return the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        BulkheadConfig(**fields)  # type: ignore[arg-type]
    return [violation.field for violation in caught.value.violations]


def test_bulkhead_config_defaults_are_100_running_and_none_waiting() -> None:
    """A hundred calls run at once, nobody waits."""
    config = BulkheadConfig()
    assert (config.max_concurrent, config.max_waiting, config.max_wait) == (100, 0, None)


def test_bulkhead_config_wait_limit_without_a_line_is_refused() -> None:
    """Where nobody can wait there is no limit to it."""
    assert violated(max_wait=1.0) == ["max_wait"]
    assert BulkheadConfig(max_waiting=1, max_wait=1.0).max_wait == 1.0
