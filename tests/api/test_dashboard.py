"""The page as a browser gets it: headers, caching, compression, and nothing beside its own files."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import FastAPI

from scrollintel.api.middleware import AllowedHosts
from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.composition import wire
from scrollintel.dashboard.application import create_app
from scrollintel.dashboard.pages import accepts_gzip

from ..servers.program import Program
from .rig import serving

SCRIPT = b"document.title = 'Circuits';\n" * 100
PATH = "/assets/index-Dk2_9aB-.js"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SHARED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@asynccontextmanager
async def shown(directory: Path, *, built: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of the application as it is served, with a page or without one."""
    bundle = directory / "bundle"
    if built:
        (bundle / "assets").mkdir(parents=True)
        (bundle / "index.html").write_bytes(b"<!doctype html><title>page</title>")
        (bundle / "favicon.svg").write_bytes(b"<svg/>")
        (bundle / "assets" / "index-Dk2_9aB-.js").write_bytes(SCRIPT)
        (bundle / "secret.txt").write_bytes(b"secret")
    app = create_app(wire(directory=directory / "data"), hosts=AllowedHosts(), bundle=bundle)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 50_000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


def once(answer: httpx2.Response) -> dict[str, str]:
    """Return the headers of an answer, each of which came once."""
    names = [name for name, _ in answer.headers.multi_items()]
    assert len(names) == len(set(names)), names
    return dict(answer.headers)


