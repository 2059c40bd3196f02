"""Histories are summed up without loss, and end when their time has come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from scrollintel.core.errors import ConfigError
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.storage import retention
from scrollintel.storage.engine import Database
from scrollintel.storage.retention import RetentionPolicy, expire
from scrollintel.storage.rollup import roll_up
from scrollintel.storage.schema import upgrade

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
METRICS = metadata.tables["fault_tolerance_metrics"]
RETRIES = metadata.tables["retry_statistics"]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Return the writing connection of an empty database, in a transaction that the test belongs to."""
    connection = database.connect_writer()
    upgrade(database, connection)
    with connection.begin():
        yield connection
    database.release_writer(connection)


def at(seconds: float) -> datetime:
    """Return the moment that many seconds after the start."""
    return START + timedelta(seconds=seconds)


def metric(second: int, **columns: Any) -> dict[str, Any]:
    """Return a row of raw counts."""
    row: dict[str, Any] = {
        "circuit": "orders", "resolution": 1, "bucket_start": at(second), "service": "shop", "successes": 1,
        "failures": 0, "slow": 0, "rejections": 0, "timeouts": 0, "p50": None, "p95": None, "p99": None, "mean": None,
        "max": None, "replicas": 1,
    }  # fmt: skip
    return row | columns


def retry(second: int, **columns: Any) -> dict[str, Any]:
    """Return a row of retries."""
    row: dict[str, Any] = {
        "policy": "orders", "resolution": 10, "bucket_start": at(second), "calls": 5, "attempts": 7, "retries": 2,
        "given_up": 1, "hedges": 1, "fallbacks": 0, "budget": None,
    }  # fmt: skip
    return row | columns


def buckets(connection: Connection, resolution: int, column: str = "successes") -> dict[float, Any]:
    """Return seconds after the start → value of a column, for the buckets of one length."""
    found = connection.execute(
        select(METRICS.c.bucket_start, METRICS.c[column]).where(METRICS.c.resolution == resolution)
    )
    return {(start - START).total_seconds(): value for start, value in found}


def test_roll_up_of_metrics_sums_counts_and_keeps_upper_bounds(connection: Connection) -> None:
    """Counts are added, quantiles and replicas are the largest, the mean has the weight of the calls."""
    rows = [
        metric(0, successes=3, failures=1, slow=1, timeouts=1, p50=0.1, p95=0.2, p99=0.3, mean=0.1, max=0.4),
        metric(9, successes=1, rejections=7, p50=0.5, p95=0.5, p99=0.5, mean=0.6, max=0.5, replicas=3),
        metric(5, successes=0, rejections=2),
        metric(10, successes=8, mean=0.2),
    ]
    connection.execute(insert(METRICS), rows)
    roll_up(connection, at(3_700))
    found = connection.execute(select(METRICS).where(METRICS.c.resolution == 10, METRICS.c.bucket_start == START)).one()
    assert (found.successes, found.failures, found.slow, found.rejections, found.timeouts) == (4, 1, 1, 9, 1)
    assert (found.p50, found.p95, found.p99, found.max, found.replicas) == (0.5, 0.5, 0.5, 0.5, 3)
    assert found.mean == pytest.approx((4 * 0.1 + 1 * 0.6) / 5)
    assert found.service == "shop"
    assert buckets(connection, 10) == {0: 4, 10: 8}
    assert buckets(connection, 60) == {0: 12}
    assert buckets(connection, 3600) == {0: 12}
    assert buckets(connection, 3600, "mean")[0] == pytest.approx((4 * 0.1 + 1 * 0.6 + 8 * 0.2) / 13)


def test_roll_up_of_retries_sums_counts_and_keeps_the_smallest_budget(connection: Connection) -> None:
    """Retries are added up, and of budgets the least is kept."""
    connection.execute(insert(RETRIES), [retry(0, budget=4.0), retry(10, budget=2.5), retry(50), retry(60)])
    roll_up(connection, at(3_700))
    found = connection.execute(
        select(RETRIES.c.resolution, RETRIES.c.calls, RETRIES.c.attempts, RETRIES.c.retries, RETRIES.c.budget)
        .where(RETRIES.c.resolution > 10)
        .order_by(RETRIES.c.resolution, RETRIES.c.bucket_start)
    )
    assert found.all() == [(60, 15, 21, 6, 2.5), (60, 5, 7, 2, None), (3600, 20, 28, 8, 2.5)]


def test_roll_up_leaves_buckets_that_are_not_complete(connection: Connection) -> None:
    """A bucket is summed up when it has ended and has had time to settle."""
    connection.execute(insert(METRICS), [metric(0), metric(10)])
    roll_up(connection, at(29))
    assert buckets(connection, 10) == {0: 1}
    roll_up(connection, at(30))
    assert buckets(connection, 10) == {0: 1, 10: 1}


def test_roll_up_that_is_repeated_changes_nothing(connection: Connection) -> None:
    """However often it runs, no count is counted twice."""
    connection.execute(insert(METRICS), [metric(second) for second in range(600)])
    for _ in range(3):
        roll_up(connection, at(4_000))
    assert sum(buckets(connection, 10).values()) == 600
    assert buckets(connection, 3600) == {0: 600}


def test_roll_up_takes_in_counts_that_an_outage_held_up(connection: Connection) -> None:
    """What is written minutes after its time, because the database was away, is in the sums nevertheless."""
    connection.execute(insert(METRICS), [metric(second) for second in range(15)])
    roll_up(connection, at(900))
    connection.execute(insert(METRICS), [metric(second) for second in range(15, 800)])
    for _ in range(3):
        roll_up(connection, at(4_000))
    assert sum(buckets(connection, 10).values()) == 800
    assert buckets(connection, 60) == dict.fromkeys(range(0, 780, 60), 60) | {780: 20}
    assert buckets(connection, 3600) == {0: 800}


