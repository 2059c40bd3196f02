"""Windows of results against plain lists of what happened when."""

from __future__ import annotations

from math import floor, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.machines.window import BUCKETS, CountWindow, FailureLog, TimeWindow, Window

Result = tuple[bool, bool]
results = st.tuples(st.booleans(), st.booleans())


def totals(window: Window) -> tuple[int, int, int]:
    """Return calls, failures and slow ones."""
    return window.calls, window.failures, window.slow


def summed(remembered: list[Result]) -> tuple[int, int, int]:
    """Count a list of results."""
    return len(remembered), sum(failed for failed, _ in remembered), sum(slow for _, slow in remembered)


# ------------------------------------------------------------------ count window


@given(st.integers(1, 12), st.lists(results | st.integers(0, 30), max_size=60))
def test_count_window_holds_the_last_results(size: int, steps: list[Result | int]) -> None:
    """Whatever is recorded or absorbed, the totals are those of the last `size` results."""
    window = CountWindow(size)
    seen: list[Result] = []
    for step in steps:
        if isinstance(step, int):
            window.absorb(step, 0.0)
            seen += [(False, False)] * step
        else:
            window.record(0.0, *step)
            seen.append(step)
        assert totals(window) == summed(seen[-size:])


def test_count_window_full_drops_the_oldest() -> None:
    """The failure that is one result too old is forgotten with its slowness."""
    window = CountWindow(3)
    window.record(0.0, True, True)
    for _ in range(2):
        window.record(0.0, False, False)
    assert totals(window) == (3, 1, 1)
    window.record(0.0, False, True)
    assert totals(window) == (3, 0, 1)


def test_count_window_cleared_starts_anew() -> None:
    """After `clear` nothing of the past is counted, and the window fills from the beginning."""
    window = CountWindow(3)
    for _ in range(5):
        window.record(0.0, True, True)
    window.clear(0.0)
    assert totals(window) == (0, 0, 0)
    window.record(0.0, False, False)
    window.record(0.0, True, False)
    assert totals(window) == (2, 1, 0)


def test_count_window_is_untouched_by_time() -> None:
    """Only results push results out."""
    window = CountWindow(3)
    window.record(0.0, True, False)
    window.turn(1e9)
    assert totals(window) == (1, 1, 0)
    assert window.boundary() == inf


def test_count_window_takes_one_byte_for_each_result() -> None:
    """The ring grows with use and stops at the size of the window."""
    window = CountWindow(1_000)
    assert len(window._ring) == 0
    window.absorb(10, 0.0)
    assert len(window._ring) == 10
    window.absorb(5_000, 0.0)
    assert len(window._ring) == 1_000


# ------------------------------------------------------------------ time window


def in_reach(history: list[tuple[float, Result]], now: float, width: float) -> list[Result]:
    """Return the results in the bucket of `now` and the nine before it."""
    current = floor(now / width)
    return [result for at, result in history if current - BUCKETS < floor(at / width) <= current]


eighths = st.integers(0, 30).map(lambda n: n / 8)


@given(
    st.sampled_from([2.5, 10.0, 40.0]),
    st.integers(-100, 1_000_000),
    st.lists(st.tuples(eighths, results | st.integers(0, 5) | st.none()), max_size=60),
)
def test_time_window_holds_the_present_bucket_and_nine_before(
    seconds: float, start: int, steps: list[tuple[float, Result | int | None]]
) -> None:
    """The totals are those of the results in ten buckets of a tenth of the window each."""
    now, width = float(start), seconds / BUCKETS
    window = TimeWindow(seconds, now)
    history: list[tuple[float, Result]] = []
    for wait, step in steps:
        before, now = now, now + wait
        if step is None:
            window.turn(now)
        elif isinstance(step, int):
            # Absorbed successes came before `now`, so they belong to the bucket that was current until now.
            history += [(before, (False, False))] * step
            window.absorb(step, now)
        else:
            window.record(now, *step)
            history.append((now, step))
        assert totals(window) == summed(in_reach(history, now, width))
        assert window.boundary() == (floor(now / width) + 1) * width


def test_time_window_drops_whole_buckets_at_their_end() -> None:
    """A result counts until the tenth bucket after its own begins, inclusive of the very beginning."""
    window = TimeWindow(10.0, 100.0)
    window.record(100.999, True, True)
    window.turn(109.999)
    assert totals(window) == (1, 1, 1)
    window.turn(110.0)
    assert totals(window) == (0, 0, 0)


def test_time_window_after_a_long_silence_is_empty() -> None:
    """A silence longer than the window forgets everything at once, and recording goes on."""
    window = TimeWindow(10.0, 0.0)
    for second in range(10):
        window.record(float(second), True, False)
    assert totals(window) == (10, 10, 0)
    window.record(1e9, False, True)
    assert totals(window) == (1, 0, 1)


def test_time_window_clock_that_goes_back_changes_nothing() -> None:
    """Results that seem to come from the past are counted now."""
    window = TimeWindow(10.0, 50.0)
    window.record(50.0, True, False)
    window.record(20.0, True, False)
    assert totals(window) == (2, 2, 0)
    window.turn(20.0)
    assert totals(window) == (2, 2, 0)
    window.turn(60.0)
    assert totals(window) == (0, 0, 0)


def test_time_window_cleared_starts_at_the_bucket_of_now() -> None:
    """After `clear` the past is gone and the ten buckets run from now."""
    window = TimeWindow(10.0, 0.0)
    window.record(0.0, True, True)
    window.clear(25.5)
    assert totals(window) == (0, 0, 0)
    assert window.boundary() == 26.0
    window.record(25.5, True, False)
    window.turn(34.9)
    assert totals(window) == (1, 1, 0)


# ------------------------------------------------------------------ failures within a time


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 40).map(lambda n: n / 8), st.booleans() | st.integers(0, 3)), max_size=60),
)
def test_failure_log_holds_failures_younger_than_its_time(
    threshold: int, steps: list[tuple[float, bool | int]]
) -> None:
    """It counts the failures of the last ten seconds, up to the threshold; successes leave no trace."""
    log, now = FailureLog(10.0, threshold), 1000.0
    failures: list[float] = []
    for wait, step in steps:
        now += wait
        if step is True:
            log.record(now, True, False)
            failures.append(now)
        elif step is False:
            log.record(now, False, True)
        else:
            log.absorb(step, now)
        young = [at for at in failures if now - at < 10.0]
        expected = min(threshold, len(young))
        assert totals(log) == (expected, expected, 0)


def test_failure_log_failure_exactly_as_old_as_the_time_is_forgotten() -> None:
    """The time is exclusive at its old end: ten seconds later the failure no longer counts."""
    log = FailureLog(10.0, 3)
    log.record(5.0, True, False)
    log.turn(14.999)
    assert log.failures == 1
    log.turn(15.0)
    assert log.failures == 0


def test_failure_log_cleared_is_empty_and_never_bounded_by_time() -> None:
    """`clear` forgets; while nothing failed there is nothing that time could change."""
    log = FailureLog(10.0, 3)
    log.record(5.0, True, False)
    log.clear(6.0)
    assert totals(log) == (0, 0, 0)
    assert log.boundary() == inf


@pytest.mark.parametrize("threshold", [1, 2**62, 2**63, 2**100])
def test_failure_log_takes_any_threshold(threshold: int) -> None:
    """A threshold beyond what a machine word holds is as good as never."""
    log = FailureLog(10.0, threshold)
    log.record(0.0, True, False)
    assert log.failures == 1
