"""Restarting a rollout, deleting a pod and scaling in Kubernetes; tested against a recorded API, not against a cluster.

The recordings follow the API reference of Kubernetes 1.30: Deployment, Scale and Pod, strategic merge patch, delete
options with preconditions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..core.config.base import Config, choice, integer, number
from ..core.errors import PlanRefusedError, Violation
from ..outbound.options import http_url, line
from ..outbound.references import secret
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import Answer, Interface, RemoteStrategy

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token and the authority of its cluster."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
RECOVERY = "scrollintel/recovery"
EPOCH = "scrollintel/epoch"
_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_WORDS = "a name of Kubernetes: lower case letters, digits, '-' and '.'"


class Workload(StrEnum):
    """What can be restarted as a whole."""

    DEPLOYMENT = "deployments"
    STATEFUL_SET = "statefulsets"
    DAEMON_SET = "daemonsets"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions(Config):
    """How the API server is reached, and which object is meant.

    Arguments:
        name: Name of the object.
        namespace: Its namespace; default "default".
        server: Address of the API server; None (default) takes what a pod finds in its own cluster.
        token: Reference to a bearer token; needed with `server`.
        ca_file: Certificates of the cluster, or None for the system's.
        timeout: Seconds for one request, above 0 and at most 60; default 10.

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=line(maximum=253, pattern=_NAME, words=_WORDS))
    namespace: str = field(default="default", metadata=line(maximum=63, pattern=_NAME, words=_WORDS))
    server: str | None = field(default=None, metadata=http_url(optional=True))
    token: str | None = field(default=None, metadata=secret(optional=True))
    ca_file: str | None = field(default=None, metadata=line(optional=True))
    timeout: float = field(default=10.0, metadata=number(above=True, maximum=60.0, unit="seconds"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a server without a token, and a token without a server."""
        if not {"server", "token"} & broken and (self.server is None) != (self.token is None):
            yield Violation("token", "(hidden)", "given together with server, or neither")

    def interface(self, context: StrategyContext) -> Interface:
        """Return the API server; in a cluster the token is read anew for each request, because it expires."""
        if self.server is not None:
            headers = {"Authorization": f"Bearer {self.token}"}
            return Interface(self.server, context.outbound, headers, self.timeout, self.ca_file)
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        headers = {"Authorization": f"Bearer {{file:{ACCOUNT / 'token'}}}"}
        server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        return Interface(server, context.outbound, headers, self.timeout, self.ca_file or str(ACCOUNT / "ca.crt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions(ClusterOptions):
    """A workload that is restarted.

    Arguments:
        workload: What it is: deployments (default), statefulsets or daemonsets.
    """

    workload: Workload = field(default=Workload.DEPLOYMENT, metadata=choice(Workload))


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions(ClusterOptions):
    """A pod that is deleted, so that its owner makes a new one.

    Arguments:
        grace: Seconds that it gets to end, 0 to 3600; default 30.
    """

    grace: int = field(default=30, metadata=integer(maximum=3600, unit="seconds"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleOptions(ClusterOptions):
    """A deployment that gets more replicas.

    Arguments:
        add: How many more, 1 to 100; default 1.
        most: How many it may have in all, 1 to 10,000.
    """

    add: int = field(default=1, metadata=integer(minimum=1, maximum=100, unit="replicas"))
    most: int = field(metadata=integer(minimum=1, maximum=10_000, unit="replicas"))


class _Object(RemoteStrategy):
    """A strategy for one object of the cluster."""

    def __init__(self, name: str, context: StrategyContext, traits: Traits, options: ClusterOptions, path: str) -> None:
        super().__init__(name, context, traits)
        self.api = options.interface(context)
        self.path = path

    def read(self, what: str) -> Mapping[str, Any]:  # Any: JSON values of mixed types
        """Return the object as it is now."""
        return self.api.ask("GET", self.path).expect(what, 200).fields

    def patch(self, content: object, *, merge: str) -> Answer:
        """Change the object; a 409 tells that somebody else was faster."""
        return self.api.ask("PATCH", self.path, content, kind=f"application/{merge}-patch+json")


class RestartRollout(_Object):
    """Restarts all pods of a workload one after the other, as `kubectl rollout restart` does.

    The moment and the key of the plan go into the pod template, so that the same plan twice is one restart.
    """

    def __init__(self, context: StrategyContext, options: RolloutOptions) -> None:
        path = f"/apis/apps/v1/namespaces/{options.namespace}/{options.workload.value}/{options.name}"
        super().__init__("restart-rollout", context, ROLLOUT, options, path)
        self._what = f"{options.workload.value}/{options.name} in {options.namespace}"

    def plan(self, observation: Observation) -> Plan:
        """Say which workload is restarted; bound to the object that exists now."""
        uid = _meta(self.read("reading the workload")).get("uid")
        return self.planned(observation, f"restart the pods of {self._what} one after the other", uid=uid)

    def act(self, plan: Plan) -> None:
        """Change the pod template, unless that has happened or another engine has taken over."""
        for _ in range(3):
            found = self.read("reading the workload")
            meta, notes = _meta(found), _template_notes(found)
            if meta.get("uid") != plan.parameters["uid"]:
                raise self.failed(Step.ACT, "the workload is another one than was planned for")
            if plan.key is not None and notes.get(RECOVERY) == plan.key:
                return
            if (known := str(notes.get(EPOCH, "0"))).isdigit() and int(known) > plan.epoch:
                raise self.failed(Step.ACT, "a newer engine has restarted the workload since")
            marks = {RESTARTED_AT: plan.planned_at.isoformat(timespec="seconds"), EPOCH: str(plan.epoch)}
            marks |= {} if plan.key is None else {RECOVERY: plan.key}
            content = {
                "metadata": {"resourceVersion": meta.get("resourceVersion")},
                "spec": {"template": {"metadata": {"annotations": marks}}},
            }
            if self.patch(content, merge="strategic-merge").expect("the restart", 200, 409).status == 200:
                return
        raise self.failed(Step.ACT, "the workload was changed by others three times in a row")

    def verify(self, plan: Plan) -> bool:
        """Tell whether the rollout is complete, and the target answers."""
        found = self.read("reading the workload")
        status, spec = _part(found, "status"), _part(found, "spec")
        wanted = int(status.get("desiredNumberScheduled", spec.get("replicas", 1)) or 0)
        updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0))
        ready = status.get("availableReplicas", status.get("numberAvailable", 0))
        current = int(status.get("observedGeneration", 0)) >= int(_meta(found).get("generation", 0))
        return current and updated == wanted and ready == wanted and super().verify(plan)


class DeletePod(_Object):
    """Deletes exactly the pod that was looked at: a successor of the same name has another uid and stays."""

    def __init__(self, context: StrategyContext, options: PodOptions) -> None:
        path = f"/api/v1/namespaces/{options.namespace}/pods/{options.name}"
        super().__init__("delete-pod", context, POD, options, path)
        self._options = options

    def plan(self, observation: Observation) -> Plan | None:
        """Say which pod is deleted.

        Raises:
            PlanRefusedError: when nothing would make a new one.
        """
        answer = self.api.ask("GET", self.path)
        if answer.status == 404:
            return None
        meta = _meta(answer.expect("reading the pod", 200).fields)
        if not meta.get("ownerReferences"):
            raise PlanRefusedError("the pod has no owner that would make a new one")
        options = self._options
        action = f"delete pod {options.name} in {options.namespace}, with {options.grace} s to end"
        return self.planned(observation, action, uid=meta.get("uid"))

    def act(self, plan: Plan) -> None:
        """Delete the pod; one that is gone or was replaced is left alone."""
        content = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": self._options.grace,
            "preconditions": {"uid": plan.parameters["uid"]},
        }
        self.api.ask("DELETE", self.path, content).expect("deleting the pod", 200, 202, 404, 409)


class Scale(_Object):
    """Adds replicas to a deployment, and takes them away again when that did not help."""

    def __init__(self, context: StrategyContext, options: ScaleOptions) -> None:
        path = f"/apis/apps/v1/namespaces/{options.namespace}/deployments/{options.name}/scale"
        super().__init__("scale", context, SCALE, options, path)
        self._options = options

    def plan(self, observation: Observation) -> Plan | None:
        """Say from how many to how many; None when there are as many as allowed."""
        found = self.read("reading the scale")
        before = int(_part(found, "spec").get("replicas", 0))
        after = min(before + self._options.add, self._options.most)
        if after <= before:
            return None
        action = f"scale deployment {self._options.name} in {self._options.namespace} from {before} to {after}"
        return self.planned(observation, action, uid=_meta(found).get("uid"), before=before, after=after)

    def act(self, plan: Plan) -> None:
        """Set the number of replicas, unless somebody else has set another one."""
        self._set(plan, plan.parameters["before"], plan.parameters["after"], Step.ACT)

    def undo(self, plan: Plan) -> None:
        """Set the former number again, unless somebody else has set another one."""
        self._set(plan, plan.parameters["after"], plan.parameters["before"], Step.UNDO)

    def _set(self, plan: Plan, old: int, new: int, step: Step) -> None:
        found = self.read("reading the scale")
        present = _part(found, "spec").get("replicas", 0)
        if present == new:
            return
        if present != old or _meta(found).get("uid") != plan.parameters["uid"]:
            raise self.failed(step, f"the deployment has {present} replicas, planned for were {old}")
        content = {"metadata": {"resourceVersion": _meta(found).get("resourceVersion")}, "spec": {"replicas": new}}
        if self.patch(content, merge="merge").expect("scaling", 200, 409).status == 409:
            raise self.failed(step, "the deployment was changed by others at the same time")


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _meta(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return _part(found, "metadata")


def _template_notes(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return _part(_part(_part(_part(found, "spec"), "template"), "metadata"), "annotations")


ROLLOUT = Traits(restarts=True, idempotency=Idempotency.GUARDED, affects="group")
POD = Traits(restarts=True, idempotency=Idempotency.GUARDED)
SCALE = Traits(idempotency=Idempotency.GUARDED, affects="group")
KINDS = (
    StrategyKind("restart-rollout", RolloutOptions, ROLLOUT, "Restarts a Kubernetes workload.", RestartRollout),
    StrategyKind("delete-pod", PodOptions, POD, "Deletes a pod, so that its owner makes a new one.", DeletePod),
    StrategyKind("scale", ScaleOptions, SCALE, "Adds replicas to a Kubernetes deployment.", Scale),
)
