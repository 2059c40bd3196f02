"""Sign-in of browsers: a session under a cookie, opened by a token or at the identity provider."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from ...security.access import Identity
from ...security.sessions import Session, csrf_of
from ...service.errors import TooManyRequestsError, UnauthenticatedError
from ...service.provider_sign_in import SignInFailed
from ...service.sessions import CsrfFailedError, Opened
from ..browser import (
    check_own_page,
    give_session,
    give_sign_in,
    is_of_own_origin,
    session_secret,
    sign_in_cookie,
    take_session,
    take_sign_in,
)
from ..context import Ask, json_response
from ..gate import CHALLENGE, peer, session_of
from ..route import Anybody, requires, resource_router
from ..schemas.session import SessionOpen, SessionShown, session_document

router = resource_router("session")

PAGE = "/"
"""Where a browser is sent that has signed in at the provider; no request can name another place."""
NO_STORE = {"Cache-Control": "no-store"}
Parameter = Annotated[str | None, Query()]


@router.get("/session", response_model=SessionShown, summary="Who has signed in")
@requires(Anybody.MAY_ASK)
async def show_session(ask: Ask) -> Response:
    """Whether this browser has a session, what its identity may do, and how one can sign in; needs no identity."""
    secret = session_secret(ask)
    session = session_of(ask.use_cases, ask, active=False)
    return _shown(ask, ask.caller.identity, session, secret)


@router.post("/session", response_model=SessionShown, summary="Sign in with an API token")
@requires(Anybody.MAY_ASK)
async def open_session(body: SessionOpen, ask: Ask) -> Response:
    """Open a session for the token's identity; its secret is in a cookie and nowhere else. A former one ends."""
    if not is_of_own_origin(ask):
        raise CsrfFailedError("sign in from a page of this server")
    sessions = ask.use_cases.sessions
    try:
        opened = await sessions.sign_in(
            body.token.strip(), former=session_secret(ask), peer=peer(ask), request_id=_number(ask)
        )
    except UnauthenticatedError as error:
        raise UnauthenticatedError(str(error), headers=CHALLENGE) from None
    response = _shown(ask, opened.session.identity, opened.session, opened.secret)
    give_session(response, opened.secret)
    return response


@router.delete("/session", status_code=204, summary="Sign out")
@requires(Anybody.MAY_ASK)
async def close_session(ask: Ask) -> Response:
    """End the session of this browser; what is not there has ended already."""
    session = session_of(ask.use_cases, ask, active=False)
    if session is not None:
        check_own_page(ask)
        ask.use_cases.sessions.sign_out(session, peer=peer(ask), request_id=_number(ask))
    response = Response(status_code=204)
    take_session(response)
    return response


@router.get(
    "/session/provider",
    status_code=302,
    response_class=RedirectResponse,
    responses={302: {"description": "To the identity provider, or to the page with what went wrong"}},
    summary="Sign in at the identity provider",
)
@requires(Anybody.MAY_ASK)
async def leave_for_provider(ask: Ask) -> Response:
    """Send the browser to the provider; what goes wrong is told by the page, as `/#/sign-in?problem=CODE`."""
    provider = ask.use_cases.sessions.provider
    if provider is None:
        return _back("provider_off")
    try:
        sign_in, url = await provider.leave(provider.redirect_url(_return_url(ask)))
    except SignInFailed as failed:
        return _back(failed.problem)
    response = RedirectResponse(url, 302, NO_STORE)
    give_sign_in(response, sign_in.cookie)
    return response


@router.get(
    "/session/provider/return",
    status_code=302,
    response_class=RedirectResponse,
    responses={302: {"description": "To the page, signed in or with what went wrong"}},
    summary="Come back from the identity provider",
)
@requires(Anybody.MAY_ASK)
async def return_from_provider(
    ask: Ask, code: Parameter = None, state: Parameter = None, error: Parameter = None, iss: Parameter = None
) -> Response:
    """Open a session for the person that the provider's code stands for, and send the browser to the page."""
    try:
        opened = await _arrived(ask, code=code, state=state, error=error, issuer=iss)
    except SignInFailed as failed:
        response = _back(failed.problem)
    else:
        response = RedirectResponse(PAGE, 302, NO_STORE)
        give_session(response, opened.secret)
    take_sign_in(response)
    return response


UNASKED = frozenset({"provider_refused", "state_mismatch"})


async def _arrived(ask: Ask, *, code: str | None, state: str | None, error: str | None, issuer: str | None) -> Opened:
    """Return the session of who has come back; a failure is counted like a token that is not valid."""
    sessions = ask.use_cases.sessions
    provider = sessions.provider
    if provider is None:
        raise SignInFailed("provider_off")
    if ask.use_cases.access.is_slowed_down(peer(ask)):
        raise SignInFailed("rate_limited")
    try:
        if error is not None:  # what it says is the provider's text, or anybody's: the page tells its own
            raise SignInFailed("provider_refused")
        identity = await provider.arrive(
            sign_in_cookie(ask),
            redirect_url=provider.redirect_url(_return_url(ask)),
            code=code or "",
            state=state or "",
            issuer=issuer,
        )
    except SignInFailed as failed:
        # Any page can send a browser here with an answer that nobody asked for; that is no attempt of the browser's.
        if failed.is_outage or failed.problem in UNASKED:
            raise
        try:
            await sessions.refuse(peer(ask), _number(ask))
        except TooManyRequestsError:
            raise SignInFailed("rate_limited") from None
        raise
    return sessions.open(identity, "provider", former=session_secret(ask), peer=peer(ask), request_id=_number(ask))


def _shown(ask: Ask, identity: Identity, session: Session | None, secret: str | None) -> Response:
    sessions = ask.use_cases.sessions
    document = session_document(
        identity,
        name=sessions.name_of(identity),
        enforced=ask.use_cases.access.enforced,
        ways=sessions.ways,
        csrf=None if session is None or secret is None else csrf_of(secret),
        ends=None if session is None else sessions.ends(session),
    )
    return json_response(document, headers=NO_STORE)


def _back(problem: str) -> Response:
    """Send the browser to the page, which says what went wrong."""
    return RedirectResponse(f"{PAGE}#/sign-in?{urlencode({'problem': problem})}", 302, NO_STORE)


def _return_url(ask: Ask) -> str:
    """Return the address of the return as this request has reached the server."""
    return f"{ask.url.scheme}://{ask.headers.get('host', '')}{ask.path_of('session', 'provider', 'return')}"


def _number(ask: Ask) -> str:
    assert ask.caller.request_id is not None  # every request that comes through a route has one
    return ask.caller.request_id
