"""What recorded calls would have come to under another policy: its real pipeline, in virtual time."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

from ..core.chance import drawing_from
from ..core.errors import ConfigError, RejectedError, Violation
from ..core.hub import EventHub
from ..core.pipeline import Pipeline
from .clock import VirtualClock
from .contender import Contender
from .loop import VirtualLoop
from .recording import Recorded, RecordedOutcome
from .run import GRACE
from .scenario import MAX_BUCKETS

SUCCESS, TIMEOUT, REFUSED = RecordedOutcome.SUCCESS, RecordedOutcome.TIMEOUT, RecordedOutcome.REFUSED
NESTED_REFUSAL = RecordedOutcome.NESTED_REFUSAL
ASSUMPTIONS = (
    "The dependency answers as it did: less or more load of the policy would not have made it better or worse.",
    "The first attempt of a call ends as recorded; a further one, and the first of a call that was refused then, as "
    "the recorded attempt with the same key that began nearest in time.",
    "What a time limit cut short then takes just as long; a longer limit would have waited for an unknown result.",
    "One pipeline sees all recorded calls; if several processes made them, each would decide for itself.",
    "Calls come when they came: callers neither give up nor come again because of other answers.",
)


class RecordedError(Exception):
    """The recorded attempt failed."""


class RecordedTimeoutError(RecordedError, TimeoutError):
    """The recorded attempt ended in a time limit."""


class RecordedRefusalError(RecordedError, RejectedError):
    """The recorded attempt ended in the refusal of another policy inside it."""


@dataclass(slots=True)
class ReplayBucket:
    """What became of the calls that came in a span of time.

    Attributes:
        start: Seconds, on the scale of the recording.
        calls: Recorded calls.
        recorded: Of those, calls that succeeded when they were recorded.
        answered: Of those, calls that succeed under the policy.
        substituted: Of those, calls that its fallback answers.
        refused: Of those, calls that the policy refuses.
        failed: Of those, calls that end in another error.
        avoided: Of the refused, calls whose first attempt failed when they were recorded.
        lost: Of the refused, calls whose first attempt succeeded then.
        attempts: Attempts that reach the dependency.
        recorded_attempts: Attempts that reached it then.
    """

    start: float
    calls: int = 0
    recorded: int = 0
    answered: int = 0
    substituted: int = 0
    refused: int = 0
    failed: int = 0
    avoided: int = 0
    lost: int = 0
    attempts: int = 0
    recorded_attempts: int = 0

    @property
    def goodput_then(self) -> float | None:
        """Share of the calls that succeeded when they were recorded; None without calls."""
        return self.recorded / self.calls if self.calls else None

    @property
    def goodput(self) -> float | None:
        """Share of the calls that succeed under the policy; None without calls."""
        return self.answered / self.calls if self.calls else None


@dataclass(slots=True)
class Replay:
    """What came of one policy.

    Attributes:
        policy: Its name.
        bucket: Seconds of one bucket.
        total: Sums over all buckets.
        refusals: Refused calls, by the code of the error.
        buckets: In order.
    """

    policy: str
    bucket: float
    total: ReplayBucket
    refusals: dict[str, int] = field(default_factory=dict)
    buckets: list[ReplayBucket] = field(default_factory=list)

    @property
    def worst(self) -> ReplayBucket:
        """The bucket with the least goodput when it was recorded."""
        return min((bucket for bucket in self.buckets if bucket.calls), key=lambda bucket: bucket.goodput_then or 0.0)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON values."""
        return {
            "policy": self.policy,
            "bucket": self.bucket,
            "goodput": {"recorded": self.total.goodput_then, "replayed": self.total.goodput},
            **{name: value for name, value in asdict(self.total).items() if name != "start"},
            "refusals": dict(sorted(self.refusals.items())),
            "buckets": [asdict(bucket) for bucket in self.buckets],
        }


class _Evidence:
    """The recorded attempts of one key by their times."""

    def __init__(self, attempts: Sequence[Recorded]) -> None:
        self._attempts = attempts
        self._times = [item.at for item in attempts]

    def nearest(self, at: float) -> Recorded:
        """Return the attempt that began nearest to a time; of two, the earlier."""
        place = bisect_left(self._times, at)
        if place == 0:
            return self._attempts[0]
        if place == len(self._times):
            return self._attempts[-1]
        before, after = self._attempts[place - 1], self._attempts[place]
        return before if at - before.at <= after.at - at else after


@dataclass(slots=True)
class _RecordedCall:
    first: Recorded
    succeeded: bool = False
    attempts: int = 0
    replayed: int = 0
    answered: bool = False


