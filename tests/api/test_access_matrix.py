"""Every route against every role and scope: the permission that a route declares decides, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from scrollintel.api.context import Ask
from scrollintel.api.route import PERMISSION, Anybody, UndeclaredPermissionError, resource_router
from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.security.access import ROLES, Binding, Permission, Role
from scrollintel.security.kinds import TOKENS
from scrollintel.security.tokens import issue
from scrollintel.service.use_cases import UseCases

from .rig import bearer, serving

STREAMS = ("/events", "/live")
EVERY_ROUTE = [route for route in router.routes if isinstance(route, APIRoute)]
ROUTES = [route for route in EVERY_ROUTE if getattr(route.endpoint, PERMISSION) is not Anybody.MAY_ASK]
OPEN = {
    "GET /session", "POST /session", "DELETE /session", "GET /session/provider", "GET /session/provider/return",
}  # fmt: skip
"""What nobody needs a permission for, because it is how one signs in and out."""
FILLED = {
    "{name}": "mine", "{service}": "mine", "{operation}": "rec_0", "{replica}": "none", "{number}": "1",
    "{sequence:int}": "1", "{sequence}": "1", "{id}": "tok_0", "{token}": "tok_0", "{token_id}": "tok_0",
    "{subject}": "sub_0", "{subject_id}": "sub_0",
}  # fmt: skip


def address(route: APIRoute) -> str:
    """Return a path of a route, below the API's prefix."""
    path = route.path.removeprefix("/api/v1/fault-tolerance")
    for place, value in FILLED.items():
        path = path.replace(place, value)
    while "{" in path:
        path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
    return path


async def token_of(use_cases: UseCases, *bindings: Binding) -> str:
    """Return a fresh token with these bindings."""
    minted, record = issue(name="test", bindings=bindings, now=use_cases.plane.now)
    await use_cases.plane.change(lambda tx: tx.put(TOKENS, record))
    use_cases.plane.tokens.put(record)
    return minted.text


async def ask(client: httpx2.AsyncClient, route: APIRoute, token: str | None) -> int:
    """Send a request without a body to a route and return the status."""
    method = sorted(route.methods or ())[0]
    headers = {} if token is None else bearer(token)
    if route.path.endswith(STREAMS):
        async with client.stream(method, address(route), headers=headers) as answer:
            return answer.status_code
    return (await client.request(method, address(route), headers=headers)).status_code


def test_routes_all_declare_a_permission_and_all_are_known() -> None:
    """The table of routes is not empty, and each of them names its permission."""
    assert len(ROUTES) > 50
    assert all(isinstance(getattr(route.endpoint, PERMISSION, None), Permission) for route in ROUTES)
    others = {f"{sorted(route.methods or ())[0]} {address(route)}" for route in EVERY_ROUTE if route not in ROUTES}
    assert others == OPEN


def test_route_without_a_permission_cannot_be_built() -> None:
    """Forgetting it fails when the module is imported."""
    parts = resource_router("test")

    async def open_to_all(ask: Ask) -> None:
        """Answer everybody."""

    with pytest.raises(UndeclaredPermissionError):
        parts.get("/open-to-all")(open_to_all)


@pytest.mark.asyncio
async def test_matrix_of_roles_and_routes(tmp_path: Path) -> None:
    """Without the permission 403, with it never 401 or a refusal for the lack of it; without a token 401."""
    wrong: list[tuple[Any, ...]] = []
    async with serving(tmp_path, enforced=True, bad_tokens_per_minute=10**6) as (client, use_cases):
        for route in ROUTES:
            if await ask(client, route, None) != 401:
                wrong.append((route.path, "no token"))
        for role in Role:
            scopes = (("mine",),) if role is Role.REPLICA else (("*",), ("mine",))
            for services in scopes:
                token = await token_of(use_cases, Binding(role, services))
                for route in ROUTES:
                    if route.path.endswith(STREAMS) and getattr(route.endpoint, PERMISSION) in ROLES[role]:
                        continue  # the stream itself is tested with a real server
                    status = await ask(client, route, token)
                    may = getattr(route.endpoint, PERMISSION) in ROLES[role]
                    if (status == 401) or (not may and status != 403) or status >= 500:
                        wrong.append((route.path, role.value, services, status))
                    if may and services == ("*",) and status == 403:
                        wrong.append((route.path, role.value, services, status))
    assert wrong == []


@pytest.mark.asyncio
async def test_what_belongs_to_another_service_does_not_exist(tmp_path: Path) -> None:
    """Readers scoped to another service get 404 for real things, lists leave them out, and no change gets through."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        admin = bearer(await token_of(use_cases, Binding(Role.ADMIN, ("*",))))
        breaker = {"configuration": {"name": "mine"}, "service": "mine"}
        assert (await client.post("/circuit-breakers", json=breaker, headers=admin)).status_code == 201
        assert (await client.post("/services", json={"name": "mine"}, headers=admin)).status_code == 201
        level = {"service": "mine", "level": "minimal", "reason": "test"}
        assert (await client.post("/degradation", json=level, headers=admin)).status_code == 200
        begun = await client.post("/recovery/initiate", json={"service": "mine"}, headers=admin)
        assert begun.status_code == 202
        things = [
            "/circuit-breakers/mine", "/policies/mine", "/policies/mine/revisions", "/services/mine",
            "/degradation/mine", "/health/services/mine", f"/recovery/{begun.json()['id']}",
        ]  # fmt: skip
        for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
            stranger = bearer(await token_of(use_cases, Binding(role, ("other",))))
            friend = bearer(await token_of(use_cases, Binding(role, ("mine",))))
            for thing in things:
                assert (await client.get(thing, headers=stranger)).status_code == 404, (role, thing)
                assert (await client.get(thing, headers=friend)).status_code == 200, (role, thing)
            for listing in ("/circuit-breakers", "/policies", "/services", "/degradation", "/recovery/history"):
                assert (await client.get(listing, headers=stranger)).json()["items"] == [], (role, listing)
        operator = bearer(await token_of(use_cases, Binding(Role.OPERATOR, ("other",))))
        manager = bearer(await token_of(use_cases, Binding(Role.ADMIN, ("other",))))
        attempts = [
            ("POST", "/circuit-breakers/mine/isolate", {"reason": "no"}),
            ("POST", "/circuit-breakers/mine/reset", None),
            ("POST", "/degradation", {**level, "level": "severe"}),
            ("POST", "/degradation/mine/restore", None),
            ("POST", "/recovery/initiate", {"service": "mine"}),
            ("PUT", "/circuit-breakers/mine", breaker),
            ("DELETE", "/circuit-breakers/mine", None),
            ("PUT", "/policies/mine", {"policy": {"name": "mine"}, "service": "mine"}),
            ("PUT", "/policies/mine", {"policy": {"name": "mine"}, "service": "other"}),
            ("DELETE", "/policies/mine", None),
            ("PUT", "/services/mine", {"tier": 1}),
            ("DELETE", "/services/mine", None),
        ]
        for headers in (operator, manager):
            for method, path, body in attempts:
                answer = await client.request(method, path, json=body, headers={**headers, "If-Match": "*"})
                assert answer.status_code in (403, 404, 412), (path, answer.text)
        shown = (await client.get("/circuit-breakers/mine", headers=admin)).json()
        assert (shown["order"], shown["revision"]) == (None, 1)
        assert (await client.get("/services/mine", headers=admin)).json()["revision"] == 1
        assert (await client.get("/degradation/mine", headers=admin)).json()["level"] == "minimal"
