"""Sign-in of browsers at a real identity provider: the round trip, and everything that may be wrong with it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from scrollintel.security.access import Binding, Role
from scrollintel.security.code_flow import LASTS, OidcClient
from scrollintel.service.provider_sign_in import RETRY
from scrollintel.testing import ManualClock

from ..servers.control_plane import PREFIX
from .browser_rig import COOKIE, SESSION, Browser
from .issuer import CLIENT, Issuer, issuing
from .rig import Served, bearer, serving
from .test_provider_login import bind
from .test_session import audited

GRANTS = {"sre": (Binding(Role.OPERATOR, ("orders",)),)}
KEPT = "__Host-scrollintel-sign-in"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Return a running provider."""
    with issuing() as running:
        yield running


@asynccontextmanager
async def offering(
    directory: Path, issuer: Issuer, client: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Served]:  # Any: arguments of `OidcClient` and of `wire`
    """Serve a control plane where people sign in at the provider."""
    oidc_client = OidcClient(client_id=CLIENT, **(client or {}))
    oidc = issuer.config(grants=GRANTS)
    async with serving(directory, enforced=True, oidc=oidc, oidc_client=oidc_client, **options) as served:
        yield served


async def at_provider(left: httpx2.Response) -> str:
    """Follow a browser to the provider, and return where the provider sends it back to."""
    assert left.status_code == 302, left.text
    async with httpx2.AsyncClient() as client:
        answer = await client.get(left.headers["location"])
    assert answer.status_code == 302
    return str(answer.headers["location"])


def problem(answer: httpx2.Response) -> str:
    """Return the code of what went wrong, of an answer that leads to the page and nowhere else."""
    assert answer.status_code == 302
    beginning, _, code = answer.headers["location"].partition("?problem=")
    assert beginning == "/#/sign-in"
    return str(code)


def changed(url: str, **changes: str | None) -> str:
    """Return a URL with other parameters; None leaves one out."""
    query = {**dict(parse_qsl(urlsplit(url).query)), **changes}
    return f"{urlsplit(url).path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


@pytest.mark.asyncio
async def test_browser_signs_in_at_the_provider(tmp_path: Path, issuer: Issuer) -> None:
    """With PKCE, state and nonce, under cookies that fit; the session has the person's roles and ends by its limits."""
    async with offering(tmp_path, issuer) as served:
        browser = Browser(served.client)
        assert (await browser.shown())["ways"] == ["token", "provider"]
        left = await browser.leave()
        asked = parse_qs(urlsplit(left.headers["location"]).query)
        assert asked["redirect_uri"] == [f"http://127.0.0.1{PREFIX}{SESSION}/provider/return"]
        assert all(len(asked[name][0]) == 43 for name in ("state", "nonce", "code_challenge"))
        assert browser.said[KEPT] == {"secure", "httponly", "samesite=lax", "path=/", f"max-age={LASTS:.0f}"}
        issuer.signed = {"groups": ["sre"]}
        back = await browser.come_back(await at_provider(left))
        assert (back.status_code, back.headers["location"]) == (302, "/")
        assert browser.said[COOKIE] == {"secure", "httponly", "samesite=strict", "path=/"}
        assert browser.cookies.keys() == {COOKIE}
        assert back.headers["cache-control"] == "no-store"
        shown = await browser.shown()
        assert shown["identity"]["kind"] == "oidc" and shown["identity"]["name"] == "ada@example.com"
        assert shown["permissions"]["circuits.operate"] == ["orders"]
        level = {"service": "orders", "level": "minimal", "reason": "test"}
        assert (await browser.send("POST", "/degradation", json=level)).status_code == 200
        (login,) = [
            item for item in await audited(served.use_cases, served, tmp_path, "access.login")
            if item["actor"] == shown["identity"]["id"]
        ]  # fmt: skip
        assert login["after"] == {"kind": "oidc", "session": True, "way": "provider"}
        assert login["personal"]["subject"] == "ada@example.com"


