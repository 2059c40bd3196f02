"""What a request tells the next service: it comes out as it went in, and nonsense does no harm."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel import (
    BudgetConfig,
    CircuitBreakerConfig,
    ConfigError,
    Criticality,
    DeadlineExceededError,
    Pipeline,
    Policy,
    RetryConfig,
    TimeoutConfig,
)
from scrollintel.core.call import remaining
from scrollintel.core.context import current_request, fairness_key, request_context
from scrollintel.core.interventions import INTERVENTIONS
from scrollintel.core.retry_scope import surrounding_retries
from scrollintel.integrations.http_policy import retry_after
from scrollintel.integrations.propagation import (
    ATTEMPT_HEADER,
    CRITICALITY_HEADER,
    FAIRNESS_HEADER,
    NOTHING,
    RETRIES_HEADER,
    TIMEOUT_HEADER,
    Accept,
    Received,
    outgoing,
    received,
    serving,
)
from scrollintel.integrations.serving import queue_wait
from scrollintel.testing import ManualClock

HEADERS = (TIMEOUT_HEADER, ATTEMPT_HEADER, CRITICALITY_HEADER, FAIRNESS_HEADER, RETRIES_HEADER)
values = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.integers().map(str),
    st.sampled_from(["none", " NONE ", "critical_plus", "Sheddable", "٣", "1e9", "-1", "0", "nan", "f" * 16, "²"]),
)


@given(st.fixed_dictionaries(dict.fromkeys(HEADERS, values)))
def test_received_takes_anything_and_stays_within_bounds(headers: dict[str, str | None]) -> None:
    """No header raises, none is believed beyond its bound."""
    told = received(headers.get, Accept(longest=10))
    assert told.remaining is None or 0 <= told.remaining <= 10
    assert 1 <= told.attempt <= 100
    assert told.criticality is not Criticality.CRITICAL_PLUS
    assert told.fairness is None or int(told.fairness, 16) < 2**64


def test_attempt_tells_the_time_left_its_number_and_who_asks(clock: ManualClock) -> None:
    """What one service sends is what the next one understands."""
    pipeline = Pipeline(Policy("orders", timeout=TimeoutConfig(2.5)), clock=clock)

    def operation() -> dict[str, str]:
        clock.sleep(0.5)
        return outgoing(3)

    with request_context(criticality="sheddable", user="ada"):
        headers = pipeline.call(operation)
    assert headers == {
        TIMEOUT_HEADER: "2000", ATTEMPT_HEADER: "3", CRITICALITY_HEADER: "sheddable", RETRIES_HEADER: "none",
        FAIRNESS_HEADER: fairness_key("ada"),
    }  # fmt: skip
    assert received(headers.get, Accept()) == Received(2.0, 3, True, Criticality.SHEDDABLE, fairness_key("ada"))


def test_attempt_with_endless_time_tells_a_number_that_is_read(clock: ManualClock) -> None:
    """The longest time limit that a configuration takes neither raises nor fills the headers with digits."""
    headers: dict[str, str] = {}
    Pipeline(Policy("service", timeout=1.7e308), clock=clock).call(lambda: headers.update(outgoing()))
    assert headers[TIMEOUT_HEADER] == "9" * 12
    assert received(headers.get, Accept()).remaining == 300.0


def test_first_attempt_without_a_deadline_says_next_to_nothing() -> None:
    """What is as everybody assumes is not sent."""
    assert outgoing() == {ATTEMPT_HEADER: "1"}


def test_caller_whose_budget_is_empty_lets_nobody_retry(clock: ManualClock) -> None:
    """The next service cannot pay from a budget here, so it is told when that pays for nothing."""
    empty = BudgetConfig(reserve=0.5, across_layers=True)
    pipeline = Pipeline(Policy("orders", retry=RetryConfig(budget=empty)), clock=clock)
    assert pipeline.call(outgoing)[RETRIES_HEADER] == "none"
    full = Pipeline(Policy("orders", retry=RetryConfig(budget=BudgetConfig(across_layers=True))), clock=clock)
    assert RETRIES_HEADER not in full.call(outgoing)


def test_highest_criticality_is_taken_from_outside_only_where_that_is_said() -> None:
    """A claim above what is allowed becomes what is allowed."""
    claim = {CRITICALITY_HEADER: "critical_plus"}
    assert received(claim.get, Accept()).criticality is Criticality.CRITICAL
    trusting = Accept(highest=Criticality.CRITICAL_PLUS)
    assert received(claim.get, trusting).criticality is Criticality.CRITICAL_PLUS
    assert received(claim.get, Accept(highest=Criticality.SHEDDABLE)).criticality is Criticality.SHEDDABLE
    with pytest.raises(ConfigError, match="longest"):
        Accept(longest=0)


def test_serving_lasts_as_long_as_its_block(clock: ManualClock) -> None:
    """Inside, the request's terms hold; a task that lives on is not bound by them."""
    told = Received(2.0, 1, True, Criticality.SHEDDABLE, "0" * 16)

    def look() -> tuple[Any, ...]:
        scope = surrounding_retries()
        return remaining(), current_request().criticality, None if scope is None else scope.stands_down

    async def main() -> None:
        async def later() -> tuple[Any, ...]:
            await asyncio.sleep(0)
            return look()

        with serving(told, clock):
            assert look() == (2.0, Criticality.SHEDDABLE, True)
            task = asyncio.ensure_future(later())
        assert look() == (None, Criticality.CRITICAL, None)
        assert await task == (None, Criticality.SHEDDABLE, None)

    asyncio.run(main())


def test_serving_an_expired_request_starts_nothing_in_a_process_without_time_limits(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline that comes from outside alone is looked for as well."""
    monkeypatch.setattr(INTERVENTIONS, "_deadlines", False)
    monkeypatch.setattr(INTERVENTIONS, "caution", False)
    config = CircuitBreakerConfig("plain", timeout=None, response_times=False)
    started: list[int] = []
    append = Pipeline(Policy("plain", breaker=config), clock=clock)(started.append)
    append(1)
    with serving(Received(remaining=0.0), clock), pytest.raises(DeadlineExceededError):
        append(2)
    assert started == [1]


def test_serving_a_request_that_says_nothing_hides_what_is_around(clock: ManualClock) -> None:
    """A server that runs inside a protected call of its own process is not bound by that call."""
    pipeline = Pipeline(Policy("around", timeout=TimeoutConfig(5)), clock=clock)

    def inside() -> float | None:
        with serving(NOTHING, clock):
            return remaining()

    assert pipeline.call(inside) is None


def test_answer_that_is_final_ends_the_retries() -> None:
    """`request-retries: none` counts as a wish that nobody tries again."""

    answer = SimpleNamespace(status_code=503, headers={"request-retries": "none", "Retry-After": "1"})
    assert retry_after(answer) == -1.0


@pytest.mark.parametrize(
    ("text", "waited"),
    [
        ("t=1000000.5", 1.5), ("1000000500", 1.5), ("1000000500000", 1.5), ("t=1000002.5", 0.0), ("999900", 60.0),
        ("5", None), (None, None), ("soon", None), ("nan", None), ("inf", None), ("-1e309", None),
    ],
)  # fmt: skip
def test_queue_wait_reads_every_form_that_proxies_write(text: str | None, waited: float | None) -> None:
    """Seconds, milliseconds and microseconds; a clock that is slightly ahead is forgiven."""
    found = queue_wait(text, 1_000_002.0)
    assert found is waited if waited is None else found == pytest.approx(waited)
