"""People of an identity provider at the API: which of their tokens are accepted, and what their roles let them do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from scrollintel.security.access import Binding, Role
from scrollintel.service.caller import SYSTEM
from scrollintel.service.facts import HEARTBEAT

from .issuer import AUDIENCE, Issuer, issuing
from .rig import Served, bearer, serving

GRANTS = {"sre": (Binding(Role.OPERATOR, ("orders",)),)}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return a running provider."""
    with issuing() as running:
        yield running


@pytest_asyncio.fixture
async def served(tmp_path: Path, database_url: str, issuer: Issuer) -> AsyncIterator[Served]:
    """Return a control plane that asks for tokens and accepts the provider's."""
    options: dict[str, Any] = {"enforced": True, "oidc": issuer.config(grants=GRANTS), "database_url": database_url}
    async with serving(tmp_path, **options) as running:
        yield running


@pytest.fixture
def admin(tmp_path: Path, served: Served) -> dict[str, str]:
    """Return the header of the administrator whose token was made at the first start."""
    return bearer((tmp_path / "first-admin-token").read_text().strip())


async def bind(client: httpx2.AsyncClient, admin: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Give a role to a person or group, and return the binding."""
    body = {"kind": "person", "subject": "ada@example.com", "role": "viewer", "services": ["*"], **fields}
    made = await client.post("/role-bindings", json=body, headers=admin)
    assert made.status_code == 201, made.text
    return dict(made.json())


@pytest.mark.asyncio
async def test_login_accepts_what_is_right_and_nothing_else(served: Served, issuer: Issuer) -> None:
    """Each token that is wrong in one thing is answered as if nobody had sent one; the right one is known."""
    now = int(time.time())
    wrong = {
        "issuer": issuer.token(iss="https://elsewhere.example.com"),
        "no issuer": issuer.token(iss=None),
        "issuer with a slash": issuer.token(iss=f"{issuer.url}/"),
        "audience": issuer.token(aud="another"),
        "audiences": issuer.token(aud=["another", "third"]),
        "no audience": issuer.token(aud=None),
        "expired": issuer.token(exp=now - 61),
        "no expiry": issuer.token(exp=None),
        "from the future": issuer.token(iat=now + 300),
        "not yet": issuer.token(nbf=now + 300),
        "no subject": issuer.token(sub=None),
        "none": issuer.unsigned(),
        "None": issuer.unsigned("None"),
        "none over a signature": issuer.token(alg="none"),
        "HS256 with the public key": issuer.with_hmac(issuer.public_pem()),
        "RS512 claimed for RS256": issuer.token(alg="RS512"),
        "unknown kid": issuer.token(named="two"),
        "another's key": issuer.stranger().token(),
        "cut": issuer.token()[:-2],
    }
    statuses = {
        name: (await served.client.get("/services", headers=bearer(text))).status_code for name, text in wrong.items()
    }
    assert statuses == dict.fromkeys(wrong, 401)
    for right in (issuer.token(groups=["sre"]), issuer.token(aud=["another", AUDIENCE], groups="sre")):
        assert (await served.client.get("/services", headers=bearer(right))).status_code == 200
    fetched = issuer.fetched
    await served.client.get("/services", headers=bearer(issuer.token(named="three")))
    assert issuer.fetched == fetched  # strangers cannot make the server ask the provider again and again


@pytest.mark.asyncio
async def test_group_of_the_settings_grants_its_role_where_it_says(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """An operator of one service sees and steers that one; who is in no known group is known and may do nothing."""
    for name in ("orders", "billing"):
        assert (await served.client.post("/services", json={"name": name}, headers=admin)).status_code == 201
    operator = bearer(issuer.token(groups=["staff", "sre"]))
    listed = (await served.client.get("/services", headers=operator)).json()["items"]
    assert [item["name"] for item in listed] == ["orders"]
    assert (await served.client.get("/services/billing", headers=operator)).status_code == 404
    level = {"service": "orders", "level": "minimal", "reason": "test"}
    assert (await served.client.post("/degradation", json=level, headers=operator)).status_code == 200
    assert (await served.client.get("/tokens", headers=operator)).status_code == 403
    for groups in (None, ["staff"], [["sre"]], {"sre": True}, ["sre"] * 1001):
        nobody = bearer(issuer.token(groups=groups))
        assert (await served.client.get("/services", headers=nobody)).status_code == 403, groups


@pytest.mark.asyncio
async def test_role_bound_to_a_person_holds_until_it_is_taken_away(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """The same token may nothing, then what the role permits, then nothing again; others gain nothing by it."""
    ada, bob = bearer(issuer.token()), bearer(issuer.token(sub="bob@example.com"))
    assert (await served.client.get("/services", headers=ada)).status_code == 403
    made = await bind(served.client, admin)
    assert (await served.client.get("/services", headers=ada)).status_code == 200
    assert (await served.client.get("/services", headers=bob)).status_code == 403
    path = f"/role-bindings/{made['id']}"
    stale = await served.client.delete(path, headers={**admin, "If-Match": '"2"'})
    assert (stale.status_code, stale.headers["ETag"]) == (412, '"1"')
    assert (await served.client.delete(path, headers={**admin, "If-Match": '"1"'})).status_code == 204
    assert (await served.client.get("/services", headers=ada)).status_code == 403
    assert (await served.client.delete(path, headers=admin)).status_code == 404


@pytest.mark.asyncio
async def test_role_bound_to_a_group_holds_for_its_members_beside_the_settings(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """Roles of settings and bindings add up; a person who is called like a group is not in it."""
    await bind(served.client, admin, kind="group", subject="sre", role="auditor")
    member = bearer(issuer.token(groups=["sre"]))
    level = {"service": "orders", "level": "minimal", "reason": "test"}
    assert (await served.client.post("/degradation", json=level, headers=member)).status_code == 200
    assert (await served.client.get("/tokens", headers=member)).status_code == 200
    assert (await served.client.get("/tokens", headers=bearer(issuer.token(sub="sre")))).status_code == 403


@pytest.mark.asyncio
async def test_role_binding_is_kept_sealed_audited_and_survives_a_restart(
    tmp_path: Path, database_url: str, issuer: Issuer
) -> None:
    """The name is shown to administrators, stands in no audit record, and the role holds after a restart."""
    options: dict[str, Any] = {"enforced": True, "oidc": issuer.config(), "database_url": database_url}
    person = "countess@example.com"
    async with serving(tmp_path, **options) as served:
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        once = {**admin, "Idempotency-Key": "once"}
        made = await bind(served.client, once, subject=person, services=["orders"])
        audit = await served.client.get("/audit", params={"action": "role.bind"}, headers=admin)
        (entry,) = audit.json()["items"]
        assert entry["after"] == {
            "kind": "person", "subject_id": made["subject_id"], "role": "viewer", "services": ["orders"],
        }  # fmt: skip
        assert person not in audit.text
        (row,) = served.use_cases.role_bindings.visible(SYSTEM)
        assert person not in row.subject
    if database_url.startswith("sqlite"):
        files = [file for file in Path(database_url.removeprefix("sqlite:///")).parent.iterdir() if file.is_file()]
        assert files and all(person.encode() not in file.read_bytes() for file in files)
    async with serving(tmp_path, **options) as served:
        shown = await served.client.get(f"/role-bindings/{made['id']}", headers=admin)
        assert (shown.json(), shown.headers["ETag"]) == (made, '"1"')
        listed = (await served.client.get("/role-bindings", headers=admin)).json()
        assert listed == {"items": [made], "next_cursor": None}
        assert (await served.client.get("/services", headers=bearer(issuer.token(sub=person)))).status_code == 200


@pytest.mark.asyncio
async def test_role_binding_made_twice_is_one_or_a_conflict(served: Served, admin: dict[str, str]) -> None:
    """The same request under a key gets the same answer; without one the role is there already."""
    body = {"kind": "person", "subject": "ada", "role": "viewer", "services": ["b", "a"]}
    key = {**admin, "Idempotency-Key": "once"}
    first = await served.client.post("/role-bindings", json=body, headers=key)
    again = await served.client.post("/role-bindings", json=body, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.headers["Location"].endswith(f"/role-bindings/{first.json()['id']}")
    third = await served.client.post("/role-bindings", json={**body, "services": ["a", "b"]}, headers=admin)
    assert (third.status_code, third.json()["code"]) == (409, "already_exists")
    assert len((await served.client.get("/role-bindings", headers=admin)).json()["items"]) == 1


@pytest.mark.asyncio
async def test_role_beyond_what_the_caller_holds_cannot_be_bound(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """Administrators of one service administer no roles, and combinations that mean nothing are refused."""
    await bind(served.client, admin, role="admin", services=["orders"])
    body = {"kind": "person", "subject": "bob", "role": "viewer", "services": ["orders"]}
    ada = bearer(issuer.token())
    assert (await served.client.post("/role-bindings", json=body, headers=ada)).status_code == 403
    mistakes: tuple[dict[str, Any], ...] = (
        {"role": "owner"}, {"services": []}, {"services": ["*", "a"]}, {"kind": "team"}, {"subject": " "},
    )  # fmt: skip
    for wrong in mistakes:
        refused = await served.client.post("/role-bindings", json={**body, **wrong}, headers=admin)
        assert refused.status_code == 422, wrong
    replica = {**body, "role": "replica", "services": ["a", "b"]}
    assert (await served.client.post("/role-bindings", json=replica, headers=admin)).status_code == 422


@pytest.mark.asyncio
async def test_person_who_is_erased_loses_roles_and_is_not_known_again(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """Erasing takes the roles out with the name, and no role can be bound to the erased name any more."""
    made = await bind(served.client, admin)
    erased = await served.client.post(f"/subjects/{made['subject_id']}/erase", json={"reason": "wish"}, headers=admin)
    assert erased.status_code == 200
    assert (await served.client.get("/services", headers=bearer(issuer.token()))).status_code == 403
    assert (await served.client.get("/role-bindings", headers=admin)).json()["items"] == []
    body = {"kind": "person", "subject": "ada@example.com", "role": "viewer", "services": ["*"]}
    assert (await served.client.post("/role-bindings", json=body, headers=admin)).status_code == 409


@pytest.mark.asyncio
async def test_identity_whose_roles_have_changed_is_no_longer_valid_for_what_lasts(
    served: Served, issuer: Issuer, admin: dict[str, str]
) -> None:
    """What asks again before each delivery lets go at once; streams ask at least every heartbeat, so within 5 s."""
    assert HEARTBEAT < 5.0
    made = await bind(served.client, admin)
    access = served.use_cases.access
    identity = await access.bearer(f"Bearer {issuer.token()}")
    assert identity is not None and access.still_valid(identity)
    await served.client.delete(f"/role-bindings/{made['id']}", headers=admin)
    assert not access.still_valid(identity)
