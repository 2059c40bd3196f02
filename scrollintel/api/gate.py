"""Who asks: the token, the provider's JWT, the session, the local socket or the loopback peer behind a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from fastapi import Request

from ..security.access import ANONYMOUS, LOCAL_OPERATOR, Identity, Permission
from ..security.loopback import is_loopback_address
from ..security.sessions import Session
from ..service.caller import Caller
from ..service.errors import AccessDeniedError, UnauthenticatedError
from ..service.sessions import CsrfFailedError
from ..service.use_cases import UseCases
from .browser import BACKGROUND, check_own_page, session_secret
from .middleware import ADMIN_SOCKET
from .mounting import default_use_cases

STATE = "scrollintel"
CHALLENGE: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


async def use_cases_of(request: Request) -> UseCases:
    """Return the use cases behind a request: the application's, or those of this process, started when first asked."""
    use_cases: UseCases | None = getattr(request.app.state, STATE, None)
    return await default_use_cases() if use_cases is None else use_cases


async def admit(
    use_cases: UseCases, request: Request, permission: Permission, request_id: str, *, unattended: bool = False
) -> Caller:
    """Return who asks; the decision rests on a verified identity and the route's permission alone.

    Raises:
        UnauthenticatedError: when nobody known asks.
        CsrfFailedError: when a page elsewhere may be using somebody's session.
        AccessDeniedError: when the identity has the permission nowhere.
    """
    header = request.headers.get("authorization")
    local = is_local_socket(request)
    session: Session | None = None
    if header is not None:
        identity = await _bearer(use_cases, request, header, permission, request_id)
    elif not local and (session := session_of(use_cases, request, active=not unattended)) is not None:
        identity = session.identity
        try:
            check_own_page(request)
        except CsrfFailedError as error:
            await use_cases.access.note_refusal(identity, permission, peer(request), request_id, error.code)
            raise
    elif local or (not use_cases.access.enforced and is_loopback(request)):
        identity = LOCAL_OPERATOR
    else:
        await use_cases.access.note_refusal(ANONYMOUS, permission, peer(request), request_id, "unauthenticated")
        raise UnauthenticatedError("send a token: Authorization: Bearer …", headers=CHALLENGE)
    if not identity.may(permission):
        await use_cases.access.note_refusal(identity, permission, peer(request), request_id, "access_denied")
        raise AccessDeniedError(f"this needs the permission {permission.value}")
    digest = None if session is None else session.digest
    return Caller(identity, request_id, break_glass=local, address=peer(request), session=digest)


async def visitor(use_cases: UseCases, request: Request, request_id: str) -> Caller:
    """Return who asks where anybody may: whoever sends a token or has a session or is at this machine, or nobody known.

    Raises:
        UnauthenticatedError: when the token is not valid; noted as everywhere, so that nobody tries tokens unseen.
    """
    header = request.headers.get("authorization")
    if header is not None:
        identity = await _bearer(use_cases, request, header, Permission.HEALTH_READ, request_id)
        return Caller(identity, request_id, address=peer(request))
    if is_local_socket(request):
        return Caller(LOCAL_OPERATOR, request_id, break_glass=True, address=peer(request))
    session = session_of(use_cases, request, active=False)
    if session is not None:
        return Caller(session.identity, request_id, address=peer(request), session=session.digest)
    is_open = not use_cases.access.enforced and is_loopback(request)
    return Caller(LOCAL_OPERATOR if is_open else ANONYMOUS, request_id, address=peer(request))


async def _bearer(
    use_cases: UseCases, request: Request, header: str, permission: Permission, request_id: str
) -> Identity:
    """Return whom a token stands for, and note that they came or that nobody known did."""
    identity = await use_cases.access.bearer(header)
    if identity is None:
        await use_cases.access.note_refusal(ANONYMOUS, permission, peer(request), request_id, "unauthenticated")
        raise UnauthenticatedError("the token is not valid", headers=CHALLENGE)
    use_cases.access.logins.note(identity, header, peer(request), request_id)
    return identity


def session_of(use_cases: UseCases, request: Request, *, active: bool) -> Session | None:
    """Return the session that a request's cookie belongs to, or None."""
    secret = session_secret(request)
    if secret is None:
        return None
    return use_cases.sessions.find(secret, active=active and BACKGROUND not in request.headers)


def is_local_socket(request: Request) -> bool:
    """Tell whether a request came over the admin socket, which only its owner can open."""
    return bool(request.scope.get(ADMIN_SOCKET))


def is_loopback(request: Request) -> bool:
    """Tell whether peer and `Host` are of this machine; a page elsewhere that names us otherwise is refused.

    A browser sends `Host` as the page named it, so that a name that a stranger points at 127.0.0.1 shows here; a
    request from another page shows in `Origin`.
    """
    client = request.client
    if client is None:
        return False
    if not _is_loopback_address(client.host):
        return False
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rsplit(":", 1)[0]
    if name not in LOOPBACK_HOSTS:
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == host


_is_loopback_address = lru_cache(maxsize=1024)(is_loopback_address)
"""Asked for every request, and there are few different answers."""


def peer(request: Request) -> str:
    """Return the address that a request came from."""
    return "local socket" if request.client is None else request.client.host
