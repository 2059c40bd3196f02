"""Callers are moved to a healthy candidate only, once, after the old address was fenced, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scrollintel.actions.failover import Failover, FailoverOptions
from scrollintel.core.errors import ConfigError, PlanRefusedError, ScrollIntelError, StepFailedError
from tests.servers.recorder import Answer, HttpRecorder

from .rig import Bench

OLD = "db-1:5432"


@pytest.fixture
def candidate() -> Iterator[HttpRecorder]:
    """Return a healthy candidate."""
    with HttpRecorder(lambda _: Answer(200, {"lag": 10})) as server:
        yield server


def options(candidate: HttpRecorder, fence: str | None = None, max_lag: float | None = None) -> FailoverOptions:
    """Return the options of a failover from `OLD` to the candidate."""
    return FailoverOptions(
        endpoint="db",
        candidates=(OLD, f"127.0.0.1:{candidate.port}"),
        probe="http://{host}:{port}/replica",
        fence=fence,
        max_lag=max_lag,
        interval=0.0,
    )


def test_failover_points_once_and_is_proven_at_the_new_address(tmp_path: Path, candidate: HttpRecorder) -> None:
    """The same plan twice is one order."""
    bench = Bench(tmp_path)
    strategy = Failover(bench.context, options(candidate, max_lag=10))
    plan = bench.plan(strategy)
    strategy.act(plan)
    strategy.act(plan)
    assert bench.desk.given == [("point", "db", f"127.0.0.1:{candidate.port}")]
    assert strategy.verify(plan) and strategy.traits.failover
    candidate.answer = lambda _: Answer(503)
    assert not strategy.verify(plan)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503), "answers 503"),
        (Answer(200, {"lag": 11}), "11 behind"),
        (Answer(200, {}), "does not tell"),
        (Answer(200, b'{"lag": NaN}'), "behind"),
    ],
)
def test_failover_to_an_unfit_candidate_is_refused(
    tmp_path: Path, candidate: HttpRecorder, answer: Answer, words: str
) -> None:
    """A candidate that is ill or too far behind does not take over."""
    candidate.answer = lambda _: answer
    bench = Bench(tmp_path)
    strategy = Failover(bench.context, options(candidate, max_lag=10))
    with pytest.raises(PlanRefusedError, match=words):
        strategy.plan(strategy.observe())
    assert bench.desk.given == []


def test_failover_to_a_candidate_that_fell_ill_after_the_plan_does_not_point(
    tmp_path: Path, candidate: HttpRecorder
) -> None:
    """The candidate is looked at again just before the switch."""
    bench = Bench(tmp_path)
    strategy = Failover(bench.context, options(candidate))
    plan = bench.plan(strategy)
    candidate.answer = lambda _: Answer(500)
    with pytest.raises(StepFailedError, match="500"):
        strategy.act(plan)
    assert bench.desk.given == []


def test_failover_that_cannot_fence_does_not_point(tmp_path: Path, candidate: HttpRecorder) -> None:
    """Two leaders are worse than none; the hook gets key and epoch."""
    bench = Bench(tmp_path)
    with HttpRecorder(lambda _: Answer(500)) as hook:
        strategy = Failover(bench.context, options(candidate, fence=hook.url))
        plan = bench.plan(strategy)
        with pytest.raises(ScrollIntelError, match="fencing"):
            strategy.act(plan)
        assert bench.desk.given == []
        hook.answer = lambda _: Answer(204)
        strategy.act(plan)
    new = f"127.0.0.1:{candidate.port}"
    assert hook.asked[-1].json() == {"endpoint": "db", "old": OLD, "new": new, "key": "rec_1", "epoch": 3}
    with pytest.raises(StepFailedError, match="fenced"):
        strategy.undo(plan)


def test_failover_is_taken_back_to_a_healthy_old_address_only(tmp_path: Path, candidate: HttpRecorder) -> None:
    """Undo does not lead callers to an address that is down."""
    with HttpRecorder() as first:
        bench = Bench(tmp_path)
        old, new = f"127.0.0.1:{first.port}", f"127.0.0.1:{candidate.port}"
        strategy = Failover(
            bench.context,
            FailoverOptions(endpoint="db", candidates=(old, new), probe="http://{host}:{port}/", interval=0.0),
        )
        plan = bench.plan(strategy)
        strategy.act(plan)
        first.answer = lambda _: Answer(503)
        with pytest.raises(StepFailedError, match="503"):
            strategy.undo(plan)
        first.answer = lambda _: Answer(200)
        strategy.undo(plan)
    assert bench.desk.addresses == {"db": old}


def test_failover_leaves_alone_what_others_pointed_meanwhile(tmp_path: Path, candidate: HttpRecorder) -> None:
    """A person's order after the plan stands."""
    bench = Bench(tmp_path)
    strategy = Failover(bench.context, options(candidate))
    plan = bench.plan(strategy)
    bench.desk.addresses["db"] = "db-9:5432"
    with pytest.raises(StepFailedError, match="db-9"):
        strategy.act(plan)
    strategy.undo(plan)
    assert bench.desk.addresses == {"db": "db-9:5432"}


def test_failover_options_without_a_host_in_the_probe_are_refused() -> None:
    """A probe that always asks the same place says nothing about a candidate."""
    with pytest.raises(ConfigError, match="probe"):
        FailoverOptions(endpoint="db", candidates=("a:1", "b:1"), probe="http://a/")
