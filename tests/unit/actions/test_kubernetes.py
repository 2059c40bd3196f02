"""Kubernetes by a recorded API over real HTTP: guarded by uid and version, repeatable, never in place of others."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrollintel.actions.kubernetes import (
    RECOVERY,
    DeletePod,
    PodOptions,
    RestartRollout,
    RolloutOptions,
    Scale,
    ScaleOptions,
)
from scrollintel.core.errors import ConfigError, PlanRefusedError, StepFailedError
from tests.servers.recorder import Answer, Asked, HttpRecorder

from .rig import Bench

DEPLOYMENT: dict[str, Any] = {  # Any: JSON values of mixed types
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "10", "generation": 1},
    "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "orders"}}}},
    "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
}


class Cluster:
    """Answers as an API server does, with one deployment and one pod."""

    def __init__(self) -> None:
        self.deployment = copy.deepcopy(DEPLOYMENT)
        self.pod: dict[str, Any] | None = {
            "metadata": {"name": "orders-1", "uid": "p-1", "ownerReferences": [{"kind": "ReplicaSet"}]}
        }
        self.restarts = 0
        self.conflicts = 0

    def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
        if asked.headers.get("authorization") != "Bearer word":
            return Answer(401, {"kind": "Status", "code": 401})
        if asked.path.startswith("/api/v1/namespaces/shop/pods/"):
            return self._pods(asked)
        is_scale = asked.path.endswith("/scale")
        meta = self.deployment["metadata"]
        if asked.method == "PATCH":
            content = asked.json()
            if self.conflicts or content["metadata"]["resourceVersion"] != meta["resourceVersion"]:
                self.conflicts = max(0, self.conflicts - 1)
                return Answer(409, {"kind": "Status", "reason": "Conflict"})
            meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
            if is_scale:
                self.deployment["spec"]["replicas"] = content["spec"]["replicas"]
            else:
                notes = content["spec"]["template"]["metadata"]["annotations"]
                self.deployment["spec"]["template"]["metadata"]["annotations"] = notes
                self.restarts += 1
        if is_scale:
            return Answer(200, {"metadata": meta, "spec": {"replicas": self.deployment["spec"]["replicas"]}})
        return Answer(200, self.deployment)

    def _pods(self, asked: Asked) -> Answer:
        if self.pod is None:
            return Answer(404, {"kind": "Status", "reason": "NotFound"})
        if asked.method == "DELETE":
            if asked.json()["preconditions"]["uid"] != self.pod["metadata"]["uid"]:
                return Answer(409, {"kind": "Status", "reason": "Conflict"})
            self.pod = None
            return Answer(200, {"kind": "Status", "status": "Success"})
        return Answer(200, self.pod)


@pytest.fixture
def cluster() -> Cluster:
    """Return the recorded cluster."""
    return Cluster()


@pytest.fixture
def reach(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return the options that reach it."""
    monkeypatch.setenv("SI_TEST_K8S", "word")
    with HttpRecorder(cluster.answer) as server:
        yield {"server": server.url, "token": "{env:SI_TEST_K8S}", "namespace": "shop"}


def test_rollout_of_one_plan_twice_restarts_once(tmp_path: Path, cluster: Cluster, reach: dict[str, Any]) -> None:
    """The key of the plan in the pod template tells that it has happened."""
    bench = Bench(tmp_path)
    strategy = RestartRollout(bench.context, RolloutOptions(name="orders", **reach))
    plan = bench.plan(strategy)
    strategy.act(plan)
    strategy.act(plan)
    notes = cluster.deployment["spec"]["template"]["metadata"]["annotations"]
    assert cluster.restarts == 1 and notes[RECOVERY] == "rec_1"
    assert notes["kubectl.kubernetes.io/restartedAt"] == plan.planned_at.isoformat(timespec="seconds")


