"""What every test starts from: reproducible randomness, a manual clock, and a hub and a registry of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock

from .programs import MARK, Programs
from .servers.fixtures import database_url, postgres, postgres_url, sqlite_url  # noqa: F401 - pytest looks them up here

SEED = int(os.environ.get("SCROLLINTEL_SEED", "20250131"))

# "fixed" draws the same examples in every run; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1000)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "fixed")
settings.load_profile(PROFILE)


def pytest_configure(config: pytest.Config) -> None:
    """Leave out tests whose programs are missing, and say so at the end."""
    # A shell starts what runs in the background with Ctrl-C ignored, and programs that tests start inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", MARK)
    config.pluginmanager.register(Programs(), "programs")


def pytest_report_header() -> str:
    """Print what makes this run reproducible."""
    return f"seed: {SEED} (SCROLLINTEL_SEED), hypothesis profile: {PROFILE} (HYPOTHESIS_PROFILE)"


@pytest.fixture
def seed() -> int:
    """Return the seed of this run, for `random.Random`."""
    return SEED


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that sleeping moves by itself."""
    return ManualClock()


@pytest.fixture
def hub() -> Iterator[EventHub]:
    """Return a hub of the test's own."""
    hub = EventHub()
    yield hub
    for subscription in hub._subscriptions:
        subscription.cancel()


@pytest.fixture
def registry(clock: ManualClock, hub: EventHub) -> Registry:
    """Return a registry of the test's own, on the manual clock."""
    return Registry(clock=clock, hub=hub)
