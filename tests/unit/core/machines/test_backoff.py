"""Delays before retries: the formulas, their bounds and what happens beyond the range of a float."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scrollintel.core.config import Backoff, Jitter, RetryConfig
from scrollintel.core.machines.backoff import computed_delay, next_delay
from tests.thoroughness import examples

LARGEST_DRAW = 1 - 2**-53
THOROUGH = settings(max_examples=examples(300), deadline=None, derandomize=True)
NO_JITTER = RetryConfig(jitter=Jitter.NONE)

retries = st.integers(0, 10_000) | st.integers(0, 12)
draws = st.floats(0, LARGEST_DRAW)


@st.composite
def configs(draw: st.DrawFn) -> RetryConfig:
    """Draw any valid schedule, with extreme delays among them."""
    base = draw(st.floats(0, 1e308) | st.floats(0, 10) | st.sampled_from([0.0, 5e-324, 1.5e-323, 1.0]))
    cap = draw(st.floats(base, 1.7e308) | st.just(base) | st.floats(base, base * 1000 if base < 1e300 else base))
    growth = draw(st.floats(1, 1000) | st.sampled_from([1.0, 2.0]))
    jitter = draw(st.sampled_from(Jitter))
    backoff = draw(st.sampled_from(Backoff))
    return RetryConfig(base_delay=base, max_delay=cap, exponential_base=growth, jitter=jitter, backoff=backoff)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff.EXPONENTIAL, [1, 2, 4, 8, 16, 32, 60, 60]),
        (Backoff.LINEAR, [1, 2, 3, 4, 5, 6, 7, 8]),
        (Backoff.CONSTANT, [1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_computed_delay_with_the_defaults_gives_the_documented_series(backoff: Backoff, delays: list[float]) -> None:
    """1 s doubling up to the cap of 60 s, growing by 1 s, or always 1 s."""
    config = RetryConfig(backoff=backoff)
    assert [computed_delay(config, retry) for retry in range(8)] == delays


@pytest.mark.parametrize(("backoff", "expected"), [("exponential", 60), ("linear", 60), ("constant", 1)])
@pytest.mark.parametrize("retry", [1100, 10_000, 10**400])
def test_computed_delay_far_beyond_a_float_gives_the_cap(backoff: str, expected: float, retry: int) -> None:
    """The factor overflows long before retry 10,000; the delay is the cap and nothing is raised."""
    config = RetryConfig.from_dict({"backoff": backoff})
    assert computed_delay(config, retry) == expected


@pytest.mark.parametrize("backoff", list(Backoff))
def test_computed_delay_of_a_base_of_zero_is_zero_however_late(backoff: Backoff) -> None:
    """Immediate retries stay immediate, even where the factor overflows."""
    config = RetryConfig(base_delay=0, backoff=backoff)
    assert [computed_delay(config, retry) for retry in (0, 1, 10_000, 10**400)] == [0, 0, 0, 0]


@THOROUGH
@given(config=configs(), retry=retries)
def test_computed_delay_never_shrinks_and_never_exceeds_the_cap(config: RetryConfig, retry: int) -> None:
    """Delays grow or stay, between the base and the cap."""
    delay = computed_delay(config, retry)
    assert config.base_delay <= delay <= config.max_delay
    assert computed_delay(config, retry + 1) >= delay


@THOROUGH
@given(config=configs(), retry=st.integers(0, 60))
def test_computed_delay_agrees_with_exact_arithmetic(config: RetryConfig, retry: int) -> None:
    """Step by step in fractions, the same delay comes out."""
    exact = Fraction(config.base_delay)
    for _ in range(retry):
        if config.backoff is Backoff.EXPONENTIAL:
            exact *= Fraction(config.exponential_base)
        elif config.backoff is Backoff.LINEAR:
            exact += Fraction(config.base_delay)
    assert math.isclose(
        computed_delay(config, retry), min(exact, Fraction(config.max_delay)), rel_tol=1e-9, abs_tol=1e-320
    )


@THOROUGH
@given(config=configs(), retry=retries, u=draws, share=st.floats(0, 1))
@example(
    config=RetryConfig(base_delay=1.5e-323, max_delay=1.5e-323, jitter=Jitter.EQUAL), retry=0, u=LARGEST_DRAW, share=1
)
@example(config=RetryConfig(base_delay=1.0, max_delay=1.7e308, jitter=Jitter.DECORRELATED), retry=1, u=0.0, share=1.0)
def test_next_delay_always_lies_between_zero_and_the_cap(
    config: RetryConfig, retry: int, u: float, share: float
) -> None:
    """For every kind of jitter, every draw and every earlier delay."""
    previous = config.base_delay + share * (config.max_delay - config.base_delay)
    assert 0.0 <= next_delay(config, retry, previous, u) <= config.max_delay


@THOROUGH
@given(config=configs(), retry=retries, u=draws, previous=st.floats(0, 1e308))
def test_next_delay_after_a_delay_that_a_server_chose_keeps_its_bounds(
    config: RetryConfig, retry: int, u: float, previous: float
) -> None:
    """An earlier delay below the base or above the cap does not lead out of the bounds."""
    assert 0.0 <= next_delay(config, retry, previous, u) <= config.max_delay


@THOROUGH
@given(config=configs(), retry=retries, lower=draws, upper=draws)
def test_next_delay_grows_with_the_draw(config: RetryConfig, retry: int, lower: float, upper: float) -> None:
    """A larger draw never gives a shorter delay, so an even draw spreads delays evenly."""
    lower, upper = min(lower, upper), max(lower, upper)
    previous = config.base_delay
    assert next_delay(config, retry, previous, lower) <= next_delay(config, retry, previous, upper)


@pytest.mark.parametrize("u", [0.0, 0.25, 0.5, LARGEST_DRAW])
def test_next_delay_without_jitter_is_the_computed_delay(u: float) -> None:
    """The draw and the delay before do not matter."""
    assert [next_delay(NO_JITTER, retry, 7.0, u) for retry in range(4)] == [1, 2, 4, 8]


@pytest.mark.parametrize(("jitter", "lowest", "middle", "highest"), [(Jitter.FULL, 0, 4, 8), (Jitter.EQUAL, 4, 6, 8)])
def test_next_delay_is_spread_over_the_range_of_its_jitter(
    jitter: Jitter, lowest: float, middle: float, highest: float
) -> None:
    """Full jitter spreads a delay of 8 s over 0 to 8 s, equal jitter over 4 to 8 s."""
    config = RetryConfig(jitter=jitter)
    assert next_delay(config, 3, 1.0, 0.0) == lowest
    assert next_delay(config, 3, 1.0, 0.5) == middle
    assert next_delay(config, 3, 1.0, LARGEST_DRAW) == pytest.approx(highest)


def test_next_delay_is_capped_before_jitter() -> None:
    """Late retries are spread over the whole range below the cap instead of piling up at it."""
    config = RetryConfig(base_delay=1, max_delay=20)
    assert next_delay(config, 7, 1.0, 0.5) == 10.0


def test_next_delay_decorrelated_follows_the_delay_before() -> None:
    """`min(cap, base + u * (3 * previous - base))`, whatever the number of the retry."""
    config = RetryConfig(base_delay=1, max_delay=20, jitter=Jitter.DECORRELATED)
    assert next_delay(config, 0, 1.0, 0.0) == 1.0
    assert next_delay(config, 0, 1.0, 0.5) == 2.0
    assert next_delay(config, 99, 2.0, 0.5) == 3.5
    assert next_delay(config, 0, 10.0, 0.9) == 20.0


def test_next_delay_decorrelated_never_falls_below_the_base() -> None:
    """Fed with its own results it stays between the base and the cap."""
    config = RetryConfig(base_delay=0.5, max_delay=9, jitter=Jitter.DECORRELATED)
    previous = config.base_delay
    for step in range(200):
        previous = next_delay(config, step, previous, (step * 0.6180339887) % 1.0)
        assert 0.5 <= previous <= 9.0
