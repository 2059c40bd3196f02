"""What became of the requests of one lane, and the figures read from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

IN_TIME = 0.5
"""Seconds within which an answer still helps the one who asked."""


class Answer(Enum):
    """How a request ended for the one who asked."""

    FRESH = "fresh"
    STALE = "stale"
    """Answered from the last good answer."""
    REDUCED = "reduced"
    """Answered without a feature that is switched off."""
    KEPT = "kept"
    """Accepted, to be carried out later."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished request; times in seconds on the monotonic clock."""

    started: float
    ended: float
    answer: Answer
    error: str

    @property
    def seconds(self) -> float:
        """How long the one who asked had to wait."""
        return self.ended - self.started


@dataclass(frozen=True, slots=True)
class Summary:
    """The requests that started within a stretch of time."""

    requests: int
    prompt: int
    fresh: int
    stale: int
    reduced: int
    kept: int
    failed: int
    p50: float
    p99: float
    slowest: float
    errors: dict[str, int]

    @property
    def answered(self) -> float:
        """Share of the requests that got an answer; 1 without requests."""
        return 1.0 if not self.requests else (self.requests - self.failed) / self.requests

    @property
    def in_time(self) -> float:
        """Share of the requests that got an answer within `IN_TIME`; 1 without requests."""
        return 1.0 if not self.requests else self.prompt / self.requests

    def to_dict(self) -> dict[str, object]:
        """Return the figures as JSON values, times in seconds."""
        return {
            "requests": self.requests,
            "answered_share": self.answered,
            "in_time_share": self.in_time,
            "fresh": self.fresh,
            "stale": self.stale,
            "reduced": self.reduced,
            "kept": self.kept,
            "failed": self.failed,
            "p50_seconds": self.p50,
            "p99_seconds": self.p99,
            "slowest_seconds": self.slowest,
            "errors": self.errors,
        }


class Meter:
    """Remembers every request of a lane."""

    def __init__(self) -> None:
        self.most_in_flight = 0
        self._samples: list[Sample] = []
        self._waiting: list[float] = []

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._waiting)

    def begin(self, started: float) -> None:
        """Count a request that starts."""
        self._waiting.append(started)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self, sample: Sample) -> None:
        """Note how it ended."""
        self._waiting.remove(sample.started)
        self._samples.append(sample)

    def overdue(self, now: float) -> int:
        """Return how many requests wait for longer than an answer would help."""
        return sum(started < now - IN_TIME for started in self._waiting)

    def started_between(self, begin: float, end: float) -> list[Sample]:
        """Return the finished requests that started in that stretch."""
        return [sample for sample in self._samples if begin <= sample.started < end]

    def summary(self, begin: float, end: float = math.inf) -> Summary:
        """Sum up the finished requests that started in that stretch."""
        return summarise(self.started_between(begin, end))

    def recent(self, since: float) -> list[Sample]:
        """Return the requests that ended after `since`, newest first; looks only as far back as it must."""
        found: list[Sample] = []
        for sample in reversed(self._samples):
            if sample.ended < since:
                break
            found.append(sample)
        return found


def summarise(samples: Sequence[Sample]) -> Summary:
    """Count how the requests ended and how long they took."""
    times = sorted(sample.seconds for sample in samples)
    errors: dict[str, int] = {}
    for sample in samples:
        if sample.answer is Answer.FAILED:
            errors[sample.error] = errors.get(sample.error, 0) + 1
    return Summary(
        requests=len(samples),
        prompt=sum(sample.answer is not Answer.FAILED and sample.seconds <= IN_TIME for sample in samples),
        fresh=sum(sample.answer is Answer.FRESH for sample in samples),
        stale=sum(sample.answer is Answer.STALE for sample in samples),
        reduced=sum(sample.answer is Answer.REDUCED for sample in samples),
        kept=sum(sample.answer is Answer.KEPT for sample in samples),
        failed=sum(sample.answer is Answer.FAILED for sample in samples),
        p50=quantile(times, 0.5),
        p99=quantile(times, 0.99),
        slowest=times[-1] if times else 0.0,
        errors=dict(sorted(errors.items(), key=lambda item: -item[1])),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of the ordered values do not exceed; 0 without values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def buckets(samples: Iterable[Sample], now: float, width: float, count: int) -> list[float | None]:
    """Return the share answered in each of the last `count` stretches of `width` seconds, oldest first."""
    answered, total = [0] * count, [0] * count
    for sample in samples:
        place = count - 1 - int((now - sample.ended) / width)
        if 0 <= place < count:
            total[place] += 1
            answered[place] += sample.answer is not Answer.FAILED
    return [a / t if t else None for a, t in zip(answered, total, strict=True)]
