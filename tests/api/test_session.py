"""Sessions of browsers at the API: how one begins, what it may do, how it ends, and what is written down about it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel import __version__
from scrollintel.security.access import Binding, Permission, Role
from scrollintel.security.sessions import SessionLimits
from scrollintel.service.use_cases import UseCases
from scrollintel.testing import ManualClock

from ..servers.control_plane import client_of
from .browser_rig import COOKIE, SESSION, Browser
from .rig import Served, bearer, serving
from .test_access_matrix import token_of

SHORT = SessionLimits(idle=600.0, lifetime=3600.0)
NOBODY: dict[str, Any] = {
    "signed_in": False, "access": "enforced", "ways": ["token"], "identity": None, "permissions": {}, "csrf": None,
    "idle_expires_at": None, "expires_at": None, "version": None,
}  # fmt: skip


@asynccontextmanager
async def enforced(directory: Path, **options: Any) -> AsyncIterator[Served]:  # Any: arguments of `wire`
    """Serve a control plane that asks who is there."""
    async with serving(directory, enforced=True, **options) as served:
        yield served


async def made(served: Served, directory: Path, *bindings: Binding, **fields: Any) -> dict[str, Any]:
    """Make an API token over the API and return its document, with its text."""
    admin = bearer((directory / "first-admin-token").read_text().strip())
    body = {"name": "browser", "bindings": [binding.to_dict() for binding in bindings], **fields}
    answer = await served.client.post("/tokens", json=body, headers=admin)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def audited(use_cases: UseCases, served: Served, directory: Path, action: str) -> list[dict[str, Any]]:
    """Return the audit records of an action, oldest first."""
    await use_cases.access.record()
    admin = bearer((directory / "first-admin-token").read_text().strip())
    answer = await served.client.get("/audit", params={"action": action}, headers=admin)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


@pytest.mark.asyncio
async def test_session_is_shown_to_anybody_as_nobody(tmp_path: Path) -> None:
    """Without a session 200 and what is needed to sign in; a program with a token is told who it is, and no more."""
    async with enforced(tmp_path) as served:
        browser = Browser(served.client)
        assert await browser.shown() == NOBODY
        token = (tmp_path / "first-admin-token").read_text().strip()
        program = (await served.client.get("/session", headers=bearer(token))).json()
        assert (program["signed_in"], program["csrf"], program["expires_at"]) == (True, None, None)
        assert program["version"] == __version__
        described = await served.client.get(str(served.client.base_url.copy_with(path="/openapi.json")))
        assert described.json()["info"]["version"] == "1"
        assert (await served.client.get("/session", headers=bearer(f"{token}x"))).status_code == 401
        for cookie in ("", "x", "a" * 43, "a" * 9000, "Ω" * 3):
            header = f"{COOKIE}={cookie}".encode()
            answer = await served.client.get("/session", headers=[(b"cookie", header)])
            assert (answer.status_code, answer.json()) == (200, NOBODY)


@pytest.mark.asyncio
async def test_session_opens_with_a_token_under_a_cookie_that_no_script_reads(tmp_path: Path) -> None:
    """The answer tells who and what, and the cookie has every attribute; what is stored is only a hash."""
    clock = ManualClock()
    async with enforced(tmp_path, clock=clock, sessions=SHORT) as served:
        token = await made(served, tmp_path, Binding(Role.OPERATOR, ("orders", "billing")), subject="ann@example.org")
        browser = Browser(served.client)
        answer = await browser.sign_in(token["token"])
        shown = answer.json()
        assert browser.said == {COOKIE: {"secure", "httponly", "samesite=strict", "path=/"}}
        assert len(browser.cookies[COOKIE]) == 43
        assert answer.headers["cache-control"] == "no-store"
        now = datetime.fromtimestamp(clock.time()).astimezone()
        assert shown["identity"] == {"id": token["id"], "kind": "token", "name": "ann@example.org"}
        assert (shown["signed_in"], shown["access"], shown["ways"]) == (True, "enforced", ["token"])
        assert shown["permissions"]["circuits.operate"] == ["billing", "orders"]
        assert "tokens.write" not in shown["permissions"]
        assert datetime.fromisoformat(shown["idle_expires_at"]) == now + timedelta(seconds=600)
        assert datetime.fromisoformat(shown["expires_at"]) == now + timedelta(seconds=3600)
        assert await browser.shown() == shown
        assert browser.cookies[COOKIE] not in answer.text


@pytest.mark.asyncio
async def test_session_of_a_token_without_a_person_bears_its_name(tmp_path: Path) -> None:
    """So that people see under what they are signed in; everywhere is written as "*"."""
    async with enforced(tmp_path) as served:
        browser = Browser(served.client)
        shown = (await browser.sign_in((tmp_path / "first-admin-token").read_text().strip())).json()
        assert shown["identity"]["name"] == "first admin"
        assert shown["permissions"]["tokens.write"] == ["*"]
        assert set(shown["permissions"]) <= {permission.value for permission in Permission}


@pytest.mark.asyncio
async def test_session_may_what_its_token_may(tmp_path: Path) -> None:
    """A viewer reads and changes nothing; an operator of one service steers that one and sees no other."""
    async with enforced(tmp_path) as served:
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        for name in ("orders", "billing"):
            assert (await served.client.post("/services", json={"name": name}, headers=admin)).status_code == 201
        level = {"service": "orders", "level": "minimal", "reason": "test"}
        viewer, operator = Browser(served.client), Browser(served.client)
        await viewer.sign_in(await token_of(served.use_cases, Binding(Role.VIEWER, ("*",))))
        await operator.sign_in(await token_of(served.use_cases, Binding(Role.OPERATOR, ("orders",))))
        assert (await viewer.send("GET", "/services")).status_code == 200
        refused = await viewer.send("POST", "/degradation", json=level)
        assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
        assert (await operator.send("POST", "/degradation", json=level)).status_code == 200
        assert (await operator.send("GET", "/services/billing")).status_code == 404
        assert (await operator.send("GET", "/tokens")).status_code == 403


@pytest.mark.asyncio
async def test_bearer_token_wins_over_the_session(tmp_path: Path) -> None:
    """Who sends a token is whom the token stands for, needs no csrf value, and a wrong one does not fall back."""
    async with enforced(tmp_path) as served:
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        browser = Browser(served.client)
        await browser.sign_in(await token_of(served.use_cases, Binding(Role.VIEWER, ("*",))))
        assert (await browser.send("GET", "/tokens", headers=admin)).status_code == 200
        plain = {**admin, "X-CSRF-Token": None}
        assert (await browser.send("POST", "/services", json={"name": "a"}, headers=plain)).status_code == 201
        assert (await browser.send("GET", "/services", headers=bearer("sit_wrong"))).status_code == 401


@pytest.mark.asyncio
async def test_sign_in_with_a_wrong_token_is_refused_and_slowed_down_with_other_wrong_tokens(tmp_path: Path) -> None:
    """401 without a cookie, then 429 from that address, however the tokens come; a right one always passes."""
    async with enforced(tmp_path, bad_tokens_per_minute=4) as served:
        browser = Browser(served.client)
        expired = await token_of(served.use_cases, Binding(Role.VIEWER, ("*",)))
        for token in ("x", "sit_" + "a" * 49, expired[:-1], "a.b.c"):
            answer = await browser.sign_in(token)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert browser.cookies == {}
        slowed = await browser.sign_in("x")
        assert (slowed.status_code, "retry-after" in slowed.headers) == (429, True)
        assert (await served.client.get("/services", headers=bearer("x"))).status_code == 429
        assert (await browser.sign_in(expired)).status_code == 200
        found = await audited(served.use_cases, served, tmp_path, "access.refuse")
        assert {(item["target_kind"], item["target"], item["outcome"]) for item in found if item["actor"] == "anonymous"
        } == {("session", "sign-in", "refused"), ("permission", "services.read", "refused")}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": ""}, {"token": "x" * 1001}, {"token": "x", "more": 1}])
async def test_sign_in_without_a_token_is_not_valid(tmp_path: Path, body: dict[str, Any]) -> None:
    """422, and what was sent is not repeated."""
    async with enforced(tmp_path) as served:
        answer = await Browser(served.client).send("POST", SESSION, json=body)
        assert answer.status_code == 422
        assert "xxx" not in answer.text


@pytest.mark.asyncio
async def test_sign_in_rotates_the_secret_and_ends_the_former_session(tmp_path: Path) -> None:
    """Whoever planted or knows a session from before has nothing of the one that begins."""
    async with enforced(tmp_path) as served:
        token = await token_of(served.use_cases, Binding(Role.VIEWER, ("*",)))
        browser = Browser(served.client)
        browser.cookies[COOKIE] = planted = "p" * 43
        await browser.sign_in(token)
        first = browser.cookies[COOKIE]
        first_csrf = browser.csrf
        await browser.sign_in(token)
        assert len({planted, first, browser.cookies[COOKIE]}) == 3
        assert browser.csrf != first_csrf
        assert len(served.use_cases.sessions) == 1
        for secret in (planted, first):
            assert (await served.client.get("/services", headers={"Cookie": f"{COOKIE}={secret}"})).status_code == 401


@pytest.mark.asyncio
async def test_session_ends_idle_and_anyway(tmp_path: Path) -> None:
    """What a person does keeps it going until its lifetime is over; what the page asks by itself does not."""
    clock = ManualClock()
    async with enforced(tmp_path, clock=clock, sessions=SHORT) as served:
        await served.use_cases.loops.stop()
        token = await token_of(served.use_cases, Binding(Role.VIEWER, ("*",)))
        browser = Browser(served.client)
        await browser.sign_in(token)
        for _ in range(2):
            clock.advance(599.0)
            assert (await browser.send("GET", "/services")).status_code == 200
        clock.advance(300.0)
        assert (await browser.send("GET", "/services", headers={"X-ScrollIntel-Background": "1"})).status_code == 200
        assert (await browser.shown())["signed_in"]
        clock.advance(300.0)
        assert (await browser.shown())["signed_in"] is False
        assert (await browser.send("GET", "/services")).status_code == 401
        await browser.sign_in(token)
        for _ in range(6):
            clock.advance(599.0)
            assert (await browser.send("GET", "/services")).status_code == 200
        clock.advance(6.0)
        assert (await browser.send("GET", "/services")).status_code == 401


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["revoked", "expired", "erased"])
async def test_session_ends_with_its_token(tmp_path: Path, end: str) -> None:
    """The next request after the token's end is nobody's, and the session is gone."""
    clock = ManualClock()
    async with enforced(tmp_path, clock=clock, sessions=SessionLimits(idle=7200.0)) as served:
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        token = await made(served, tmp_path, Binding(Role.VIEWER, ("*",)), subject="ada", expires_in=3600)
        browser = Browser(served.client)
        shown = (await browser.sign_in(token["token"])).json()
        assert shown["expires_at"] == shown["idle_expires_at"] == token["expires_at"]
        if end == "revoked":
            assert (await served.client.delete(f"/tokens/{token['id']}", headers=admin)).status_code == 204
        elif end == "erased":
            path = f"/subjects/{token['subject_id']}/erase"
            assert (await served.client.post(path, json={"reason": "wish"}, headers=admin)).status_code == 200
        else:
            clock.advance(3600.0)
        assert (await browser.send("GET", "/services")).status_code == 401
        assert (await browser.shown())["signed_in"] is False
        assert len(served.use_cases.sessions) == 0


@pytest.mark.asyncio
async def test_sign_out_ends_the_session_and_takes_the_cookie(tmp_path: Path) -> None:
    """204 with or without a session; the secret is worth nothing from then on."""
    async with enforced(tmp_path) as served:
        browser = Browser(served.client)
        assert (await browser.send("DELETE", SESSION)).status_code == 204
        await browser.sign_in(await token_of(served.use_cases, Binding(Role.VIEWER, ("*",))))
        kept = dict(browser.cookies)
        assert (await browser.send("DELETE", SESSION)).status_code == 204
        assert browser.cookies == {}
        assert {"max-age=0", "secure", "httponly", "path=/"} <= browser.said[COOKIE]
        browser.cookies = kept
        assert (await browser.send("GET", "/services")).status_code == 401
        assert (await browser.send("DELETE", SESSION)).status_code == 204


@pytest.mark.asyncio
async def test_sessions_are_bounded_and_those_in_use_stay(tmp_path: Path) -> None:
    """The oldest idle one is signed out when one more signs in."""
    async with enforced(tmp_path, sessions=SessionLimits(total=2)) as served:
        browsers = [Browser(served.client) for _ in range(3)]
        for browser in browsers[:2]:
            await browser.sign_in(await token_of(served.use_cases, Binding(Role.VIEWER, ("*",))))
        assert (await browsers[0].send("GET", "/services")).status_code == 200
        await browsers[2].sign_in(await token_of(served.use_cases, Binding(Role.VIEWER, ("*",))))
        assert [(await browser.shown())["signed_in"] for browser in browsers] == [True, False, True]
        assert served.use_cases.sessions.dropped == 1


@pytest.mark.asyncio
async def test_session_with_access_off_is_that_of_whoever_sits_here(tmp_path: Path) -> None:
    """A loopback peer that asks for a name of this machine has everything; others and pages elsewhere have nothing."""
    async with serving(tmp_path) as served:
        shown = await Browser(served.client).shown()
        assert (shown["signed_in"], shown["access"], shown["csrf"]) == (True, "off", None)
        assert shown["identity"] == {"id": "local", "kind": "local", "name": None}
        assert shown["permissions"] == {permission.value: ["*"] for permission in Permission
                                        if permission.value in shown["permissions"]}  # fmt: skip
        assert {"circuits.operate", "tokens.write", "audit.export", "recovery.approve"} <= set(shown["permissions"])
        assert (shown["idle_expires_at"], shown["expires_at"]) == (None, None)
        elsewhere = await served.client.get("/session", headers={"Origin": "https://evil.example.com"})
        assert (elsewhere.status_code, elsewhere.json()["signed_in"]) == (200, False)
        app = served.client._transport.app  # type: ignore[attr-defined]  # the transport of `client_of`
        async with client_of(app, peer="192.0.2.7") as stranger:
            assert (await stranger.get("/session")).json() == {**NOBODY, "access": "off"}


@pytest.mark.asyncio
async def test_session_is_written_down_without_its_secret(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each sign-in and sign-out is a record with who, how and from where; no log, record or answer has a secret."""
    caplog.set_level(logging.DEBUG)
    async with enforced(tmp_path, database_url=database_url) as served:
        token = await made(served, tmp_path, Binding(Role.VIEWER, ("*",)), subject="ann@example.org")
        browser = Browser(served.client)
        texts: list[httpx2.Response] = []
        secrets = [token["token"]]
        for _ in range(2):
            texts.append(await browser.sign_in(token["token"]))
            secrets += [browser.cookies[COOKIE], browser.csrf or "?"]
        texts.append(await browser.send("POST", "/services", json={"name": "x"}, headers={"X-CSRF-Token": "wrong"}))
        texts.append(await browser.send("DELETE", SESSION))
        texts.append(await browser.sign_in("sit_" + "z" * 49))
        logins = await audited(served.use_cases, served, tmp_path, "access.login")
        own = [item for item in logins if item["actor"] == token["id"]]
        assert [item["after"] for item in own] == [{"kind": "token", "session": True, "way": "token"}] * 2
        assert {item["personal"]["subject"] for item in own} == {"ann@example.org"}
        assert {item["personal"]["address"] for item in own} == {"127.0.0.1"}
        assert [item["request_id"] for item in own] == [text.headers["x-request-id"] for text in texts[:2]]
        (out,) = await audited(served.use_cases, served, tmp_path, "access.logout")
        assert (out["actor"], out["after"]) == (token["id"], {"kind": "token", "session": True})
        refused = await audited(served.use_cases, served, tmp_path, "access.refuse")
        assert "csrf_failed" in {item["reason"] for item in refused}
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        everything = (await served.client.get("/audit?limit=1000", headers=admin)).text
        assert (await served.client.post("/audit/verify", headers=admin)).json()["ok"]
    for secret in [*secrets, "z" * 49]:
        assert secret not in caplog.text
        assert secret not in everything


@pytest.mark.asyncio
async def test_session_counts_as_use_of_its_token(tmp_path: Path) -> None:
    """A token that only a browser uses is not shown as unused."""
    clock = ManualClock()
    async with enforced(tmp_path, clock=clock) as served:
        token = await made(served, tmp_path, Binding(Role.VIEWER, ("*",)))
        browser = Browser(served.client)
        await browser.sign_in(token["token"])
        clock.advance(60.0)
        await browser.send("GET", "/services")
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        listed = (await served.client.get("/tokens", headers=admin)).json()["items"]
        (used,) = [item["last_used_at"] for item in listed if item["id"] == token["id"]]
        assert datetime.fromisoformat(used).timestamp() == clock.time()
