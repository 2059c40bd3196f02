"""Who may really gets through, on every route; who may nowhere gets nowhere, and whose time is over is nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from scrollintel.api.context import PREFIX
from scrollintel.api.route import PERMISSION, Anybody
from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.security.access import ROLES, Binding, Role
from scrollintel.testing import ManualClock

from .every_request import Sent, requests_about, requests_of_replica, watched
from .issuer import issuing
from .rig import Served, bearer, serving
from .test_access_matrix import token_of

PERMISSIONS = {
    f"{sorted(route.methods or ())[0]} {route.path.removeprefix(PREFIX)}": getattr(route.endpoint, PERMISSION)
    for route in router.routes
    if isinstance(route, APIRoute) and getattr(route.endpoint, PERMISSION) is not Anybody.MAY_ASK
}
STREAMS = {"GET /events": "/events", "GET /live": "/live"}
"""Never end; they are tested with a real server."""


async def everything(served: Served, service: str) -> tuple[dict[str, str], list[Sent]]:
    """Return the header of an administrator, and a right request to every route but those of a replica."""
    admin = bearer(await token_of(served.use_cases, Binding(Role.ADMIN, ("*",)), Binding(Role.AUDITOR, ("*",))))
    await watched(served.use_cases, service)
    return admin, await requests_about(served.client, admin, service)


@pytest.mark.asyncio
async def test_requests_cover_every_route(tmp_path: Path) -> None:
    """A new route has to be added to the requests that these tests send."""
    async with serving(tmp_path, enforced=True) as served:
        _, requests = await everything(served, "a")
        known = {sent.route for sent in (*requests, *requests_of_replica("x"))}
        assert known == PERMISSIONS.keys() - STREAMS.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", ["everywhere", "one service"])
async def test_permitted_caller_gets_through_and_no_other(tmp_path: Path, role: Role, scope: str) -> None:
    """Of a right request to every route exactly those succeed that the role permits where it holds."""
    service = "mine"
    everywhere = scope == "everywhere" and role is not Role.REPLICA
    wrong: list[tuple[Any, ...]] = []
    async with serving(tmp_path, enforced=True) as served:
        _, requests = await everything(served, service)
        caller = bearer(await token_of(served.use_cases, Binding(role, ("*",) if everywhere else (service,))))
        for sent in requests:
            answer = await sent.to(served.client, caller)
            permitted = PERMISSIONS[sent.route] in ROLES[role]
            if permitted and sent.everything and not everywhere:
                right = answer.status_code in (403, 404)
            else:
                right = answer.is_success if permitted else answer.status_code == 403
            if not right:
                wrong.append((sent.route, permitted, answer.status_code, answer.text))
            if sent.route == "POST /replicas" and answer.is_success:
                for own in requests_of_replica(answer.json()["replica"]):
                    if not (own_answer := await own.to(served.client, caller)).is_success:
                        wrong.append((own.route, own_answer.status_code, own_answer.text))
    assert wrong == []


@pytest.mark.asyncio
async def test_caller_without_bindings_gets_nowhere(tmp_path: Path) -> None:
    """Whom the provider vouches for and nobody gave a role is known, and every right request of theirs is refused."""
    with issuing() as issuer:
        async with serving(tmp_path, enforced=True, oidc=issuer.config()) as served:
            _, requests = await everything(served, "mine")
            stranger = bearer(issuer.token())
            requests += [*requests_of_replica("x"), *(Sent(route, path) for route, path in STREAMS.items())]
            statuses = {sent.route: (await sent.to(served.client, stranger)).status_code for sent in requests}
    assert statuses == dict.fromkeys(PERMISSIONS, 403)


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["revoked", "expired", "erased"])
async def test_token_that_has_ended_is_nobody_on_every_route(tmp_path: Path, end: str) -> None:
    """The request after the end is answered as if the token had never been, whatever it asks for."""
    clock = ManualClock()
    async with serving(tmp_path, enforced=True, clock=clock, bad_tokens_per_minute=1000) as served:
        admin, requests = await everything(served, "mine")
        bindings = [{"role": role, "services": ["*"]} for role in ("admin", "auditor", "approver")]
        body = {"name": "short", "subject": "ada", "bindings": bindings, "expires_in": 3600}
        made = (await served.client.post("/tokens", json=body, headers=admin)).json()
        ended = bearer(made["token"])
        assert (await served.client.get("/roles", headers=ended)).status_code == 200
        if end == "revoked":
            await served.client.delete(f"/tokens/{made['id']}", headers=admin)
        elif end == "erased":
            path = f"/subjects/{made['subject_id']}/erase"
            await served.client.post(path, json={"reason": "wish"}, headers=admin)
        else:
            clock.advance(3600)
        requests += [*requests_of_replica("x"), *(Sent(route, path) for route, path in STREAMS.items())]
        answers = {sent.route: await sent.to(served.client, ended) for sent in requests}
    assert {route: answer.status_code for route, answer in answers.items()} == dict.fromkeys(PERMISSIONS, 401)
    assert {answer.json()["detail"] for answer in answers.values()} == {"the token is not valid"}