@pytest.mark.asyncio
async def test_page_is_served_with_its_own_policy(tmp_path: Path) -> None:
    """Asked for anew each time, guarded, under a policy that lets no text become code."""
    async with shown(tmp_path) as client:
        headers = once(answer := await client.get("/"))
        assert (answer.status_code, answer.text) == (200, "<!doctype html><title>page</title>")
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["content-security-policy"] == PAGE_POLICY
        assert headers["cache-control"] == "no-cache"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers.items() >= SHARED.items()
        icon = once(await client.get("/favicon.svg"))
        assert (icon["content-type"], icon["cache-control"]) == ("image/svg+xml", "no-cache")
        api = once(await client.get("/livez"))
        assert api["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert api["cache-control"] == "no-store"
        assert api.items() >= SHARED.items()


@pytest.mark.asyncio
async def test_file_whose_name_changes_with_its_content_is_kept_for_good(tmp_path: Path) -> None:
    """Compressed for whoever takes that, with a tag of its own for each form, and 304 for whoever has it."""
    async with shown(tmp_path) as client:
        packed, plain = [await client.get(PATH, headers={"Accept-Encoding": way}) for way in ("br, gzip", "identity")]
        for answer, encoding in ((packed, "gzip"), (plain, None)):
            headers = once(answer)
            assert answer.content == SCRIPT
            assert headers.get("content-encoding") == encoding
            assert headers["cache-control"] == "public, max-age=31536000, immutable"
            assert headers["content-type"] == "text/javascript; charset=utf-8"
            assert headers["vary"] == "Accept-Encoding"
        assert int(packed.headers["content-length"]) < len(SCRIPT) == int(plain.headers["content-length"])
        assert re.fullmatch('"[0-9a-f]{32}"', plain.headers["etag"])
        assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
        for answer, way in ((packed, "gzip"), (plain, "identity")):
            for known in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}', "*"):
                again = await client.get(PATH, headers={"If-None-Match": known, "Accept-Encoding": way})
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == answer.headers["etag"]
                assert "content-encoding" not in again.headers and "content-type" not in again.headers
            other = await client.get(PATH, headers={"If-None-Match": '"other"', "Accept-Encoding": way})
            assert other.status_code == 200
        index = (await client.get("/")).headers["etag"]
        assert (await client.get("/", headers={"If-None-Match": index})).status_code == 304


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True), ("GZIP", True), ("br, gzip;q=0.5", True), ("*", True), ("*;q=0.1", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("*, gzip;q=0", False),
        ("identity", False), ("gzip;q=x", False), ("xgzip", False), (",,;", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_whoever_takes_it(header: str, accepted: bool) -> None:
    """As the header says, whatever is wrong with it."""
    assert accepts_gzip(header) is accepted


@pytest.mark.asyncio
async def test_head_and_other_methods(tmp_path: Path) -> None:
    """HEAD has the headers of GET; what is not offered is a problem that names what is."""
    async with shown(tmp_path) as client:
        for path in ("/", PATH, "/favicon.svg"):
            got, head = await client.get(path), await client.head(path)
            assert head.status_code == 200
            assert dict(head.headers) == dict(got.headers)
            posted = await client.post(path)
            assert (posted.status_code, posted.json()["code"]) == (405, "method_not_allowed")
            assert posted.headers["allow"] == "GET, HEAD"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "/index.html", "/assets", "/assets/", "/assets/none-12345678.js", "/secret.txt", "/bundle/index.html",
        "/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/..%2fsecret.txt", "/assets/%2e%2e%2fsecret.txt",
        "/assets/..%5csecret.txt", "/assets//index-Dk2_9aB-.js", "/assets/%2Fetc%2Fpasswd", "/assets/%00",
        "/assets/index-Dk2_9aB-.js%00.svg", "/assets/index-Dk2_9aB-.js/", "//etc/passwd", "/%2e%2e/secret.txt",
        "/assets/index-dk2_9ab-.js", "/favicon.ico", "/assets/" + "a" * 5000, "/assets/%ff%fe",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_page(tmp_path: Path, path: str) -> None:
    """What is not one of the files, as it is spelled, is a problem of the API's form; also as raw bytes."""
    async with shown(tmp_path) as client:
        url = httpx2.URL("http://127.0.0.1").copy_with(raw_path=path.encode())
        answer = await client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"
        assert b"secret" not in answer.content


@pytest.mark.asyncio
async def test_page_that_was_not_built_says_how(tmp_path: Path) -> None:
    """200 with a small page that holds no script and whose style its policy knows."""
    async with shown(tmp_path, built=False) as client:
        headers = once(answer := await client.get("/"))
        assert answer.status_code == 200
        assert headers["content-type"] == "text/html; charset=utf-8"
        for told in ("make dashboard", "/api/v1/fault-tolerance", "/openapi.json"):
            assert told in answer.text
        assert "<script" not in answer.text
        style = re.search("<style>(.*)</style>", answer.text, re.DOTALL)
        assert style is not None
        hashed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{hashed}'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-cache"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        for path in (PATH, "/favicon.svg"):
            assert (await client.get(path)).status_code == 404


@pytest.mark.asyncio
async def test_page_is_for_the_servers_own_names_and_for_anybody_who_asks(tmp_path: Path) -> None:
    """Also where the API wants to know who is there; a name of somebody else's is refused as always."""
    async with shown(tmp_path) as client:
        assert (await client.get("/", headers={"Host": "evil.example.com"})).status_code == 421
        assert (await client.get("/", headers={"Origin": "https://evil.example.com"})).status_code == 200


@pytest.mark.asyncio
async def test_page_is_not_part_of_the_router_that_others_mount(tmp_path: Path) -> None:
    """Nor of the API alone: an application that includes it keeps its own `/`."""
    app = FastAPI()
    app.include_router(router)
    assert not [route for route in app.routes if getattr(route, "path", "") in ("/", "/assets/{name}", "/favicon.svg")]
    async with serving(tmp_path) as served:
        assert (await served.client.get("http://127.0.0.1/")).status_code == 404


def raw_status(url: str, path: str) -> int:
    """Return the status of a path that is sent as it is spelled; other clients tidy it up."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_serve_says_where_the_dashboard_is_and_serves_it(tmp_path: Path) -> None:
    """A real server: the line at the start names the address, a page answers there, HEAD has no body."""
    with Program(tmp_path / "server") as server:
        assert f"dashboard: {server.url}/\n" in server.said
        answer = httpx2.get(server.url + "/")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for path in (
            "/..",
            "/assets/../../scrollintel.toml",
            "/assets/..%2f..%2fscrollintel.toml",
            "/../data/control.db",
        ):
            assert raw_status(server.url, path) == 404
        head = httpx2.head(server.url + "/")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == answer.headers["content-length"]