def test_roll_up_goes_on_after_the_clock_was_set_back(connection: Connection) -> None:
    """Counts of an hour that the clock ran ahead do not keep those of the right time from being summed up."""
    connection.execute(insert(METRICS), [metric(7_200), metric(7_211)])
    roll_up(connection, at(7_300))
    for second in range(3_600, 3_630):
        connection.execute(insert(METRICS), [metric(second)])
        roll_up(connection, at(second + 1))
    roll_up(connection, at(3_640))
    assert buckets(connection, 10) == dict.fromkeys((3_600, 3_610, 3_620), 10) | {7_200: 1, 7_210: 1}


def test_roll_up_after_a_long_stop_works_in_portions(connection: Connection) -> None:
    """One call writes a bounded part; later ones reach the end, and long gaps are leapt over."""
    connection.execute(insert(METRICS), [metric(second) for second in (*range(0, 1_800, 10), 500_000)])
    first = roll_up(connection, at(600_000))
    assert len(buckets(connection, 10)) == 60
    assert first == 60 + 10 + 1
    for _ in range(8):
        roll_up(connection, at(600_000))
    assert len(buckets(connection, 10)) == 181
    assert sum(buckets(connection, 3600).values()) == 181


def test_expiry_keeps_the_sums_of_what_it_deletes(connection: Connection) -> None:
    """Running each minute for hours, roll-up and expiry lose no count, and raw counts do not grow without bound."""
    policy = RetentionPolicy(raw=600.0)
    for minute in range(120):
        connection.execute(insert(METRICS), [metric(minute * 60 + second) for second in range(60)])
        roll_up(connection, at(minute * 60 + 75))
        expire(connection, at(minute * 60 + 75), policy)
    roll_up(connection, at(120 * 60 + 20))
    assert 600 <= len(buckets(connection, 1)) <= 720
    assert sum(buckets(connection, 10).values()) == 120 * 60
    assert buckets(connection, 60) == dict.fromkeys(range(0, 120 * 60, 60), 60)
    assert buckets(connection, 3600) == {0: 3600, 3600: 3600}


def test_expiry_after_silence_leaves_sums_whole(connection: Connection) -> None:
    """When nothing comes for longer than raw counts are kept, the last bucket stays right."""
    policy = RetentionPolicy(raw=600.0)
    connection.execute(insert(METRICS), [metric(second) for second in range(47)])
    for now in range(60, 1_500, 7):
        roll_up(connection, at(now))
        expire(connection, at(now), policy)
    assert buckets(connection, 10) == {0: 10, 10: 10, 20: 10, 30: 10, 40: 7}


def test_expiry_deletes_what_is_too_old_and_nothing_else(connection: Connection) -> None:
    """Each history ends by its own limit; a recovery that still runs stays."""
    day = timedelta(days=1)
    health = {"service": "shop", "status": "healthy", "source": "test"}
    change = {"service": "shop", "old": 0, "new": 1, "reason": "r", "automatic": False}
    failure = {"service": "shop", "circuit": "orders", "kind": "circuit_open", "severity": "warning"}
    transition = {"circuit": "orders", "replica": "r", "service": "shop", "old": "closed", "new": "open", "reason": "r"}
    recovery = {"service": "shop", "failure_type": "x", "status": "running", "requested_by": "me", "steps": []}
    rows: dict[str, list[dict[str, Any]]] = {
        "health_checks": [health | {"at": START - age} for age in (91 * day, 89 * day)],
        "degradation_changes": [change | {"at": START - age} for age in (401 * day, 399 * day)],
        "system_failures": [failure | {"at": START - age} for age in (91 * day, 89 * day)],
        "circuit_transitions": [transition | {"at": START - age} for age in (91 * day, 89 * day)],
        "recovery_operations": [
            recovery | {"id": "old", "started_at": START - 401 * day, "finished_at": START - 400 * day},
            recovery | {"id": "runs", "started_at": START - 401 * day, "finished_at": None},
            recovery | {"id": "new", "started_at": START - 399 * day, "finished_at": START - 399 * day},
        ],
    }
    for name, listed in rows.items():
        connection.execute(insert(metadata.tables[name]), listed)
    deleted = expire(connection, START, RetentionPolicy())
    assert {name: count for name, count in deleted.items() if count} == dict.fromkeys(rows, 1)
    for name, listed in rows.items():
        left = connection.scalar(select(func.count()).select_from(metadata.tables[name]))
        assert left == len(listed) - 1, name
    assert set(connection.scalars(select(metadata.tables["recovery_operations"].c.id))) == {"runs", "new"}


def test_expiry_of_many_rows_deletes_a_bounded_part_at_a_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest rows go first, a portion with each call, until none is too old."""
    monkeypatch.setattr(retention, "BATCH", 10)
    health = {"service": "shop", "status": "healthy", "source": "test"}
    rows = [health | {"at": START - timedelta(days=100, seconds=number)} for number in range(25)]
    connection.execute(insert(metadata.tables["health_checks"]), rows)
    counts = [expire(connection, START, RetentionPolicy())["health_checks"] for _ in range(4)]
    assert counts == [10, 10, 5, 0]


def test_retention_policy_names_every_mistake() -> None:
    """Limits out of range and sums that would end before their parts are refused together."""
    with pytest.raises(ConfigError) as caught:
        RetentionPolicy(raw=599.0, ten_seconds=90_000.0, minutes=86_400.0, health=-1.0)
    assert [violation.field for violation in caught.value.violations] == ["raw", "health", "minutes"]