@pytest.mark.asyncio
async def test_endpoints_come_from_the_settings_or_the_issuer(tmp_path: Path, issuer: Issuer) -> None:
    """Configured ones are used without asking; published ones are asked for once."""
    configured = {"authorization_url": f"{issuer.url}/authorize?prompt=login", "token_url": f"{issuer.url}/token"}
    async with offering(tmp_path / "one", issuer, configured) as served:
        browser = Browser(served.client)
        left = await browser.leave()
        assert "prompt=login&response_type=code" in left.headers["location"]
        assert (await browser.come_back(await at_provider(left))).headers["location"] == "/"
        assert issuer.discovered == 0
    async with offering(tmp_path / "two", issuer) as served:
        for _ in range(3):
            await Browser(served.client).leave()
        assert issuer.discovered == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("methods", [None, ["client_secret_post"], ["client_secret_post", "client_secret_basic"]])
async def test_confidential_client_shows_its_secret(tmp_path: Path, issuer: Issuer, methods: list[str] | None) -> None:
    """Read from a file when it is needed, and sent as the provider wants it."""
    issuer.client_secret = "s3cret +&%ü"
    issuer.published = {} if methods is None else {"token_endpoint_auth_methods_supported": methods}
    file = tmp_path / "secret"
    file.write_text(issuer.client_secret + "\n", "utf-8")
    async with offering(tmp_path / "data", issuer, {"client_secret": f"{{file:{file}}}"}) as served:
        browser = Browser(served.client)
        assert (await browser.come_back(await at_provider(await browser.leave()))).headers["location"] == "/"
        file.write_text("another", "utf-8")
        assert problem(await browser.come_back(await at_provider(await browser.leave()))) == "provider_unavailable"
        file.unlink()
        assert problem(await browser.come_back(await at_provider(await browser.leave()))) == "provider_unavailable"


@pytest.mark.asyncio
async def test_return_that_does_not_belong_to_this_browser_is_refused(tmp_path: Path, issuer: Issuer) -> None:
    """Another's code and state, none, or one from long ago open nothing, and no code is exchanged."""
    clock = ManualClock(wall=time.time())
    async with offering(tmp_path, issuer, clock=clock) as served:
        browser, other = Browser(served.client), Browser(served.client)
        await browser.leave()
        theirs = await at_provider(await other.leave())
        assert problem(await browser.come_back(theirs)) == "state_mismatch"
        assert problem(await Browser(served.client).come_back(theirs)) == "state_mismatch"
        for wrong in ({"state": None}, {"state": ""}, {"state": "x" * 9000}, {"state": "ü"}):
            left = await browser.leave()
            url = await at_provider(left)
            assert problem(await browser.come_back(changed(url, **wrong))) == "state_mismatch"
        url = await at_provider(await browser.leave())
        clock.advance(LASTS + 1.0)
        assert problem(await browser.come_back(url)) == "state_mismatch"
        url = await at_provider(await browser.leave())
        assert problem(await browser.come_back(changed(url, iss="https://evil.example.com"))) == "wrong_issuer"
        assert issuer.exchanged == 0 and COOKIE not in browser.cookies


@pytest.mark.asyncio
async def test_return_is_good_once(tmp_path: Path, issuer: Issuer) -> None:
    """Neither this browser nor another signs in again with what has come back."""
    async with offering(tmp_path, issuer) as served:
        browser = Browser(served.client)
        left = await browser.leave()
        kept = dict(browser.cookies)
        url = await at_provider(left)
        assert (await browser.come_back(url)).headers["location"] == "/"
        assert problem(await browser.come_back(url)) == "state_mismatch"
        thief = Browser(served.client)
        thief.cookies = kept
        assert problem(await thief.come_back(url)) == "code_refused"


