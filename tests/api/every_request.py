"""One right request to every route, about things of one service or of none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2

from scrollintel.control.incidents import (
    APPROVALS,
    INCIDENTS,
    ApprovalRecord,
    IncidentRecord,
    IncidentState,
)
from scrollintel.control.records import RECOVERIES, RecoveryOperationRecord
from scrollintel.recovery.target import Heartbeat, Target
from scrollintel.reloading import Reloaded
from scrollintel.replica.parts import PartReport
from scrollintel.replica.protocol import PROTOCOL
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.service.reports import Report
from scrollintel.service.use_cases import UseCases
from scrollintel.storage.transaction import Transaction
from scrollintel.telemetry.notify.config import WebhookChannel

Json = dict[str, Any]  # Any: JSON values
ANY = {"If-Match": "*"}
VIEWER = {"role": "viewer", "services": ["*"]}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to the route `METHOD path`.

    Arguments:
        route: The method and the route's path below the prefix, as the router spells it.
        path: The path that is asked for.
        body: What is sent, or None.
        headers: Beside the token.
        everything: Whether it is about what belongs to no service, so that only "*" changes it.
    """

    route: str
    path: str
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)
    everything: bool = False

    async def to(self, client: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.Response:
        """Send it under a token."""
        method = self.route.partition(" ")[0]
        return await client.request(method, self.path, json=self.body, headers={**self.headers, **headers})


async def _made(client: httpx2.AsyncClient, admin: dict[str, str], path: str, body: Json) -> Json:
    answer = await client.post(path, json=body, headers=admin)
    assert answer.status_code in (200, 201, 202), (path, answer.text)
    return dict(answer.json())


async def watched(use_cases: UseCases, service: str) -> None:
    """Make incidents, a question and a recovery that runs, of a watched target that beats, and a replica's pool."""
    fleet = use_cases.plane.fleet
    replica = fleet.join(instance=f"{service}-pools", service=service, version="1", pid=None, host=None, actor="test")
    pool = PartReport(f"{service}-pool", "pool", None, "whole", "", {"hosts": 3})
    fleet.take(replica, Report(parts=[pool], full=True))
    now = use_cases.plane.now
    incident = IncidentRecord(
        id="", target=service, service=service, group=None, failure_type="exited", state=IncidentState.OPEN,
        severity=3, root=None, attempts=0, relapses=0, recovery=None, detected_at=now, declared_at=now,
    )  # fmt: skip
    recovery = RecoveryOperationRecord(
        id=f"rec_{service}", service=service, failure_type="exited", status="running", outcome=None, strategy=None,
        requested_by="system", reason=None, started_at=now, finished_at=None, duration=None,
        incident=f"inc_{service}_1", target=f"{service}/replica",
    )  # fmt: skip
    question = ApprovalRecord(
        id=f"apr_{service}", incident=None, recovery=recovery.id, target=service, service=service, plan={},
        digest="0" * 64, why="test", requested_by="system", requested_at=now, expires_at=now + timedelta(hours=1),
    )  # fmt: skip

    def decide(tx: Transaction) -> None:
        tx.put(RECOVERIES, recovery)
        tx.put(APPROVALS, question)
        for number in (1, 2):
            tx.put(INCIDENTS, replace(incident, id=f"inc_{service}_{number}"))

    await use_cases.plane.change(decide)
    target = Target(name=service, service=service, heartbeat=Heartbeat())
    channels = {"people": WebhookChannel(url="http://127.0.0.1:9/")}  # which nobody may speak to
    await use_cases.automation.apply(AutomationConfig(targets=(target,), channels=channels))

    async def reload() -> Reloaded:
        return Reloaded(1, ())

    use_cases.reload = reload


async def requests_about(client: httpx2.AsyncClient, admin: dict[str, str], service: str) -> list[Sent]:
    """Make what the requests are about, and return them in an order in which each can succeed."""
    circuit, policy, key = f"{service}-circuit", f"{service}-policy", f"{service}-key"
    made = await _made(client, admin, "/services", {"name": service})
    configuration = {"name": circuit}
    await _made(client, admin, "/circuit-breakers", {"configuration": configuration, "service": service})
    content = {"policy": {"name": policy, "retry": {"max_attempts": 2}}, "service": service}
    changed = {"policy": {"name": policy, "retry": {"max_attempts": 3}}, "service": service}
    await client.put(f"/policies/{policy}", json=content, headers={**admin, "If-None-Match": "*"})
    await client.put(f"/policies/{policy}", json=changed, headers={**admin, **ANY})
    await client.put(f"/configuration/{key}", json={"value": 1}, headers={**admin, "If-None-Match": "*"})
    token = await _made(client, admin, "/tokens", {"name": "t", "subject": f"{service}@a", "bindings": [VIEWER]})
    bound = {"kind": "group", "subject": service, "role": "viewer", "services": [service]}
    binding = await _made(client, admin, "/role-bindings", bound)
    recovery = await _made(client, admin, "/recovery/initiate", {"service": service})
    operation = f"/recovery/{recovery['id']}"
    while (await client.get(operation, headers=admin)).json()["finished_at"] is None:
        await asyncio.sleep(0.005)
    until = (datetime.fromisoformat(made["updated_at"]) + timedelta(hours=1)).isoformat()
    silence = {"matchers": [{"label": "service", "value": service}], "until": until, "reason": "test"}
    silenced = await _made(client, admin, "/silences", silence)
    level = {"service": service, "level": "minimal", "reason": "test"}
    reason = {"reason": "test"}
    breaker = {"configuration": {**configuration, "failure_threshold": 2}, "service": service}
    return [
        Sent("GET /circuit-breakers", "/circuit-breakers"),
        Sent("GET /circuit-breakers/{name}", f"/circuit-breakers/{circuit}"),
        Sent("GET /health", "/health"),
        Sent("GET /health/summary", "/health/summary"),
        Sent("GET /health/services/{name}", f"/health/services/{service}"),
        Sent("GET /replicas", "/replicas"),
        Sent("GET /capacity", "/capacity"),
        Sent("GET /capacity/{name}", f"/capacity/{service}-pool"),
        Sent("GET /degradation", "/degradation"),
        Sent("GET /degradation/{service}", f"/degradation/{service}"),
        Sent("GET /recovery/strategies", f"/recovery/strategies?service={service}"),
        Sent("GET /recovery/history", "/recovery/history"),
        Sent("GET /recovery/{operation}", operation),
        Sent("GET /recovery/statistics", "/recovery/statistics"),
        Sent("GET /incidents", "/incidents"),
        Sent("GET /incidents/{incident}", f"/incidents/inc_{service}_1"),
        Sent("POST /incidents/{incident}/acknowledge", f"/incidents/inc_{service}_1/acknowledge", {}),
        Sent("POST /incidents/{incident}/cancel", f"/incidents/inc_{service}_2/cancel", reason),
        Sent("GET /approvals", "/approvals"),
        Sent("GET /approvals/{approval}", f"/approvals/apr_{service}"),
        Sent("POST /approvals/{approval}/decide", f"/approvals/apr_{service}/decide", {
            "decision": "refuse", "digest": "0" * 64,
        }),
        Sent("POST /recovery/{operation}/cancel", f"/recovery/rec_{service}/cancel", reason),
        Sent("GET /alerts", "/alerts"),
        Sent("GET /alerts/channels", "/alerts/channels"),
        Sent("POST /alerts/channels/{name}/test", "/alerts/channels/people/test", everything=True),
        Sent("GET /silences", "/silences"),
        Sent("POST /silences", "/silences", silence),
        Sent("DELETE /silences/{silence}", f"/silences/{silenced['id']}"),
        Sent("GET /automation", "/automation"),
        Sent("POST /automation/dry-run", "/automation/dry-run", {"target": service}),
        Sent("PUT /automation/stop-switch", "/automation/stop-switch", reason, everything=True),
        Sent("DELETE /automation/stop-switch", "/automation/stop-switch", everything=True),
        Sent("POST /automation/brake/release", "/automation/brake/release", reason, everything=True),
        Sent("GET /checks", "/checks"),
        Sent("GET /checks/{target:path}", f"/checks/{service}"),
        Sent("GET /topology", "/topology"),
        Sent("GET /strategies", "/strategies"),
        Sent("POST /heartbeats/{target:path}", f"/heartbeats/{service}", {"progress": 1}),
        Sent("POST /configuration-file/reload", "/configuration-file/reload", everything=True),
        Sent("GET /policies", "/policies"),
        Sent("GET /policies/{name}", f"/policies/{policy}"),
        Sent("GET /policies/{name}/revisions", f"/policies/{policy}/revisions"),
        Sent("GET /policies/{name}/revisions/{number}", f"/policies/{policy}/revisions/1"),
        Sent("GET /policies/{name}/diff", f"/policies/{policy}/diff?from=1&to=2"),
        Sent("GET /services", "/services"),
        Sent("GET /services/{name}", f"/services/{service}"),
        Sent("GET /config/defaults", "/config/defaults"),
        Sent("GET /metrics/history", f"/metrics/history?circuit={circuit}"),
        Sent("GET /retry-statistics", "/retry-statistics"),
        Sent("GET /configuration", "/configuration"),
        Sent("GET /configuration/{name}", f"/configuration/{key}"),
        Sent("GET /tokens", "/tokens"),
        Sent("GET /roles", "/roles"),
        Sent("GET /role-bindings", "/role-bindings"),
        Sent("GET /role-bindings/{binding_id}", f"/role-bindings/{binding['id']}"),
        Sent("GET /keys", "/keys"),
        Sent("GET /audit", "/audit"),
        Sent("GET /audit/checkpoints", "/audit/checkpoints"),
        Sent("GET /audit/key", "/audit/key"),
        Sent("GET /audit/{sequence:int}", "/audit/1", everything=True),
        Sent("GET /audit/export", "/audit/export", everything=True),
        Sent("POST /audit/verify", "/audit/verify", everything=True),
        Sent("POST /circuit-breakers/{name}/dry-run", f"/circuit-breakers/{circuit}/dry-run", {
            "configuration": configuration,
        }),
        Sent("POST /circuit-breakers/{name}/isolate", f"/circuit-breakers/{circuit}/isolate", reason),
        Sent("POST /circuit-breakers/{name}/close", f"/circuit-breakers/{circuit}/close", reason),
        Sent("POST /circuit-breakers/{name}/reset", f"/circuit-breakers/{circuit}/reset", reason),
        Sent("PUT /circuit-breakers/{name}", f"/circuit-breakers/{circuit}", breaker, ANY),
        Sent("DELETE /circuit-breakers/{name}", f"/circuit-breakers/{circuit}"),
        Sent("POST /circuit-breakers", "/circuit-breakers", breaker),
        Sent("POST /degradation", "/degradation", level),
        Sent("POST /degradation/{service}/restore", f"/degradation/{service}/restore", reason),
        Sent("POST /recovery/initiate", "/recovery/initiate", {"service": service}),
        Sent("PUT /policies/{name}", f"/policies/{policy}", content, ANY),
        Sent("POST /policies/{name}/rollback", f"/policies/{policy}/rollback", {"revision": 1}),
        Sent("DELETE /policies/{name}", f"/policies/{policy}"),
        Sent("PUT /services/{name}", f"/services/{service}", {"tier": 1}, ANY),
        Sent("DELETE /services/{name}", f"/services/{service}"),
        Sent("POST /services", "/services", {"name": service}),
        Sent("PUT /configuration/{name}", f"/configuration/{key}", {"value": 2}, ANY, everything=True),
        Sent("DELETE /configuration/{name}", f"/configuration/{key}", everything=True),
        Sent("POST /tokens", "/tokens", {"name": "u", "bindings": [VIEWER]}, everything=True),
        Sent("DELETE /tokens/{token_id}", f"/tokens/{token['id']}", everything=True),
        Sent("POST /role-bindings", "/role-bindings", {**bound, "kind": "person"}, everything=True),
        Sent("DELETE /role-bindings/{binding_id}", f"/role-bindings/{binding['id']}", everything=True),
        Sent("POST /subjects/{subject_id}/erase", f"/subjects/{token['subject_id']}/erase", reason, everything=True),
        Sent("POST /keys/rotate", "/keys/rotate", {"what": "data_keys"}, everything=True),
        Sent("POST /replicas", "/replicas", {
            "protocol": PROTOCOL, "instance": f"{service}-instance", "service": service, "version": "1",
        }),
    ]  # fmt: skip


def requests_of_replica(replica: str) -> list[Sent]:
    """Return what a replica that has joined sends."""
    return [
        Sent("POST /replicas/{replica}/report", f"/replicas/{replica}/report", {"full": True}),
        Sent("POST /replicas/{replica}/listen", f"/replicas/{replica}/listen", {"sequence": 0, "wait": 0}),
        Sent("DELETE /replicas/{replica}", f"/replicas/{replica}"),
    ]
