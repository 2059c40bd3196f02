"""Answers with the files of the page, and with a page that says how to get them when there are none."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..api.context import PREFIX
from .bundle import INDEX, File

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""What the page may load and do: its own files, its own server, and no code made of text."""
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;"
    "color-scheme:light dark}code{font-size:1.05em}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PLAIN_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PLAIN_PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ScrollIntel Fault Tolerance</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>ScrollIntel Fault Tolerance</h1>
<p>The control plane is running. Its dashboard is not part of this installation, because it has not been built.</p>
<p>In a checkout of the sources, <code>make dashboard</code> builds it; then start the server again.</p>
<p>The API is at <code>{PREFIX}</code>, and <a href="/openapi.json">its description</a> at <code>/openapi.json</code>.
On the command line, <code>scrollintel status</code> shows how things are.</p>
</main>
</body>
</html>
"""
_SHARED: Final[Mapping[str, str]] = {
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK_FIRST: Final = "no-cache"


def routes(files: Mapping[str, File]) -> list[Route]:
    """Return the routes of the page.

    Arguments:
        files: Path → file, as `read_bundle` gives them; empty for the page that says how to build it.
    """

    async def index(request: Request) -> Response:
        file = files.get(INDEX)
        return _plain_page() if file is None else _answer(request, file)

    async def other(request: Request) -> Response:
        file = files.get(request.scope["path"].removeprefix(request.scope.get("root_path", "")))
        if file is None:
            raise HTTPException(404)
        return _answer(request, file)

    return [
        Route(INDEX, index, methods=["GET"], name="dashboard"),
        Route("/favicon.svg", other, methods=["GET"], name="dashboard icon"),
        Route("/assets/{name}", other, methods=["GET"], name="dashboard assets"),
    ]


def _answer(request: Request, file: File) -> Response:
    headers = {
        **_SHARED,
        "Content-Security-Policy": POLICY,
        "Cache-Control": FOR_GOOD if file.lasting else ASK_FIRST,
        "ETag": f'"{file.etag}"',
    }
    content = file.content
    if file.packed is not None:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            # Another representation, so another tag (RFC 9110, section 8.8.3).
            headers["ETag"] = f'"{file.etag}-gzip"'
            headers["Content-Encoding"] = "gzip"
            content = file.packed
    if _is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        headers.pop("Content-Encoding", None)
        return Response(status_code=304, headers=headers)
    return Response(content, headers={**headers, "Content-Type": file.media_type})


def _plain_page() -> Response:
    headers = {**_SHARED, "Content-Security-Policy": PLAIN_POLICY, "Cache-Control": ASK_FIRST}
    return Response(PLAIN_PAGE, headers={**headers, "Content-Type": "text/html; charset=utf-8"})


def accepts_gzip(header: str) -> bool:
    """Tell whether an `Accept-Encoding` header allows gzip (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.strip().removeprefix("q=")
        try:
            weights[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0.0


def _is_known(header: str, etag: str) -> bool:
    """Tell whether the browser has this very representation (RFC 9110, section 13.1.2)."""
    return header.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in header.split(","))
