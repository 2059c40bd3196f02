"""Patroni by a recorded API over real HTTP: the right candidate, once, and nobody who must not lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scrollintel.actions.patroni import Patroni, PatroniOptions
from scrollintel.core.errors import PlanRefusedError, StepFailedError
from tests.servers.recorder import Answer, Asked, HttpRecorder

from .rig import Bench


def member(name: str, role: str, state: str = "streaming", **more: Any) -> dict[str, Any]:  # Any: JSON values
    """Return a member as `GET /cluster` lists it."""
    return {"name": name, "role": role, "state": state, "host": "10.0.0.1", "port": 5432, "timeline": 3, **more}


class Cluster:
    """Answers as Patroni does."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {
            "members": [
                member("pg-1", "leader", "running"),
                member("pg-2", "replica", lag=4096),
                member("pg-3", "replica", lag=0),
                member("pg-4", "replica", lag=0, tags={"nofailover": True}),
                member("pg-5", "replica", "start failed", lag="unknown"),
            ]
        }
        self.changes: list[tuple[str, dict[str, Any]]] = []

    def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
        if asked.method == "POST":
            self.changes.append((asked.path, asked.json()))
            self.lead(asked.json()["candidate"])
            return Answer(200, b"Successfully switched over")
        return Answer(200, self.content)

    def lead(self, name: str | None) -> None:
        """Make a member the leader."""
        for item in self.content["members"]:
            if item["role"] == "leader" or item["name"] == name:
                leads = item["name"] == name
                item |= {"role": "leader" if leads else "replica", "state": "running" if leads else "stopped"}


def test_switchover_takes_the_replica_that_is_least_behind_once(tmp_path: Path) -> None:
    """The same plan twice is one switchover, and the proof is who leads."""
    cluster, bench = Cluster(), Bench(tmp_path)
    with HttpRecorder(cluster.answer) as server:
        strategy = Patroni(bench.context, PatroniOptions(members=("http://127.0.0.1:1", server.url)))
        plan = bench.plan(strategy)
        assert not strategy.verify(plan)
        strategy.act(plan)
        strategy.act(plan)
        bench.good = True
        assert strategy.verify(plan)
    assert cluster.changes == [("/switchover", {"leader": "pg-1", "candidate": "pg-3"})]


def test_cluster_without_a_leader_gets_a_failover(tmp_path: Path) -> None:
    """There is nobody to switch over from."""
    cluster, bench = Cluster(), Bench(tmp_path)
    cluster.lead(None)
    with HttpRecorder(cluster.answer) as server:
        strategy = Patroni(bench.context, PatroniOptions(members=(server.url,)))
        strategy.act(bench.plan(strategy))
    assert cluster.changes == [("/failover", {"candidate": "pg-3"})]


def test_cluster_without_a_replica_that_may_lead_is_left_alone(tmp_path: Path) -> None:
    """Lag, a tag, or a state that forbids it: nobody is promoted; nor while the cluster is paused."""
    cluster, bench = Cluster(), Bench(tmp_path)
    with HttpRecorder(cluster.answer) as server:
        strategy = Patroni(bench.context, PatroniOptions(members=(server.url,), max_lag=0))
        cluster.content["pause"] = True
        with pytest.raises(PlanRefusedError, match="maintenance"):
            strategy.plan(strategy.observe())
        del cluster.content["pause"], cluster.content["members"][2]
        with pytest.raises(PlanRefusedError, match="no replica"):
            strategy.plan(strategy.observe())


def test_cluster_that_moved_by_itself_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Patroni was faster: whoever leads now stays."""
    cluster, bench = Cluster(), Bench(tmp_path)
    with HttpRecorder(cluster.answer) as server:
        strategy = Patroni(bench.context, PatroniOptions(members=(server.url,)))
        plan = bench.plan(strategy)
        cluster.lead("pg-2")
        with pytest.raises(StepFailedError, match="pg-2 leads"):
            strategy.act(plan)
    assert cluster.changes == []
