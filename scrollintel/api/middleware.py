"""What holds for every answer of the application: security headers, and a mark for what came over the admin socket."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADMIN_SOCKET = "scrollintel.admin_socket"
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Guardrails:
    """Adds the headers, and tells requests of the admin socket from those of the network.

    A request over a Unix socket has no peer address; the socket's file mode has decided who may send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope.get("client") is None and _is_path(scope.get("server")):
            scope[ADMIN_SOCKET] = True

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_path(server: object) -> bool:
    return isinstance(server, tuple | list) and len(server) == 2 and isinstance(server[0], str) and server[1] is None