@pytest.mark.asyncio
async def test_code_that_is_wrong_or_late_is_refused(tmp_path: Path, issuer: Issuer) -> None:
    """The provider decides; without a code nobody asks it."""
    async with offering(tmp_path, issuer) as served:
        browser = Browser(served.client)
        for code in (None, "", "x" * 5000):
            url = changed(await at_provider(await browser.leave()), code=code)
            assert problem(await browser.come_back(url)) == "code_refused"
        assert issuer.exchanged == 0
        url = changed(await at_provider(await browser.leave()), code="made-up")
        assert problem(await browser.come_back(url)) == "code_refused"
        issuer.code_lifetime = 0.0
        assert problem(await browser.come_back(await at_provider(await browser.leave()))) == "code_refused"
        assert len(served.use_cases.sessions) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "signed",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"aud": "scrollintel"},
        {"aud": ["other"]},
        {"azp": "another-client"},
        {"iss": "https://evil.example.com"},
        {"exp": 1},
        {"sub": None},
        {"alg": "none"},
    ],
    ids=str,
)
async def test_identity_token_that_is_not_for_this_sign_in_is_refused(
    tmp_path: Path, issuer: Issuer, signed: dict[str, Any]
) -> None:
    """Signed by the provider, and still for another moment, client or issuer, or over."""
    issuer.signed = signed
    async with offering(tmp_path, issuer) as served:
        browser = Browser(served.client)
        assert problem(await browser.come_back(await at_provider(await browser.leave()))) == "token_refused"
        assert browser.cookies == {}


@pytest.mark.asyncio
async def test_provider_that_is_away_or_answers_nonsense_lets_nobody_in(tmp_path: Path, issuer: Issuer) -> None:
    """The page tells that; what the issuer publishes is asked for again after a moment, not by each browser."""
    clock = ManualClock()
    wrong: list[dict[str, Any]] = [
        {"issuer": "https://evil.example.com"},
        {"authorization_endpoint": "http://evil.example.com/authorize"},
        {"token_endpoint": 7},
    ]
    async with offering(tmp_path, issuer, clock=clock) as served:
        browser = Browser(served.client)
        for published in wrong:
            issuer.published = published
            discovered = issuer.discovered
            for _ in range(3):
                assert problem(await browser.leave()) == "provider_unavailable"
            assert issuer.discovered == discovered + 1
            clock.advance(RETRY)
        issuer.published = {}
        for status in (500, 302, 401):
            issuer.status = None
            url = await at_provider(await browser.leave())
            issuer.status = status
            assert problem(await browser.come_back(url)) == "provider_unavailable"


@pytest.mark.asyncio
async def test_provider_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    """A refused connection is no error of ours."""
    with issuing() as issuer:
        pass
    async with offering(tmp_path, issuer) as served:
        assert problem(await Browser(served.client).leave()) == "provider_unavailable"


@pytest.mark.asyncio
async def test_refusal_of_the_provider_is_told_in_our_words(tmp_path: Path, issuer: Issuer) -> None:
    """Anybody can write what stands in the address; it goes nowhere."""
    async with offering(tmp_path, issuer) as served:
        browser = Browser(served.client)
        await browser.leave()
        answer = await browser.send("GET", f"{SESSION}/provider/return?error=access_denied%0d%0aX:1&state=<script>")
        assert problem(answer) == "provider_refused"
        assert KEPT not in browser.cookies


@pytest.mark.asyncio
async def test_no_request_chooses_where_the_browser_goes(tmp_path: Path, issuer: Issuer) -> None:
    """Neither before nor after the sign-in; the provider knows the one address to come back to."""
    evil = "https://evil.example.com"
    names = ("redirect_uri", "redirect_url", "next", "return_to", "url", "continue", "RelayState", "to")
    query = urlencode(dict.fromkeys(names, evil))
    configured = {"redirect_url": f"http://127.0.0.1{PREFIX}{SESSION}/provider/return"}
    async with offering(tmp_path, issuer, configured) as served:
        browser = Browser(served.client)
        headers = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
        left = await browser.send("GET", f"{SESSION}/provider?{query}", headers=headers)
        assert left.headers["location"].startswith(f"{issuer.url}/authorize?")
        assert "evil" not in left.headers["location"]
        url = await at_provider(left)
        back = await browser.come_back(f"{changed(url)}&{query}")
        assert back.headers["location"] == "/"


@pytest.mark.asyncio
async def test_sign_in_at_the_provider_is_slowed_down_like_wrong_tokens(tmp_path: Path, issuer: Issuer) -> None:
    """So that nobody lets the server ask the provider again and again."""
    async with offering(tmp_path, issuer, bad_tokens_per_minute=3) as served:
        browser = Browser(served.client)
        codes = []
        for _ in range(6):
            url = changed(await at_provider(await browser.leave()), code="made-up")
            codes.append(problem(await browser.come_back(url)))
        assert codes == ["code_refused"] * 3 + ["rate_limited"] * 3
        assert issuer.exchanged == 3
        assert (await browser.sign_in("x")).status_code == 429


