"""HTTP/1.1 requests and answers as bytes, without input or output; what cannot be sent safely is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

from ..core.errors import ScrollIntelError
from .policy import SOCKETS, OutboundRefusedError

METHOD = re.compile(r"(?!CONNECT$)[A-Z]{1,16}")
"""Every method but the one that makes a tunnel to another address."""
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
MAX_URL = 8192
PORTS = {"http": 80, "https": 443}


class HttpError(ScrollIntelError):
    """The other side does not speak HTTP as it should, or says more than it may."""

    code = "http_failed"


class Place(NamedTuple):
    """Where a URL points.

    Arguments:
        scheme, host, port: As in the URL; for a Unix socket the host is that of the Host header.
        target: Path and query.
        socket: Path of a Unix socket, or None.
    """

    scheme: str
    host: str
    port: int
    target: str
    socket: str | None

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if PORTS[self.scheme] == self.port or self.socket is not None else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Read a URL: `http`, `https`, or `unix:///path/of.sock:/path/of/request`.

    Raises:
        OutboundRefusedError: for another scheme, a user name, control characters or white space.
    """
    shown = url[:100]
    if len(url) > MAX_URL or any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise OutboundRefusedError(shown, "a URL is at most 8192 printable ASCII characters without spaces")
    if url.startswith(SOCKETS + "//"):
        path, _, target = url.removeprefix(SOCKETS + "//").partition(":")
        return Place("http", "localhost", 80, target or "/", path)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundRefusedError(shown, "it is no URL") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise OutboundRefusedError(shown, "a URL begins with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise OutboundRefusedError(parts.hostname, "a URL holds no user name; name a header instead")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, parts.hostname, port or PORTS[parts.scheme], target, None)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    Arguments:
        status: HTTP status.
        headers: By name in lower case; of several of one name the last.
        body: At most as many bytes as were asked for.
        elapsed: Seconds from the beginning of the connection to the end of the answer.
        tls_expires_at: Seconds since 1970 at which the certificate ends, or None.
        truncated: Whether the body was longer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: float
    tls_expires_at: float | None = None
    truncated: bool = field(default=False)


class Exchange:
    """One request and its answer.

    Arguments:
        method, place, headers, body: What is sent.
        max_body: Bytes of the answer's body that are kept; the rest is not read.

    Raises:
        OutboundRefusedError: for a method or header that could be read as something else.
    """

    def __init__(self, method: str, place: Place, headers: Mapping[str, str], body: bytes, max_body: int) -> None:
        if not METHOD.fullmatch(method):
            raise OutboundRefusedError(place.host, "a method is up to 16 capital letters, and not CONNECT")
        for name, value in headers.items():
            if not HEADER.fullmatch(name) or any(ord(character) < 32 or ord(character) == 127 for character in value):
                raise OutboundRefusedError(place.host, f"the header {name[:50]!r} is none")
        given = {name.lower() for name in headers}
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        listed = [(b"Host", place.authority.encode())] * ("host" not in given) + listed
        listed += [(b"User-Agent", b"scrollintel")] * ("user-agent" not in given)
        if body or method in {"POST", "PUT", "PATCH"}:
            listed.append((b"Content-Length", str(len(body)).encode()))
        listed.append((b"Connection", b"close"))
        self._connection = h11.Connection(h11.CLIENT)
        request = h11.Request(method=method, target=place.target, headers=listed)
        events: list[h11.Event] = [request, h11.Data(data=body), h11.EndOfMessage()]
        self.data = b"".join(self._connection.send(event) or b"" for event in events)
        self._max_body = max_body
        self._body = bytearray()
        self._response: h11.Response | None = None
        self._truncated = False

    def feed(self, data: bytes) -> bool:
        """Take what has come in, nothing at the end of the connection; tell whether the answer is complete.

        Raises:
            HttpError: when it is no HTTP.
        """
        try:
            self._connection.receive_data(data)
            while True:
                event = self._connection.next_event()
                if event is h11.NEED_DATA:
                    return False
                if event is h11.PAUSED:
                    raise HttpError("the other side leaves HTTP for another protocol")
                if isinstance(event, h11.Response):
                    self._response = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > self._max_body:
                        del self._body[self._max_body :]
                        self._truncated = True
                        return True
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    if self._response is None:
                        raise HttpError("the connection ended without an answer")
                    return True
        except h11.ProtocolError as error:
            raise HttpError(f"no HTTP: {error}") from error

    def response(self, elapsed: float, tls_expires_at: float | None) -> Response:
        """Return the answer."""
        assert self._response is not None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._response.headers}
        return Response(
            self._response.status_code, headers, bytes(self._body), elapsed, tls_expires_at, self._truncated
        )
