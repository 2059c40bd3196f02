"""Pages elsewhere cannot use somebody's session: every way of sending a request, and what it is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.security.access import LOCAL_OPERATOR
from scrollintel.security.sessions import csrf_of

from ..servers.control_plane import PREFIX
from .browser_rig import COOKIE, ORIGIN, SESSION, Browser
from .rig import Served, serving
from .test_access_matrix import address, token_of

UNSAFE = [
    (method, address(route))
    for route in router.routes
    if isinstance(route, APIRoute) and not route.path.endswith("/session")
    for method in sorted((route.methods or set()) - {"GET", "HEAD"})
]


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Return a control plane that asks who is there."""
    async with serving(tmp_path, enforced=True) as running:
        yield running


@pytest_asyncio.fixture
async def browser(served: Served) -> Browser:
    """Return a browser that has signed in and may do everything."""
    signed_in = Browser(served.client)
    answer = await signed_in.sign_in(await token_of(served.use_cases, *LOCAL_OPERATOR.bindings))
    assert answer.status_code == 200
    return signed_in


@pytest.mark.asyncio
async def test_every_route_that_changes_something_wants_the_csrf_value(browser: Browser) -> None:
    """Without it 403 `csrf_failed` whatever the route; with it the route decides."""
    assert len(UNSAFE) > 30
    wrong = []
    for method, path in UNSAFE:
        without = await browser.send(method, path, json={}, headers={"X-CSRF-Token": None})
        if (without.status_code, without.json()["code"]) != (403, "csrf_failed"):
            wrong.append((method, path, without.text))
        beside = await browser.send(method, path, json={})
        if beside.status_code in (401, 403):
            wrong.append((method, path, beside.text))
    assert wrong == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": None, "Sec-Fetch-Site": None}, True),
        ({"Origin": None}, True),
        ({"Origin": "https://127.0.0.1"}, True),  # a proxy in front speaks https
        ({"Sec-Fetch-Site": "none"}, True),
        ({"X-CSRF-Token": None}, False),
        ({"X-CSRF-Token": ""}, False),
        ({"X-CSRF-Token": "0" * 64}, False),
        ({"X-CSRF-Token": csrf_of("a" * 43)}, False),
        ({"X-CSRF-Token": "\u00fc"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://127.0.0.1:81"}, False),
        ({"Origin": "http://127.0.0.1.evil.example.com"}, False),
        ({"Origin": "http://evil.example.com/127.0.0.1"}, False),
        ({"Origin": "ftp://127.0.0.1"}, False),
        ({"Origin": "127.0.0.1"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": None, "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_change_under_a_session_comes_from_our_page_or_is_refused(
    browser: Browser, headers: dict[str, str | None], passes: bool
) -> None:
    """The value of this session, this origin where one is named, and no other site."""
    sent = {name: None if value is None else value.encode("latin-1") for name, value in headers.items()}
    answer = await browser.send("POST", "/services", json={"name": "orders"}, headers=sent)
    if passes:
        assert answer.status_code == 201, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
        assert (await browser.send("GET", "/services")).json()["items"] == []


@pytest.mark.asyncio
async def test_https_is_not_steered_from_http(browser: Browser) -> None:
    """A page that came unencrypted may be anybody's."""
    url = f"https://127.0.0.1{PREFIX}/services"
    for origin, status in (("http://127.0.0.1", 403), ("https://127.0.0.1", 201)):
        answer = await browser.send("POST", url, json={"name": "orders"}, headers={"Origin": origin})
        assert answer.status_code == status


@pytest.mark.asyncio
async def test_csrf_value_of_another_session_is_worth_nothing(served: Served, browser: Browser) -> None:
    """Somebody else's value, or one of the same person's former session, does not fit."""
    other = Browser(served.client)
    await other.sign_in(await token_of(served.use_cases, *LOCAL_OPERATOR.bindings))
    answer = await browser.send("POST", "/services", json={"name": "a"}, headers={"X-CSRF-Token": other.csrf})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_sign_in_and_out_from_a_page_elsewhere_is_refused(
    served: Served, browser: Browser, headers: dict[str, str]
) -> None:
    """Nobody is signed in under another's token, or signed out, by a page that they merely look at."""
    token = await token_of(served.use_cases, *LOCAL_OPERATOR.bindings)
    secret = browser.cookies[COOKIE]
    opened = await browser.send("POST", SESSION, json={"token": token}, headers=headers)
    closed = await browser.send("DELETE", SESSION, headers=headers)
    assert [(answer.status_code, answer.json()["code"]) for answer in (opened, closed)] == [(403, "csrf_failed")] * 2
    assert browser.cookies[COOKIE] == secret
    assert (await browser.shown())["signed_in"]


@pytest.mark.asyncio
async def test_sign_in_as_a_form_would_send_it_is_refused(served: Served) -> None:
    """A form needs no leave of the browser to be sent anywhere, and cannot send JSON."""
    token = await token_of(served.use_cases, *LOCAL_OPERATOR.bindings)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await Browser(served.client).send(
            "POST", SESSION, content=f'{{"token":"{token}"}}', headers={"Content-Type": kind, "Origin": ORIGIN}
        )
        assert answer.status_code == 415


@pytest.mark.asyncio
async def test_sign_out_wants_the_csrf_value_while_there_is_a_session(browser: Browser) -> None:
    """As every change does."""
    refused = await browser.send("DELETE", SESSION, headers={"X-CSRF-Token": None})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert (await browser.send("DELETE", SESSION)).status_code == 204
    assert (await browser.send("DELETE", SESSION, headers={"X-CSRF-Token": None})).status_code == 204
