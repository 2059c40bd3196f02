"""What holds for every request: whom it may be addressed to, security headers, and the mark of the admin socket."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..security.loopback import is_this_machine
from .problems import problem

ADMIN_SOCKET = "scrollintel.admin_socket"
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer bears, unless it says something else of its own, as pages do."""


class AllowedHosts:
    """Decides whether the server is addressed by a name of its own.

    A page that a browser shows can point a name of its owner at this server's address and then talk to it as to its own
    site; the name shows in `Host`. Names of this machine and the address that the request has reached always pass: no
    stranger can make them theirs.

    Arguments:
        names: Host names and addresses that pass besides; those that stand for every address are left out.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_plain(name) for name in names) - {"0.0.0.0", "::"}  # noqa: S104 # nosec B104 - compared
        # Answered anew for every request, and there are few different ones.
        self.admit = lru_cache(maxsize=1024)(self._admit)

    def _admit(self, host: str, reached: str | None) -> bool:
        name = _name_of(host)
        if name is None:
            return False
        if name in self._names or is_this_machine(name):
            return True
        return reached is not None and name == _plain(reached)


class Guardrails:
    """Adds the headers, tells requests of the admin socket from those of the network, and checks whom they address.

    A request over a Unix socket has no peer address; the socket's file mode has decided who may send it.

    Arguments:
        app: The application behind.
        hosts: Whom requests from the network may be addressed to; None for anyone.
        admin_socket: Path of the admin socket; None when there is none. Another Unix socket, such as one that a proxy
            is given, is part of the network.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts | None = None, admin_socket: str | None = None) -> None:
        self._app = app
        self._hosts = hosts
        self._admin_socket = None if admin_socket is None else (admin_socket, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: ASGIApp | None = None
        server = scope.get("server")
        if self._admin_socket is not None and server is not None and tuple(server) == self._admin_socket:
            scope[ADMIN_SOCKET] = True
        elif self._hosts is not None:
            refused = _refusal(scope, self._hosts)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in HEADERS if pair[0] not in own)]
            await send(message)

        await (self._app if refused is None else refused)(scope, receive, send_with_headers)


def _refusal(scope: Scope, hosts: AllowedHosts) -> ASGIApp | None:
    """Return the answer to a request that is addressed to somebody else, or None for one that is not."""
    named = [value for name, value in scope["headers"] if name == b"host"]
    if not named and scope.get("http_version") == "1.0":  # no browser sends that, but load balancers that look in do
        return None
    if len(named) != 1:
        return problem(400, code="invalid_host", detail="send one Host header")
    server = scope.get("server")
    reached = str(server[0]) if server else None
    if hosts.admit(named[0].decode("latin-1"), reached):
        return None
    return problem(
        421,
        code="host_not_allowed",
        detail="the server does not answer to this Host; list it in server.allowed_hosts if it is one of its names",
    )


def _name_of(host: str) -> str | None:
    """Return the name in a `Host` header without its port, or None when it is none (RFC 9110, section 7.2)."""
    if host.startswith("["):
        name, end, port = host[1:].partition("]")
        if not end or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        name, _, port = host.partition(":")
    if not name or (port and not (port.isascii() and port.isdigit() and len(port) <= 5)):
        return None
    return _plain(name)


def _plain(name: str) -> str:
    """Return the one spelling of a name or address."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name.lower().removesuffix(".")