class _Stage:
    """One replay: loop, pipeline, evidence and figures."""

    def __init__(self, recording: Sequence[Recorded], contender: Contender, bucket: float, seed: int) -> None:
        self._zero = recording[0].at
        self.loop = VirtualLoop()
        policy = contender.policy
        if contender.keyed:
            policy = replace(policy, key=lambda call: call.first.key or "")
        self._pipeline = Pipeline(policy, clock=VirtualClock(self.loop, self._zero), hub=EventHub())
        self._random = Random(f"replay {seed}")
        self._calls = _calls(recording)
        tried = [item for item in recording if item.outcome is not REFUSED]
        self._all = _Evidence(tried)
        by_key: dict[str | None, list[Recorded]] = {}
        for item in tried:
            by_key.setdefault(item.key, []).append(item)
        self._by_key = {key: _Evidence(items) for key, items in by_key.items()}
        last = self._calls[-1].first.at
        start = self._zero // bucket * bucket
        if not (last - start) / bucket < MAX_BUCKETS:
            allowed = f"above {(last - start) / MAX_BUCKETS:g} seconds, for at most {MAX_BUCKETS} buckets"
            raise ConfigError("replay", [Violation("bucket", bucket, allowed)])
        self._buckets = [ReplayBucket(start + bucket * n) for n in range(int((last - start) // bucket) + 1)]
        self.result = Replay(policy.name, bucket, ReplayBucket(self._zero), buckets=self._buckets)

    def run(self) -> Replay:
        """Let it happen."""
        tasks: list[asyncio.Task[None]] = []
        for call in self._calls:
            self.loop.call_at(
                call.first.at - self._zero,
                lambda call=call: tasks.append(self.loop.create_task(self._call(call))),
            )
        with drawing_from(self._random.random):
            longest = max(call.first.duration for call in self._calls)
            self.loop.run_until(self._calls[-1].first.at - self._zero + longest + GRACE)
            for task in tasks:
                task.cancel()
            self.loop.run_until(self.loop.time())
        self.loop.close()
        for bucket in self._buckets:
            for name in ReplayBucket.__slots__:
                if name != "start":
                    setattr(self.result.total, name, getattr(self.result.total, name) + getattr(bucket, name))
        return self.result

    async def _call(self, call: _RecordedCall) -> None:
        bucket = self._buckets[int((call.first.at - self._buckets[0].start) // self.result.bucket)]
        bucket.calls += 1
        bucket.recorded += call.succeeded
        bucket.recorded_attempts += call.attempts
        try:
            await self._pipeline.acall(self._operation, call)
        except RecordedError:
            bucket.failed += 1
        except RejectedError as error:
            bucket.refused += 1
            self.result.refusals[error.code] = self.result.refusals.get(error.code, 0) + 1
            if call.replayed == 0 and call.first.outcome is not REFUSED:
                bucket.lost += call.first.outcome is SUCCESS
                bucket.avoided += call.first.outcome is not SUCCESS
        except (Exception, asyncio.CancelledError):
            bucket.failed += 1
        else:
            bucket.answered += call.answered
            bucket.substituted += not call.answered
        bucket.attempts += call.replayed

    async def _operation(self, call: _RecordedCall) -> None:
        """End as the recorded attempt did that stands for this one, after as long."""
        call.replayed += 1
        seen = call.first
        if call.replayed > 1 or seen.outcome is REFUSED:
            seen = self._by_key.get(call.first.key, self._all).nearest(self._zero + self.loop.time())
        await asyncio.sleep(seen.duration)
        if seen.outcome is not SUCCESS:
            raise _error(seen)
        call.answered = True


def _calls(recording: Sequence[Recorded]) -> list[_RecordedCall]:
    """Return the recorded calls in the order of their beginnings."""
    found: list[_RecordedCall] = []
    named: dict[str, _RecordedCall] = {}
    for item in recording:
        call = None if item.call is None else named.get(item.call)
        if call is None:
            call = _RecordedCall(item)
            found.append(call)
            if item.call is not None:
                named[item.call] = call
        call.succeeded = call.succeeded or item.outcome is SUCCESS
        call.attempts += item.outcome is not REFUSED
    return found


_ERRORS = {TIMEOUT: RecordedTimeoutError, NESTED_REFUSAL: RecordedRefusalError}


def _error(seen: Recorded) -> Exception:
    """Return an error whose class has the recorded name, so that lists of names in a policy find it."""
    base: type[Exception] = _ERRORS.get(seen.outcome, RecordedError)
    kind: type[Exception] = base if seen.error is None else type(seen.error, (base,), {})
    return kind("as recorded")


def replay(
    recording: Sequence[Recorded], policies: Mapping[str, Contender], *, bucket: float = 60.0, seed: int = 1
) -> tuple[Replay, ...]:
    """Run recorded calls against other policies in virtual time, and return what each would have made of them.

    The same recording, policies and seed give the same result. What is assumed stands in `ASSUMPTIONS`.

    Arguments:
        recording: What `load_recording` returns.
        policies: Policies by name, as in a scenario.
        bucket: Seconds for which goodput is told in one figure; above 0, at most 100,000 of them, default 60.
        seed: What the engine's randomness comes from; default 1.

    Raises:
        ConfigError: when a bucket is so short that there are more than 100,000.
        RuntimeError: inside a running event loop; `asyncio.to_thread(replay, ...)` works there.
    """
    return tuple(_Stage(recording, contender, bucket, seed).run() for contender in policies.values())
