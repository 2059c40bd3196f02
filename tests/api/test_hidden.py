"""Whoever may not know does not learn whether a thing exists: one answer for what is there and for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.security.access import Binding, Role

from .every_request import requests_about, watched
from .rig import bearer, serving
from .test_access_matrix import token_of

Answer = tuple[int, list[tuple[str, str]], str]
ANY, FIRST = {"If-Match": "*"}, {"If-Match": '"1"'}


def told(answer: httpx2.Response, *names: str) -> Answer:
    """Return everything that an answer tells, but for the request's number and the names that were asked for."""
    text, number = answer.text, answer.headers["X-Request-Id"]
    for name in (number, *names):
        text = text.replace(name, "…")
    headers = [
        (name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")
    ]
    return answer.status_code, headers, text


def changes(circuit: str, policy: str, service: str) -> list[tuple[str, str, Any, dict[str, str]]]:
    """Return requests that change something of a service, each with its conditions."""
    reason = {"reason": "test"}
    wishes: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", f"/circuit-breakers/{circuit}/{verb}", reason, {}) for verb in ("isolate", "close", "reset")
    ]
    dry = {"configuration": {"name": circuit}}
    wishes.append(("POST", f"/circuit-breakers/{circuit}/dry-run", dry, {}))
    for condition in (ANY, FIRST):
        wishes.append(("DELETE", f"/circuit-breakers/{circuit}", None, condition))
        wishes.append(("DELETE", f"/policies/{policy}", None, condition))
        wishes.append(("PUT", f"/services/{service}", {"tier": 1}, condition))
        wishes.append(("DELETE", f"/services/{service}", None, condition))
        for owner in ("other", service, None):
            breaker = {"configuration": {"name": circuit, "failure_threshold": 1}, "service": owner}
            wishes.append(("PUT", f"/circuit-breakers/{circuit}", breaker, condition))
            content = {"policy": {"name": policy, "retry": {"max_attempts": 9}}, "service": owner}
            wishes.append(("PUT", f"/policies/{policy}", content, condition))
    wishes += [
        ("POST", f"/policies/{policy}/rollback", {"revision": 1}, {}),
        ("POST", "/degradation", {"service": service, "level": "severe", "reason": "x"}, {}),
        ("POST", f"/degradation/{service}/restore", reason, {}),
        ("POST", "/recovery/initiate", {"service": service}, {}),
    ]
    return wishes


@pytest.mark.asyncio
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.AUDITOR, Role.APPROVER])
async def test_hidden_and_missing_things_are_answered_alike(tmp_path: Path, role: Role) -> None:
    """Reads and changes of another service's things: status, headers and text are those for things that are not."""
    wrong: list[tuple[Any, ...]] = []
    async with serving(tmp_path, enforced=True) as served:
        client = served.client
        admin = bearer(await token_of(served.use_cases, Binding(Role.ADMIN, ("*",))))
        await watched(served.use_cases, "mine")
        made = await requests_about(client, admin, "mine")
        await client.post("/degradation", json={"service": "mine", "level": "minimal", "reason": "x"}, headers=admin)
        stranger = bearer(await token_of(served.use_cases, Binding(role, ("other",))))
        recovery = next(sent.path for sent in made if sent.route == "GET /recovery/{operation}")
        present: list[tuple[str, str, Any, dict[str, str]]] = [
            ("GET", sent.path, None, {}) for sent in made if sent.route.startswith("GET") and "mine" in sent.path
        ]
        present = [item for item in present if not item[1].startswith("/configuration/")]  # readers see all of those
        present += [*changes("mine-circuit", "mine-policy", "mine"), ("GET", recovery, None, {})]
        number = recovery.removeprefix("/recovery/")
        for method, path, body, condition in present:
            absent = path.replace("mine", "gone").replace(number, "rec_gone")
            body_of_absent = _renamed(body)
            headers = {**stranger, **condition}
            there = told(await client.request(method, path, json=body, headers=headers), "mine", number)
            not_there = told(
                await client.request(method, absent, json=body_of_absent, headers=headers), "rec_gone", "gone"
            )
            if there != not_there or there[0] < 400:
                wrong.append((method, path, body, condition, there, not_there))
        friend = (await client.get("/circuit-breakers/mine-circuit", headers=admin)).json()
        assert (friend["revision"], friend["order"]) == (1, None)
    assert wrong == []


def _renamed(body: Any) -> Any:
    """Return a body about what is not there instead."""
    if isinstance(body, dict):
        return {name: _renamed(value) for name, value in body.items()}
    return body.replace("mine", "gone") if isinstance(body, str) else body
