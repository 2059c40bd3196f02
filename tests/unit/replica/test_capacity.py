"""What a process tells of the parts that keep it within its capacity: only what has changed, and what is gone."""

from __future__ import annotations

import contextlib
import gc
from typing import Any

import pytest

from scrollintel import (
    Admission,
    AdmissionConfig,
    Criticality,
    FallbackConfig,
    FaultToleranceManager,
    HostPool,
    MetastabilityConfig,
    OutlierConfig,
    Policy,
    RejectedError,
    shadowable,
)
from scrollintel.core.hub import EventHub
from scrollintel.core.registry import Registry
from scrollintel.replica.figures import Figures
from scrollintel.replica.parts import PART_KINDS, PartReport
from scrollintel.replica.reading import read_parts
from scrollintel.testing import ManualClock


@pytest.fixture
def manager(registry: Registry) -> FaultToleranceManager:
    """Return a manager on the manual clock."""
    return FaultToleranceManager(registry=registry)


def spare() -> int:
    """Answer in place of an operation."""
    return 0


def rows(manager: FaultToleranceManager) -> dict[tuple[str, str | None], PartReport]:
    """Return everything that a process tells, by kind and member."""
    return {(row.kind, row.member): row for row in Figures(manager).parts(full=True)}


def down(pool: HostPool, host: str) -> None:
    """Make calls, of which those to one host fail, until it is taken out."""

    def ask(asked: str) -> None:
        if asked == host:
            raise ConnectionError

    while not any(view.ejected for view in pool.snapshot().hosts):
        with contextlib.suppress(ConnectionError):
            pool.call(ask)


def test_parts_of_a_detector_tell_its_phase_and_what_it_sees(manager: FaultToleranceManager) -> None:
    """A policy without a detector tells nothing of one."""
    manager.registry.pipeline(Policy("watched", metastability=MetastabilityConfig())).call(int)
    manager.registry.pipeline(Policy("plain")).call(int)
    (row,) = rows(manager).values()
    assert (row.name, row.kind, row.member, row.state) == ("watched", "metastability", None, "learning")
    assert row.figures["share"] == 1.0
    assert row.figures.keys() == PART_KINDS["metastability"].figures.keys()


def test_parts_of_fallbacks_tell_each_that_may_run_beside_calls(
    manager: FaultToleranceManager, clock: ManualClock
) -> None:
    """One that has not worked for too long is cold, also when no call comes to find that out."""
    config = FallbackConfig([shadowable(spare), lambda: 1, shadowable(lambda: 2)], shadow_rate=1e-9, cold_after=10.0)
    manager.registry.pipeline(Policy("warm", fallback=config)).call(int)
    assert [(row.member, row.state) for row in rows(manager).values()] == [("spare", "warm"), ("<lambda>", "warm")]
    clock.advance(11.0)
    found = rows(manager)["fallback", "spare"]
    assert (found.state, found.reason) == ("cold", "it has not worked yet, for 11 s")
    assert "last_worked" not in found.figures


def test_parts_of_fallbacks_of_one_name_are_told_apart(manager: FaultToleranceManager) -> None:
    """Two functions may be called the same."""
    config = FallbackConfig([shadowable(lambda: 1), shadowable(lambda: 2)], shadow_rate=1e-9)
    manager.registry.pipeline(Policy("warm", fallback=config)).call(int)
    assert [member for _, member in rows(manager)] == ["<lambda>", "<lambda> (1)"]


def test_parts_of_a_server_tell_what_it_let_in_and_refused(
    manager: FaultToleranceManager, clock: ManualClock, hub: EventHub
) -> None:
    """Servers of one name are one, and requests are counted by class."""
    config = AdmissionConfig("api", max_concurrent=1, max_waiting=0)
    servers = [Admission(config, clock=clock, hub=hub) for _ in range(2)]
    for server in servers:
        server.enter(Criticality.CRITICAL)
    with pytest.raises(RejectedError):
        servers[0].enter(Criticality.SHEDDABLE)
    found = rows(manager)["admission", None]
    assert found.figures["limit"] == found.figures["running"] == found.figures["served_critical"] == 2
    assert (found.figures["shed_sheddable"], found.figures["shed_critical"]) == (1, 0)
    assert found.figures.keys() == PART_KINDS["admission"].figures.keys()


def test_parts_of_a_pool_name_the_hosts_that_are_out(
    manager: FaultToleranceManager, clock: ManualClock, hub: EventHub
) -> None:
    """Hosts that are admitted are only counted; a pool whose events go elsewhere belongs to somebody else."""
    pool = HostPool("search", ["a", "b", "c"], clock=clock, hub=hub, config=OutlierConfig(ejection_time=30.0))
    other = HostPool("other", ["x"], clock=clock, hub=EventHub())
    assert [view.name for view in manager.pools()] == ["search"]
    down(pool, "b")
    found = rows(manager)
    assert found.keys() == {("pool", None), ("host", "b")}
    assert found["pool", None].state == "reduced"
    assert found["pool", None].figures == {"hosts": 3, "ejected": 1, "ejections": 1}
    assert (found["host", "b"].reason, found["host", "b"].figures["returns_in"]) == ("5 failures in a row", 30)
    assert manager.pools()[0].share == pytest.approx(2 / 3)
    assert other.hosts == ("x",)


def test_parts_are_told_once_until_they_change_or_are_gone(
    manager: FaultToleranceManager, clock: ManualClock, hub: EventHub
) -> None:
    """What stands as before is silent; a host that is back and a pool that is dropped are told to be gone."""
    pool = HostPool("search", ["a", "b", "c"], clock=clock, hub=hub, config=OutlierConfig(ejection_time=30.0))
    figures = Figures(manager)
    assert [row.kind for row in figures.parts()] == ["pool"]
    assert figures.parts() == []
    down(pool, "b")
    assert [(row.kind, row.state) for row in figures.parts()] == [("pool", "reduced"), ("host", "ejected")]
    clock.advance(30.0)
    assert [(row.kind, row.member, row.state) for row in figures.parts()] == [
        ("host", "b", None), ("pool", None, "whole"),
    ]  # fmt: skip
    assert len(figures.parts(full=True)) == 1
    del pool
    gc.collect()
    assert [(row.kind, row.state) for row in figures.parts()] == [("pool", None)]
    assert figures.parts() == []


def test_parts_are_read_as_they_are_told(manager: FaultToleranceManager, clock: ManualClock, hub: EventHub) -> None:
    """Every row of a process is one that the control plane takes, with all of its figures."""
    manager.registry.pipeline(Policy("watched", metastability=MetastabilityConfig())).call(int)
    config = FallbackConfig(shadowable(spare), shadow_rate=1e-9)
    manager.registry.pipeline(Policy("warm", fallback=config)).call(int)
    kept: list[Any] = [Admission(clock=clock, hub=hub), HostPool("search", ["a", "b", "c"], clock=clock, hub=hub)]
    down(kept[1], "b")
    told = Figures(manager).parts()
    assert {row.kind for row in told} == PART_KINDS.keys()
    assert read_parts([list(row) for row in told]) == told
