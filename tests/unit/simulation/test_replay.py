"""Outcomes are recorded beside the calls, and replayed against other policies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scrollintel import CircuitBreakerConfig, CircuitOpenError, CircuitState, DeadlineExceededError, Pipeline, Policy
from scrollintel.core.errors import ConfigError
from scrollintel.simulation import (
    Recorded,
    VirtualClock,
    VirtualLoop,
    load_recording,
    record,
    recording_of,
    replay,
)
from scrollintel.simulation.contender import contenders
from scrollintel.testing import ManualClock

BREAKER = {"failure_threshold": 3, "recovery_timeout": 30, "success_threshold": 1}


def outage() -> list[Recorded]:
    """Return a call each second for five minutes, of which those of the third minute fail after half a second."""
    return [
        Recorded(at=1000.0 + n, duration=0.5, outcome="failure" if 120 <= n < 180 else "success")  # type: ignore[arg-type]
        for n in range(300)
    ]


def run(policy: dict[str, Any], recording: list[Recorded] | None = None, **more: Any) -> Any:
    """Return the replay of one policy."""
    return replay(recording or outage(), contenders({"new": policy}), **more)[0]


# ------------------------------------------------------------------ replay


def test_without_protection_everything_ends_as_recorded() -> None:
    """Call by call and bucket by bucket."""
    found = run({})
    assert (found.total.calls, found.total.recorded, found.total.answered) == (300, 240, 240)
    assert all(bucket.recorded == bucket.answered and bucket.refused == 0 for bucket in found.buckets)
    assert found.total.attempts == found.total.recorded_attempts == 300


def test_refused_calls_are_told_apart_by_what_came_of_them() -> None:
    """A circuit avoids failures during the outage and loses successes until its probe."""
    found = run({"breaker": BREAKER})
    assert found.refusals["circuit_open"] == found.total.refused
    assert found.total.avoided >= 50
    assert 1 <= found.total.lost <= 30
    assert found.total.refused == found.total.avoided + found.total.lost
    assert found.total.answered == 240 - found.total.lost
    assert found.worst.start == 1140.0


def test_retries_meet_the_dependency_as_it_was_at_their_time() -> None:
    """A retry within the outage fails, one after it succeeds."""
    found = run({"retry": {"max_attempts": 2, "base_delay": 30, "jitter": False}})
    assert found.total.answered == 240 + 30
    assert found.total.attempts == 300 + 60


def test_a_shorter_time_limit_cuts_off_what_took_longer() -> None:
    """The recorded duration runs in virtual time under the real time limit."""
    assert run({"timeout": 0.4}).total.answered == 0
    assert run({"timeout": 0.6}).total.answered == 240


def test_calls_that_were_refused_then_get_a_likely_end() -> None:
    """They take the recorded attempt nearest in time."""
    recording = [
        Recorded(at=at, duration=0.1 if outcome != "refused" else 0.0, outcome=outcome)  # type: ignore[arg-type]
        for at, outcome in ((0, "failure"), (1, "refused"), (9, "refused"), (10, "success"))
    ]
    found = run({}, recording, bucket=5.0)
    assert [(bucket.recorded, bucket.answered) for bucket in found.buckets] == [(0, 0), (0, 1), (1, 1)]


def test_evidence_is_that_of_the_same_key() -> None:
    """One shard's failures say nothing of another."""
    recording = [
        Recorded(at=0.0, duration=0.1, outcome="failure", key="a"),  # type: ignore[arg-type]
        Recorded(at=0.5, duration=0.1, outcome="success", key="b"),  # type: ignore[arg-type]
        Recorded(at=0.6, duration=0.0, outcome="refused", key="a"),  # type: ignore[arg-type]
    ]
    assert run({}, recording).total.answered == 1


def test_attempts_of_one_call_are_one_call() -> None:
    """Its goodput is that of its last attempt; the policy starts from its first."""
    recording = [
        Recorded(at=0.0, duration=0.1, outcome="failure", call="c"),  # type: ignore[arg-type]
        Recorded(at=0.2, duration=0.1, outcome="success", call="c", attempt=2),  # type: ignore[arg-type]
    ]
    alone = run({}, recording).total
    assert (alone.calls, alone.recorded, alone.recorded_attempts, alone.answered, alone.attempts) == (1, 1, 2, 0, 1)
    again = run({"retry": {"max_attempts": 2, "base_delay": 0.2, "jitter": False}}, recording).total
    assert (again.answered, again.attempts) == (1, 2)


