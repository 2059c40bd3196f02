"""What browsers send and are given: the cookies of sessions, and the proof that a request comes from our own page."""

from __future__ import annotations

import hmac
from typing import Final

from fastapi import Request
from starlette.responses import Response

from ..security.code_flow import LASTS
from ..security.sessions import csrf_of
from ..service.sessions import CsrfFailedError

COOKIE: Final = "__Host-scrollintel"
"""Holds a session's secret. The prefix keeps neighbours of this host from planting one (RFC 6265bis, section 4.1.3)."""
SIGN_IN_COOKIE: Final = "__Host-scrollintel-sign-in"
"""Holds the secret of a sign-in while the browser is at the provider."""
CSRF: Final = "x-csrf-token"
BACKGROUND: Final = "x-scrollintel-background"
"""With this header a page says that it asks by itself, so that the request keeps no session from ending idle."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})


def session_secret(request: Request) -> str | None:
    """Return what the browser sent as the secret of its session, or None."""
    return request.cookies.get(COOKIE) or None


def sign_in_cookie(request: Request) -> str | None:
    """Return what the browser kept of a sign-in at the provider, or None."""
    return request.cookies.get(SIGN_IN_COOKIE)


def give_session(response: Response, secret: str) -> None:
    """Let the browser keep a session until it is closed."""
    response.set_cookie(COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")


def give_sign_in(response: Response, cookie: str) -> None:
    """Let the browser keep a sign-in; it comes back from another site, so that a strict cookie would stay behind."""
    response.set_cookie(
        SIGN_IN_COOKIE, cookie, max_age=int(LASTS), path="/", secure=True, httponly=True, samesite="lax"
    )


def take_session(response: Response) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def take_sign_in(response: Response) -> None:
    """Let the browser forget its sign-in: a code is for one return."""
    response.delete_cookie(SIGN_IN_COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def is_of_own_origin(request: Request) -> bool:
    """Tell whether a request comes from a page of this server, as far as it says where it comes from.

    A proxy in front may speak https where this server speaks http; the other way round nothing may.
    """
    if request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    scheme, separator, place = origin.partition("://")
    schemes = ("https",) if request.url.scheme == "https" else ("http", "https")
    return bool(separator) and scheme in schemes and place == request.headers.get("host", "")


def check_own_page(request: Request) -> None:
    """Raise unless a request under a session only reads, or a page of this server has sent it.

    Raises:
        CsrfFailedError: when it comes from elsewhere, or without the session's `X-CSRF-Token`.
    """
    if request.method in SAFE:
        return
    if not is_of_own_origin(request):
        raise CsrfFailedError("the request comes from a page of somebody else")
    shown = request.headers.get(CSRF, "").encode("latin-1")
    if not hmac.compare_digest(shown, csrf_of(session_secret(request) or "").encode()):
        raise CsrfFailedError("send the session's csrf value as X-CSRF-Token")
