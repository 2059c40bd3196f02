"""Dry runs: the real machine on recorded buckets, with exact outcomes."""

from __future__ import annotations

from scrollintel import CircuitBreakerConfig
from scrollintel.control.dry_run import Bucket, replay
from scrollintel.core.states import CircuitState


def bucket(start: float, successes: int = 0, failures: int = 0, slow: int = 0, rejections: int = 0) -> Bucket:
    """Return a bucket of one second."""
    return Bucket(start, 1.0, successes, failures, slow, rejections)


def config(**fields: object) -> CircuitBreakerConfig:
    """Return a configuration named payments."""
    return CircuitBreakerConfig.from_dict({"name": "payments", **fields})


def test_dry_run_nothing_recorded_changes_nothing() -> None:
    """Without a bucket there is nothing to say."""
    outcome = replay(config(), [])
    assert (outcome.calls, outcome.openings, outcome.final) == (0, [], CircuitState.CLOSED)


def test_dry_run_failures_below_the_threshold_do_not_open() -> None:
    """Two failures under a threshold of three leave the circuit closed."""
    outcome = replay(config(failure_threshold=3), [bucket(0, failures=2)])
    assert (outcome.calls, outcome.openings, outcome.refused) == (2, [], 0)


def test_dry_run_tells_when_it_would_have_opened_and_what_that_had_spared() -> None:
    """Ten failures in a second under a threshold of two: opened at the second, eight spared, open for the rest."""
    outcome = replay(config(failure_threshold=2, recovery_timeout=60), [bucket(100, failures=10)])
    assert outcome.openings == [100.15]
    assert (outcome.refused, outcome.avoided, outcome.lost) == (8, 8, 0)
    assert round(outcome.seconds_open, 6) == 0.85
    assert outcome.final is CircuitState.OPEN


def test_dry_run_circuit_recovers_when_the_recorded_calls_succeed_again() -> None:
    """After the open period a probe succeeds and the circuit closes; what was refused meanwhile is counted as lost."""
    wanted = config(failure_threshold=1, recovery_timeout=1, success_threshold=1)
    outcome = replay(wanted, [bucket(0, failures=1), bucket(1, successes=10), bucket(2, successes=10)])
    assert len(outcome.openings) == 1
    assert outcome.final is CircuitState.CLOSED
    assert (outcome.lost, outcome.refused) == (5, 5)
    assert round(outcome.seconds_open, 6) == 1.05


def test_dry_run_failures_are_spread_evenly_among_the_calls() -> None:
    """One failure in two never makes two in a row, so a threshold of two is not met."""
    outcome = replay(config(failure_threshold=2), [bucket(0, successes=50, failures=50)])
    assert outcome.openings == []


def test_dry_run_refused_calls_are_unknown_and_take_no_part() -> None:
    """What was refused then has no outcome."""
    outcome = replay(config(), [bucket(0, successes=1, rejections=7)])
    assert (outcome.calls, outcome.unknown) == (1, 7)


def test_dry_run_slow_calls_open_a_circuit_that_minds_them() -> None:
    """Calls recorded as slow count under a configuration with a rate of slow calls."""
    minds = config(window_kind="count", window=10, minimum_calls=10, slow_call_duration=1, slow_call_rate=0.5)
    assert len(replay(minds, [bucket(0, successes=20, slow=20)]).openings) == 1
    assert replay(minds, [bucket(0, successes=20, slow=2)]).openings == []


def test_dry_run_beyond_the_limit_replays_the_newest_calls_even_within_a_bucket() -> None:
    """The last calls of a bucket that is too large are replayed, the older ones are left out, and both are told."""
    outcome = replay(config(failure_threshold=2), [bucket(0, failures=5), bucket(1, failures=10)], max_calls=4)
    assert (outcome.calls, outcome.complete, outcome.since, outcome.until) == (4, False, 1.6, 2.0)
    assert (outcome.openings, outcome.refused) == ([1.75], 2)
    whole = replay(config(failure_threshold=2), [bucket(0, failures=4)], max_calls=4)
    assert (whole.calls, whole.complete, whole.since, whole.until) == (4, True, 0, 1.0)


def test_dry_run_bucket_before_the_limit_takes_no_part() -> None:
    """What comes before a bucket that fits exactly is left out whole, its refused calls included."""
    outcome = replay(config(), [bucket(0, successes=1, rejections=3), bucket(1, successes=4)], max_calls=4)
    assert (outcome.calls, outcome.complete, outcome.unknown, outcome.since) == (4, False, 0, 1)


def test_dry_run_takes_no_more_calls_than_hold_the_interpreter_for_a_moment() -> None:
    """Of two million calls the newest hundred thousand are replayed, and the answer is theirs alone."""
    outcome = replay(config(failure_threshold=2), [bucket(0, failures=1_900_000), bucket(1, successes=100_000)])
    assert (outcome.calls, outcome.complete, outcome.since, outcome.openings) == (100_000, False, 1, [])