def test_rollout_that_somebody_else_changes_meanwhile_is_read_again(
    tmp_path: Path, cluster: Cluster, reach: dict[str, Any]
) -> None:
    """A conflict is no failure; three in a row are."""
    bench = Bench(tmp_path)
    strategy = RestartRollout(bench.context, RolloutOptions(name="orders", **reach))
    plan = bench.plan(strategy)
    cluster.conflicts = 3
    with pytest.raises(StepFailedError, match="three times"):
        strategy.act(plan)
    cluster.conflicts = 2
    strategy.act(plan)
    assert cluster.restarts == 1


def test_rollout_of_a_stale_engine_is_fenced(tmp_path: Path, reach: dict[str, Any], cluster: Cluster) -> None:
    """An engine with a lower epoch than the one that acted last changes nothing."""
    bench = Bench(tmp_path)
    strategy = RestartRollout(bench.context, RolloutOptions(name="orders", **reach))
    strategy.act(bench.plan(strategy, key="rec_2", epoch=5))
    with pytest.raises(StepFailedError, match="newer engine"):
        strategy.act(bench.plan(strategy, key="rec_1", epoch=4))
    assert cluster.restarts == 1


def test_rollout_that_is_not_complete_is_not_verified(tmp_path: Path, cluster: Cluster, reach: dict[str, Any]) -> None:
    """Good looks at the old pods prove nothing."""
    bench = Bench(tmp_path)
    strategy = RestartRollout(bench.context, RolloutOptions(name="orders", **reach))
    plan = bench.plan(strategy)
    bench.good = True
    assert strategy.verify(plan)
    cluster.deployment["status"]["updatedReplicas"] = 1
    assert not strategy.verify(plan)


def test_pod_that_was_replaced_meanwhile_is_left_alone(tmp_path: Path, cluster: Cluster, reach: dict[str, Any]) -> None:
    """The uid binds the deletion to the pod that was looked at."""
    bench = Bench(tmp_path)
    strategy = DeletePod(bench.context, PodOptions(name="orders-1", **reach))
    plan = bench.plan(strategy)
    assert cluster.pod is not None
    cluster.pod["metadata"]["uid"] = "p-2"
    strategy.act(plan)
    assert cluster.pod is not None
    strategy.act(bench.plan(strategy))
    strategy.act(plan)
    assert strategy.plan(strategy.observe()) is None


def test_pod_without_an_owner_is_not_deleted(tmp_path: Path, cluster: Cluster, reach: dict[str, Any]) -> None:
    """Nothing would make a new one."""
    assert cluster.pod is not None
    del cluster.pod["metadata"]["ownerReferences"]
    bench = Bench(tmp_path)
    strategy = DeletePod(bench.context, PodOptions(name="orders-1", **reach))
    with pytest.raises(PlanRefusedError, match="owner"):
        strategy.plan(strategy.observe())


def test_scale_adds_once_and_takes_back(tmp_path: Path, cluster: Cluster, reach: dict[str, Any]) -> None:
    """The same plan twice adds once; what others set in between stays."""
    bench = Bench(tmp_path)
    strategy = Scale(bench.context, ScaleOptions(name="orders", add=2, most=3, **reach))
    plan = bench.plan(strategy)
    strategy.act(plan)
    strategy.act(plan)
    assert cluster.deployment["spec"]["replicas"] == 3
    assert strategy.plan(strategy.observe()) is None
    strategy.undo(plan)
    assert cluster.deployment["spec"]["replicas"] == 2
    cluster.deployment["spec"]["replicas"] = 7
    with pytest.raises(StepFailedError, match="7 replicas"):
        strategy.act(plan)
    assert cluster.deployment["spec"]["replicas"] == 7


@pytest.mark.parametrize("name", ["../secrets/x", "A", "a/b", "", "-a", "a?x=1"])
def test_cluster_options_with_a_name_that_is_none_are_refused(name: str) -> None:
    """A name cannot lead to another object of the API."""
    with pytest.raises(ConfigError, match="name"):
        PodOptions(name=name)
