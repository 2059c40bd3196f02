"""What came of a simulation: goodput before, during and after the trouble, recovery, response times, refusals."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from .scenario import Scenario

BEFORE, DURING, AFTER, ASIDE = range(4)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What became of the requests that came in a span of time.

    Attributes:
        start: Seconds.
        offered: Requests.
        answered: Of those, requests that the service answered in the end.
        substituted: Of those, requests that a fallback answered.
        refused: Of those, requests that a layer of the policy refused.
        failed: Of those, requests that ended in another error.
        attempts: Attempts that reached the service in this time, whenever their request came.
    """

    start: float
    offered: int
    answered: int
    substituted: int
    refused: int
    failed: int
    attempts: int

    @property
    def goodput(self) -> float:
        """Share of the requests that the service answered; 1 when there were none."""
        return self.answered / self.offered if self.offered else 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one policy.

    Attributes:
        policy: Its name.
        offered: Requests.
        answered: Requests that the service answered in the end.
        substituted: Requests that a fallback answered.
        refused: Requests that a layer refused, by the code of the error.
        failed: Requests that ended in another error, by its kind; `unanswered` had not ended a minute after the last.
        attempts: Attempts that reached the service.
        most_running: Calls that ran at once, over all clients, at most: what they hold of their callers' resources.
        before, during, after: Goodput, as a share of the requests, before, during and after the trouble; the first and
            the last bucket stand aside. None when there were no requests.
        recovery: Seconds from the end of the trouble to the first bucket from which goodput stays recovered; None
            when it never does, or when no time is left to tell.
        p50, p99: Seconds that half of the answered requests, and 99 of 100, took at most; None without any.
        buckets: In order.
    """

    policy: str
    offered: int
    answered: int
    substituted: int
    refused: dict[str, int]
    failed: dict[str, int]
    attempts: int
    most_running: int
    before: float | None
    during: float | None
    after: float | None
    recovery: float | None
    p50: float | None
    p99: float | None
    buckets: tuple[Bucket, ...]

    @property
    def attempts_per_request(self) -> float:
        """Attempts that reached the service for one request, on average."""
        return self.attempts / self.offered if self.offered else 0.0

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON values."""
        names = ("offered", "answered", "substituted", "refused", "failed", "attempts")
        return {
            "policy": self.policy,
            "goodput": {"before": self.before, "during": self.during, "after": self.after},
            "recovery": self.recovery,
            "attempts_per_request": self.attempts_per_request,
            "response_times": {"p50": self.p50, "p99": self.p99},
            "most_running": self.most_running,
            **{name: getattr(self, name) for name in names},
            "buckets": [
                {"start": bucket.start, **{name: getattr(bucket, name) for name in names}} for bucket in self.buckets
            ],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a scenario under one seed.

    Attributes:
        scenario: Its name.
        seed: What the randomness came from.
        bucket: Seconds of one bucket.
        trouble: Start and end of the trouble, in seconds.
        duration: Seconds in which requests came.
        runs: One for each policy.
    """

    scenario: str
    seed: int
    bucket: float
    trouble: tuple[float, float]
    duration: float
    runs: tuple[Run, ...]

    @classmethod
    def of(cls, scenario: Scenario, seed: int, runs: tuple[Run, ...]) -> Report:
        """Return the report of a scenario's runs."""
        return cls(scenario.name, seed, scenario.bucket, scenario.troubled, scenario.duration, runs)

    def __getitem__(self, policy: str) -> Run:
        """Return the run of a policy."""
        for run in self.runs:
            if run.policy == policy:
                return run
        raise KeyError(policy)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON values."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "bucket": self.bucket,
            "trouble": list(self.trouble),
            "duration": self.duration,
            "policies": [run.to_dict() for run in self.runs],
        }

    def to_json(self) -> str:
        """Return it as JSON text, the same for the same scenario and seed."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


class Tally:
    """Counts while a simulation runs; a request counts in the bucket in which it came."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._width = scenario.bucket
        size = ceil(scenario.duration / scenario.bucket - 1e-9)
        self._offered, self._answered, self._substituted, self._refused, self._failed, self._attempts = (
            array("q", bytes(8 * size)) for _ in range(6)
        )
        self._last = size - 1
        self._phases = [[0, 0] for _ in range(4)]
        self._start, self._end = scenario.troubled
        self._durations = array("d")
        self._codes: dict[str, int] = {}
        self._kinds: dict[str, int] = {}
        self._most = 0

    def _phase(self, at: float) -> int:
        if self._start <= at < self._end:
            return DURING
        if at < self._start:
            return BEFORE if at >= self._width else ASIDE
        return AFTER if at < self._scenario.duration - self._width else ASIDE

    def _place(self, at: float) -> int:
        return min(int(at / self._width), self._last)

    def offer(self, at: float, running: int) -> None:
        """Count a request that comes, with which so many run at once."""
        if running > self._most:
            self._most = running
        self._offered[self._place(at)] += 1
        self._phases[self._phase(at)][0] += 1

    def attempt(self, at: float) -> None:
        """Count an attempt that reaches the service."""
        self._attempts[self._place(at)] += 1

    def answered(self, began: float, elapsed: float) -> None:
        """Count a request that the service answered."""
        self._answered[self._place(began)] += 1
        self._phases[self._phase(began)][1] += 1
        self._durations.append(elapsed)

    def substituted(self, began: float) -> None:
        """Count a request that a fallback answered."""
        self._substituted[self._place(began)] += 1

    def refused(self, began: float, code: str) -> None:
        """Count a request that a layer refused."""
        self._refused[self._place(began)] += 1
        self._codes[code] = self._codes.get(code, 0) + 1

    def failed(self, began: float, kind: str) -> None:
        """Count a request that ended in another error."""
        self._failed[self._place(began)] += 1
        self._kinds[kind] = self._kinds.get(kind, 0) + 1

    def unanswered(self, began: Sequence[float]) -> None:
        """Count the requests that have not ended, by the times at which they came."""
        for at in began:
            self.failed(at, "unanswered")

    def run(self, policy: str) -> Run:
        """Return the figures."""
        width = self._width
        buckets = tuple(
            Bucket(place * width, *counts)
            for place, counts in enumerate(
                zip(
                    self._offered, self._answered, self._substituted, self._refused, self._failed, self._attempts,
                    strict=True,
                )
            )
        )  # fmt: skip
        durations = sorted(self._durations)
        before, during, after = (good / offered if offered else None for offered, good in self._phases[:3])
        return Run(
            policy=policy,
            offered=sum(self._offered),
            answered=sum(self._answered),
            substituted=sum(self._substituted),
            refused=dict(sorted(self._codes.items())),
            failed=dict(sorted(self._kinds.items())),
            attempts=sum(self._attempts),
            most_running=self._most,
            before=before,
            during=during,
            after=after,
            recovery=self._recovery(buckets),
            p50=_quantile(durations, 0.5),
            p99=_quantile(durations, 0.99),
            buckets=buckets,
        )

    def _recovery(self, buckets: Sequence[Bucket]) -> float | None:
        """Return the seconds to the first bucket from which all are recovered; the last one stands aside."""
        found = None
        for bucket in reversed(buckets[:-1]):
            if bucket.start < self._end - 1e-9 or bucket.goodput < self._scenario.recovered:
                break
            found = bucket.start - self._end
        return None if found is None else max(0.0, found)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest rank of a sorted sequence."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
