"""Fixtures for pytest; write `pytest_plugins = ["scrollintel.testing.pytest_fixtures"]` into a root `conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..core.manager import ft_manager
from .clock import ManualClock
from .switches import immediate_retries


@pytest.fixture
def manual_clock() -> ManualClock:
    """Return a clock that stands still but for sleeping and `advance`."""
    return ManualClock()


@pytest.fixture
def retries_at_once() -> Iterator[None]:
    """Let retries of all policies follow without back-off."""
    with immediate_retries():
        yield


@pytest.fixture
def clean_manager() -> Iterator[None]:
    """Forget the policies and circuits of `ft_manager` before and after the test."""
    ft_manager.clear()
    yield
    ft_manager.clear()
