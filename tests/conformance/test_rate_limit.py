"""Rate limits: refuse, or wait for a reserved permit."""

from __future__ import annotations

import pytest

from scrollintel import (
    CallRejected,
    RateLimitConfig,
    RateLimitedError,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger, Script


def test_rate_limit_burst_then_refusal_with_the_wait(driver: Driver, build: Build, ledger: Ledger) -> None:
    """The burst passes, the next call is refused and told when to come back."""
    pipeline = build(rate_limit=RateLimitConfig(2, period=1, burst=5))
    script = Script("ok")
    for _ in range(5):
        driver.call(pipeline, driver.make(script))
    with pytest.raises(RateLimitedError) as caught:
        driver.call(pipeline, driver.make(script))
    assert caught.value.retry_after == pytest.approx(0.5)
    assert script.calls == 5
    (event,) = ledger.of(CallRejected)
    assert (event.layer, event.retry_after) == ("rate_limit", pytest.approx(0.5))
    assert pipeline.snapshot().tally.rejections == 1


def test_rate_limit_waits_for_a_reserved_permit(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Calls that may wait are spaced out evenly."""
    pipeline = build(rate_limit=RateLimitConfig(10, period=1, burst=1, max_wait=1))
    for _ in range(5):
        driver.call(pipeline, driver.make(Script("ok")))
    assert clock.sleeps == [pytest.approx(0.1)] * 4
    assert clock.monotonic() == pytest.approx(1000.4)


def test_rate_limit_does_not_wait_beyond_the_deadline(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A permit that comes after the call's deadline is refused at once and not spent."""
    pipeline = build(rate_limit=RateLimitConfig(1, period=10, max_wait=60), timeout=TimeoutConfig(total=5))
    driver.call(pipeline, driver.make(Script("ok")))
    with pytest.raises(RateLimitedError) as caught:
        driver.call(pipeline, driver.make(Script("ok")))
    assert caught.value.retry_after == pytest.approx(10)
    assert clock.sleeps == []
    clock.advance(10)
    assert driver.call(pipeline, driver.make(Script("third"))) == "third"


def test_rate_limit_is_asked_by_every_attempt(driver: Driver, build: Build) -> None:
    """Retries spend permits like first attempts."""
    pipeline = build(rate_limit=RateLimitConfig(2, period=1000), retry=RetryConfig(base_delay=0))
    script = Script(ConnectionError("down"))
    with pytest.raises(RateLimitedError):
        driver.call(pipeline, driver.make(script))
    assert script.calls == 2


def test_rate_limit_accrues_up_to_its_burst(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A long silence saves up the burst and no more."""
    pipeline = build(rate_limit=RateLimitConfig(2, period=1))
    clock.advance(1000)
    for _ in range(2):
        driver.call(pipeline, driver.make(Script("ok")))
    with pytest.raises(RateLimitedError):
        driver.call(pipeline, driver.make(Script("ok")))
