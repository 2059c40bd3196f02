"""Counts over time, in buckets of four lengths."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double, Index, Integer, String
from sqlalchemy.orm import Mapped

from .base import NAME_LENGTH, Base, UtcDateTime, at_least, operational

RESOLUTIONS = (1, 10, 60, 3600)
"""Lengths of buckets in seconds, from raw to coarsest."""

_RESOLUTION = f"resolution IN ({', '.join(map(str, RESOLUTIONS))})"


class FaultToleranceMetrics(Base):
    """What calls through one circuit did during one bucket, over all replicas."""

    __tablename__ = "fault_tolerance_metrics"
    __table_args__ = (
        CheckConstraint(_RESOLUTION, name="resolution"),
        *(at_least(column, 0) for column in ("successes", "failures", "slow", "rejections", "timeouts", "replicas")),
        Index(None, "resolution", "bucket_start"),
        Index(None, "service", "resolution", "bucket_start"),
        {"comment": "calls through circuits, in buckets of 1, 10, 60 and 3600 seconds", "sqlite_with_rowid": False},
    )

    circuit: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    resolution: Mapped[int] = operational(
        Integer, primary_key=True, autoincrement=False, comment="length of the bucket, seconds"
    )
    bucket_start: Mapped[datetime] = operational(UtcDateTime, primary_key=True, comment="a multiple of resolution")
    service: Mapped[str | None] = operational(String(NAME_LENGTH))
    successes: Mapped[int] = operational(BigInteger, comment="calls")
    failures: Mapped[int] = operational(BigInteger, comment="calls")
    slow: Mapped[int] = operational(BigInteger, comment="calls that took too long; counted as success or failure too")
    rejections: Mapped[int] = operational(BigInteger, comment="calls that were not started")
    timeouts: Mapped[int] = operational(BigInteger, comment="calls; counted as failure too")
    p50: Mapped[float | None] = operational(Double, comment="median of response times, seconds; NULL without calls")
    p95: Mapped[float | None] = operational(Double, comment="seconds; after merging an upper bound")
    p99: Mapped[float | None] = operational(Double, comment="seconds; after merging an upper bound")
    mean: Mapped[float | None] = operational(Double, comment="seconds")
    max: Mapped[float | None] = operational(Double, comment="seconds")
    replicas: Mapped[int] = operational(Integer, comment="replicas that reported; after merging the most at once")


class RetryStatistics(Base):
    """What retries of one policy did during one bucket, over all replicas."""

    __tablename__ = "retry_statistics"
    __table_args__ = (
        CheckConstraint(_RESOLUTION, name="resolution"),
        *(at_least(column, 0) for column in ("calls", "attempts", "retries", "given_up", "hedges", "fallbacks")),
        Index(None, "resolution", "bucket_start"),
        {"comment": "retries of policies, in buckets of 1, 10, 60 and 3600 seconds", "sqlite_with_rowid": False},
    )

    policy: Mapped[str] = operational(String(NAME_LENGTH), primary_key=True)
    resolution: Mapped[int] = operational(
        Integer, primary_key=True, autoincrement=False, comment="length of the bucket, seconds"
    )
    bucket_start: Mapped[datetime] = operational(UtcDateTime, primary_key=True, comment="a multiple of resolution")
    calls: Mapped[int] = operational(BigInteger, comment="calls")
    attempts: Mapped[int] = operational(BigInteger, comment="attempts, the first of each call included")
    retries: Mapped[int] = operational(BigInteger, comment="attempts after the first")
    given_up: Mapped[int] = operational(BigInteger, comment="calls that failed after their last attempt")
    hedges: Mapped[int] = operational(BigInteger, comment="extra attempts against slowness")
    fallbacks: Mapped[int] = operational(BigInteger, comment="calls that a fallback answered")
    budget: Mapped[float | None] = operational(Double, comment="retries left in the budget; after merging the least")


class RollUpMark(Base):
    """How far a table has been summed up into buckets of one length."""

    __tablename__ = "roll_up_marks"
    __table_args__ = ({"comment": "how far metrics are summed up"},)

    series: Mapped[str] = operational(String(64), primary_key=True, comment="name of the table")
    resolution: Mapped[int] = operational(
        Integer, primary_key=True, autoincrement=False, comment="length of the buckets that are written, seconds"
    )
    rolled_until: Mapped[datetime] = operational(UtcDateTime, comment="end of the last bucket that was written")