@pytest.mark.asyncio
async def test_outage_of_the_provider_is_nobodys_wrong_attempt(tmp_path: Path, issuer: Issuer) -> None:
    """Who tries again while it is away is let in once it is back."""
    async with offering(tmp_path, issuer, bad_tokens_per_minute=1) as served:
        browser = Browser(served.client)
        for _ in range(3):
            issuer.status = None
            url = await at_provider(await browser.leave())
            issuer.status = 500
            assert problem(await browser.come_back(url)) == "provider_unavailable"
        issuer.status = None
        assert (await browser.come_back(await at_provider(await browser.leave()))).headers["location"] == "/"


@pytest.mark.asyncio
async def test_session_of_a_person_follows_the_roles(tmp_path: Path, issuer: Issuer) -> None:
    """A role that is given or taken holds with the next request, and nobody has to sign in again for it."""
    async with offering(tmp_path, issuer) as served:
        admin = bearer((tmp_path / "first-admin-token").read_text().strip())
        browser = Browser(served.client)
        await browser.come_back(await at_provider(await browser.leave()))
        assert (await browser.shown())["permissions"] == {}
        assert (await browser.send("GET", "/services")).status_code == 403
        made = await bind(served.client, admin)
        assert (await browser.send("GET", "/services")).status_code == 200
        assert (await browser.shown())["permissions"]["services.read"] == ["*"]
        await served.client.delete(f"/role-bindings/{made['id']}", headers=admin)
        assert (await browser.send("GET", "/services")).status_code == 403


@pytest.mark.asyncio
async def test_session_of_a_person_outlasts_the_identity_token(tmp_path: Path, issuer: Issuer) -> None:
    """Which says who signed in just now and not for how long; the session's own limits do that."""
    clock = ManualClock(wall=time.time())
    async with offering(tmp_path, issuer, clock=clock) as served:
        browser = Browser(served.client)
        issuer.signed = {"groups": ["sre"], "exp": int(time.time()) + 60}
        await browser.come_back(await at_provider(await browser.leave()))
        clock.advance(1700.0)
        assert (await browser.send("GET", "/services")).status_code == 200
        clock.advance(1800.0)
        assert (await browser.send("GET", "/services")).status_code == 401


@pytest.mark.asyncio
async def test_without_a_client_nobody_signs_in_at_the_provider(tmp_path: Path, issuer: Issuer) -> None:
    """The page does not offer it, and whoever asks anyway is sent back to it."""
    async with serving(tmp_path, enforced=True, oidc=issuer.config()) as served:
        browser = Browser(served.client)
        assert (await browser.shown())["ways"] == ["token"]
        assert problem(await browser.leave()) == "provider_off"
        assert problem(await browser.come_back(f"{SESSION}/provider/return?code=x&state=y")) == "provider_off"


@pytest.mark.asyncio
async def test_sign_in_at_the_provider_leaves_no_secret_anywhere(
    tmp_path: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither codes nor cookies, tokens or the client's secret, in logs, audit records or addresses."""
    caplog.set_level(logging.DEBUG)
    issuer.client_secret = "very-secret-indeed"
    file = tmp_path / "secret"
    file.write_text(issuer.client_secret, "utf-8")
    async with offering(tmp_path / "data", issuer, {"client_secret": f"{{file:{file}}}"}) as served:
        secrets, answers = [issuer.client_secret], []
        for status in (None, 400, 500):
            browser = Browser(served.client)
            left = await browser.leave()
            issuer.status = status
            url = await at_provider(left)
            secrets += [browser.cookies[KEPT], dict(parse_qsl(urlsplit(url).query))["code"]]
            answers.append(await browser.come_back(url))
            secrets += browser.cookies.values()
        admin = bearer((tmp_path / "data" / "first-admin-token").read_text().strip())
        await served.use_cases.access.record()
        everything = (await served.client.get("/audit?limit=1000", headers=admin)).text
    own = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("scrollintel"))
    shown = everything + own + "".join(answer.headers["location"] + answer.text for answer in answers)
    assert [secret for secret in secrets if secret in shown] == []
    assert "the identity provider refuses a code: server_error" in own
