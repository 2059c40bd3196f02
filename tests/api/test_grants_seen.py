"""Tokens and role bindings as somebody sees them whose own role holds for one service."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.security.access import Binding, Role

from .rig import bearer, serving
from .test_access_matrix import token_of

NOWHERE = "0" * 16
GRANTS = {
    "mine": [{"role": "viewer", "services": ["mine"]}],
    "other": [{"role": "viewer", "services": ["other"]}],
    "both": [{"role": "viewer", "services": ["mine", "other"]}],
    "mixed": [{"role": "viewer", "services": ["mine"]}, {"role": "operator", "services": ["other"]}],
    "everywhere": [{"role": "viewer", "services": ["*"]}],
}


@pytest.mark.asyncio
@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_tokens_beyond_the_reader_s_own_services_are_not_there(
    tmp_path: Path, database_url: str, role: Role
) -> None:
    """Lists leave them out, and who may not revoke a token hears of it only when they see it."""
    async with serving(tmp_path, database_url=database_url, enforced=True) as (client, use_cases):
        admin = bearer(await token_of(use_cases, Binding(Role.ADMIN, ("*",))))
        made = {}
        for name, bindings in GRANTS.items():
            body = {"name": name, "subject": f"{name}@example.org", "bindings": bindings}
            made[name] = (await client.post("/tokens", json=body, headers=admin)).json()["id"]
        scoped = bearer(await token_of(use_cases, Binding(role, ("mine",))))
        listed = (await client.get("/tokens", headers=scoped)).json()["items"]
        assert {item["name"] for item in listed} == {"mine", "test"}
        assert {item["name"] for item in (await client.get("/tokens", headers=admin)).json()["items"]} >= set(GRANTS)
        if role is Role.ADMIN:
            missing = (await client.delete(f"/tokens/tok_{NOWHERE}", headers=scoped)).json()
            for name, token_id in made.items():
                answer = await client.delete(f"/tokens/{token_id}", headers=scoped)
                assert answer.status_code == (403 if name == "mine" else 404), name
                if name != "mine":
                    assert answer.json()["detail"].replace(token_id, f"tok_{NOWHERE}") == missing["detail"]


@pytest.mark.asyncio
@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_role_bindings_beyond_the_reader_s_own_services_are_not_there(
    tmp_path: Path, database_url: str, role: Role
) -> None:
    """Lists leave them out; asked for by id, for reading or taking away, they are missing like any other."""
    async with serving(tmp_path, database_url=database_url, enforced=True) as (client, use_cases):
        admin = bearer(await token_of(use_cases, Binding(Role.ADMIN, ("*",))))
        made = {}
        for name in ("mine", "other", "both", "everywhere"):
            body = {"kind": "person", "subject": f"{name}@example.org", **GRANTS[name][0]}
            made[name] = (await client.post("/role-bindings", json=body, headers=admin)).json()["id"]
        scoped = bearer(await token_of(use_cases, Binding(role, ("mine",))))
        listed = (await client.get("/role-bindings", headers=scoped)).json()["items"]
        assert [item["subject"] for item in listed] == ["mine@example.org"]
        missing = await client.get(f"/role-bindings/rol_{NOWHERE}", headers=scoped)
        for name, binding_id in made.items():
            path = f"/role-bindings/{binding_id}"
            answer = await client.get(path, headers=scoped)
            assert answer.status_code == (200 if name == "mine" else 404), name
            assert (await client.get(path, headers=admin)).status_code == 200
            if name != "mine":
                detail = answer.json()["detail"].replace(binding_id, f"rol_{NOWHERE}")
                assert (detail, "example.org" in answer.text) == (missing.json()["detail"], False)
            if role is Role.ADMIN:
                gone = await client.delete(path, headers={**scoped, "If-Match": "*"})
                assert gone.status_code == (403 if name == "mine" else 404), name