def test_policies_find_errors_by_their_recorded_names() -> None:
    """Lists of names match; a time limit is a TimeoutError as well."""
    recording = [
        Recorded(at=0.0, duration=0.1, outcome="failure", error="BrokenPipeError"),  # type: ignore[arg-type]
        Recorded(at=1.0, duration=0.1, outcome="timeout", error="ReadTimeout"),  # type: ignore[arg-type]
    ]
    retry = {"max_attempts": 2, "base_delay": 0.01}
    for names, attempts in (["BrokenPipeError"], 3), (["TimeoutError"], 3), (["ReadTimeout"], 3), (["ValueError"], 2):
        assert run({"retry": {**retry, "retryable_exceptions": names}}, recording).total.attempts == attempts


def test_a_replay_is_the_same_again() -> None:
    """Jitter comes from the seed."""
    policy = {"retry": {"max_attempts": 3, "base_delay": 20}}
    first = json.dumps(run(policy).to_dict())
    assert json.dumps(run(policy).to_dict()) == first
    assert json.dumps(run(policy, seed=2).to_dict()) != first


# ------------------------------------------------------------------ files


def test_a_recording_needs_three_fields_a_line() -> None:
    """Lines may stand in any order, empty ones are left out."""
    found = recording_of(
        ['{"at": 2, "duration": 1, "outcome": "failure"}', "", '{"at": 1, "duration": 0, "outcome": "success"}']
    )
    assert [item.at for item in found] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "line 1"),
        ('{"at": 1, "duration": 1}', "line 1 outcome"),
        ('{"at": 1, "duration": -1, "outcome": "success"}', "line 1 duration"),
        ('{"at": 1, "duration": 1, "outcome": "succes"}', "line 1 outcome"),
        ('{"at": 1, "duration": 1, "outcome": "success", "eror": "x"}', "did you mean error"),
        ('{"at": 1, "duration": 0, "outcome": "refused"}', "at least one attempt"),
        ("", "at least one attempt"),
    ],
)
def test_wrong_lines_are_told_by_their_numbers(text: str, told: str) -> None:
    """Field, value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        recording_of([text])
    assert told in str(caught.value)


# ------------------------------------------------------------------ recording


def test_what_was_recorded_is_replayed_the_same(tmp_path: Path) -> None:
    """Record under one policy, replay under the same: as many calls are answered and refused."""
    loop, path = VirtualLoop(), tmp_path / "outcomes.jsonl"
    policy = contenders({"p": {"breaker": {**BREAKER, "recovery_timeout": 20.37}, "timeout": 2.0}})
    pipeline = Pipeline(policy["p"].policy, clock=VirtualClock(loop))
    seen = {"ok": 0, "refused": 0}

    async def operation(n: int) -> None:
        await asyncio.sleep(5.0 if n % 50 == 7 else 0.1)
        if 100 <= n < 140:
            raise ConnectionError

    async def main() -> None:
        for n in range(200):
            try:
                await pipeline.acall(operation, n)
            except CircuitOpenError:
                seen["refused"] += 1
            except Exception:
                pass
            else:
                seen["ok"] += 1
            await asyncio.sleep(1.0)

    with record(pipeline, path, clock=VirtualClock(loop)) as recording:
        loop.run_until_complete(main())
    assert (recording.written, recording.dropped, recording.problem) == (200, 0, None)
    found = replay(load_recording(path), policy)[0].total
    assert (found.calls, found.answered, found.recorded, found.refused) == (
        200,
        seen["ok"],
        seen["ok"],
        seen["refused"],
    )
    assert seen["refused"] > 20


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a recording without their times."""
    found = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name not in ("at", "duration", "call")} for line in found]


def test_attempts_errors_and_keys_are_kept(tmp_path: Path) -> None:
    """Each attempt has a line; a later one has its number, and the call in common with the first."""
    path, left = tmp_path / "outcomes.jsonl", [ConnectionError(), TimeoutError()]

    def operation(host: str) -> str:
        if left:
            raise left.pop(0)
        return host

    key: Callable[..., str] = lambda host: host  # noqa: E731
    pipeline = Pipeline(Policy("p", retry={"base_delay": 0}))  # type: ignore[arg-type]
    with record(pipeline, path, key=key):
        assert pipeline.call(operation, "db-1") == "db-1"
    assert lines(path) == [
        {"outcome": "failure", "attempt": 1, "key": "db-1", "error": "ConnectionError"},
        {"outcome": "timeout", "attempt": 2, "key": "db-1", "error": "TimeoutError"},
        {"outcome": "success", "attempt": 3, "key": "db-1"},
    ]
    assert len({json.loads(text)["call"] for text in path.read_text("utf-8").splitlines()}) == 1
    pipeline.call(operation, "db-1")
    assert len(lines(path)) == 3, "nothing is recorded after the end"


def test_refused_calls_are_kept(tmp_path: Path) -> None:
    """A call that no attempt was made for has a line of its own."""
    path = tmp_path / "outcomes.jsonl"
    pipeline = Pipeline(Policy("p", bulkhead=1))

    def outer() -> None:
        with pytest.raises(Exception, match="no free slot"):
            pipeline.call(int)

    with record(pipeline, path):
        pipeline.call(outer)
    assert lines(path) == [
        {"outcome": "refused", "attempt": 1, "error": "BulkheadFullError"}, {"outcome": "success", "attempt": 1},
    ]  # fmt: skip


def test_what_is_recorded_can_be_loaded_whatever_key_and_error_there_were(tmp_path: Path) -> None:
    """Keys that are no line of text are written as Python writes them, and stay different from each other."""
    path, keys = tmp_path / "outcomes.jsonl", ["", " ", "a\tb", "\ud800", "k" * 600, "plain"]

    def operation(key: str) -> None:
        raise type("no name: <locals>", (Exception,), {})

    pipeline = Pipeline(Policy("p"))
    with record(pipeline, path, key=lambda key: key):
        for key in keys:
            with pytest.raises(Exception, match=r"^$"):
                pipeline.call(operation, key)
    found = load_recording(path)
    assert len({item.key for item in found}) == len(keys)
    assert found[-1].key == "plain" and {item.error for item in found} == {None}


def test_what_is_recorded_is_a_pipeline(tmp_path: Path) -> None:
    """A name in its place is told, and no file is left."""
    wrong: Any = "payments"
    with pytest.raises(ConfigError, match="pipeline='payments': must be a Pipeline, as `protect` returns it"):
        record(wrong, tmp_path / "outcomes.jsonl")
    assert not (tmp_path / "outcomes.jsonl").exists()


def test_refusals_of_policies_inside_are_no_failures_of_the_dependency(tmp_path: Path) -> None:
    """The circuit outside stays closed when they are replayed, as it did when they were recorded."""
    path = tmp_path / "outcomes.jsonl"
    inner, outer = (
        Pipeline(Policy(name, breaker=CircuitBreakerConfig(name, failure_threshold=3))) for name in ("inner", "outer")
    )
    inner.circuit().isolate()
    with record(outer, path):
        for _ in range(5):
            with pytest.raises(CircuitOpenError):
                outer.call(lambda: inner.call(int))
        assert outer.call(int) == 0
    assert outer.circuit().state is CircuitState.CLOSED
    assert lines(path)[0] == {"outcome": "nested_refusal", "attempt": 1, "error": "CircuitIsolatedError"}
    found = run({"breaker": BREAKER, "retry": {"max_attempts": 3}}, load_recording(path)).total
    assert (found.calls, found.answered, found.failed, found.refused, found.attempts) == (6, 1, 5, 0, 6)


def test_a_call_whose_time_is_over_before_its_attempt_is_kept_as_refused(tmp_path: Path, clock: ManualClock) -> None:
    """Nothing reached the dependency."""
    path = tmp_path / "outcomes.jsonl"
    pipeline = Pipeline(Policy("p"), clock=clock)
    around = Pipeline(Policy("around", timeout=1.0), clock=clock)

    def late() -> None:
        clock.advance(2.0)
        with pytest.raises(DeadlineExceededError):
            pipeline.call(int)

    with record(pipeline, path):
        around.call(late)
    assert lines(path) == [{"outcome": "refused", "attempt": 1, "error": "DeadlineExceededError"}]


class Key(str):
    """A key that counts how often it is compared."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return str.__eq__(self, other)


def test_a_replay_looks_at_each_call_once_however_many_keys_there_are() -> None:
    """Not at all calls for each key."""
    recording = [
        Recorded(at=float(n), duration=0.0, outcome="success", key=Key(n))  # type: ignore[arg-type]
        for n in range(500)
    ]
    assert run({}, recording).total.answered == 500
    assert Key.compared < 10 * 500


def test_a_replay_refuses_buckets_without_number() -> None:
    """A recording with a wrong time would need more of them than there is memory."""
    recording = [Recorded(at=at, duration=0.0, outcome="success") for at in (0.0, 1.7e9)]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"bucket=60\.0: must be above 17000 seconds"):
        run({}, recording)
    assert run({}, recording, bucket=20_000.0).total.answered == 2


def test_a_key_that_fails_does_not_reach_the_call(tmp_path: Path) -> None:
    """The line has no key then."""
    pipeline = Pipeline(Policy("p"))
    with record(pipeline, tmp_path / "outcomes.jsonl", key=lambda: 1 / 0):
        assert pipeline.call(int) == 0
    assert lines(tmp_path / "outcomes.jsonl") == [{"outcome": "success", "attempt": 1}]


def test_a_pipeline_has_one_observer(tmp_path: Path) -> None:
    """A recording does not push out a tracer."""
    pipeline = Pipeline(Policy("p"))
    with record(pipeline, tmp_path / "one.jsonl"), pytest.raises(ConfigError, match="nobody observes"):
        record(pipeline, tmp_path / "two.jsonl")
