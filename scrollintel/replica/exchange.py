"""HTTP with the control plane: small messages, an end to every wait, and no trust in what comes back."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - name resolution would import it in the thread
import io
import json
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult

from .protocol import MAX_BODY, ProtocolError
from .reading import decode

BASE = "/api/v1/fault-tolerance"
MAX_REQUEST = 2**20
"""Bytes of a request at most; the control plane takes no more."""
_STATUS = {
    400: "bad_request", 401: "unauthenticated", 403: "access_denied", 404: "not_found", 409: "conflict",
    413: "body_too_large", 422: "refused", 429: "too_many_requests", 503: "unavailable",
}  # fmt: skip
_FAMILIES = {3: "redirected", 5: "server_error"}


class ExchangeError(Exception):
    """An exchange that did not succeed; `code` is a stable name of why, and nothing else is told."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Timed(io.RawIOBase):
    """A socket whose waits all end at one deadline, and which can be looked at without waiting."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead = b""
        self.deadline = 0.0

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._sock.settimeout(left)

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._sock.fileno()

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, or wait for it until the deadline."""
        if self._ahead:
            part = self._ahead[: len(buffer)]
            buffer[: len(part)] = part
            self._ahead = self._ahead[len(part) :]
            return len(part)
        self._limit()
        return self._sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        """Send everything before the deadline."""
        left = memoryview(data)
        while left:
            self._limit()
            left = left[self._sock.send(left[:65536]) :]

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return a reader for the response."""
        return io.BufferedReader(self)

    def arrived(self) -> bool:
        """Tell whether the answer has begun, or the connection has ended; TLS may speak without saying anything."""
        if self._ahead:
            return True
        self._sock.setblocking(False)
        try:
            self._ahead = self._sock.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def close(self) -> None:
        """Do nothing: each response closes its reader, and the connection goes on."""

    def end(self) -> None:
        """Close the socket at once."""
        self._sock.close()


class Channel:
    """One connection that carries one exchange after the other.

    Arguments:
        url: Scheme, host and port; its path goes before the API's.
        headers: Sent with each request.
        context: TLS settings for an https address.
    """

    def __init__(self, url: SplitResult, headers: Mapping[str, str], context: ssl.SSLContext | None) -> None:
        self._url = url
        self._headers = dict(headers)
        self._context = context
        self._http: HTTPConnection | None = None
        self._timed: _Timed | None = None

    def send(self, method: str, path: str, message: Mapping[str, Any] | None, timeout: float) -> None:
        """Send a request without waiting for its answer; raises ExchangeError."""
        body = None
        if message is not None:
            # Texts are the application's: one that is no Unicode must not make the control plane refuse the rest.
            body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
            if len(body) > MAX_REQUEST:
                raise ExchangeError("body_too_large")
        try:
            http, timed = self._connected(timeout)
            timed.deadline = time.monotonic() + timeout
            headers = {**self._headers, "Content-Type": "application/json"}
            http.request(method, f"{self._url.path.rstrip('/')}{BASE}{path}", body, headers)
        except (BrokenPipeError, ConnectionResetError):
            return  # who refuses a request before its end may have said why
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise ExchangeError(_code(error)) from None

    def receive(self, timeout: float) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the answer to the request, empty for a 204; raises ExchangeError."""
        http, timed = self._http, self._timed
        if http is None or timed is None:
            raise ExchangeError("unreachable")
        timed.deadline = time.monotonic() + timeout
        try:
            response: HTTPResponse = http.getresponse()
            body = response.read(MAX_BODY + 1)
            status = response.status
            # What is left unread would be taken for the next answer.
            if response.will_close or response.length or len(body) > MAX_BODY:
                self.close()
            if status in (200, 204):
                return decode(body) if status == 200 else {}
        except (OSError, HTTPException, ValueError, ProtocolError) as error:
            self.close()
            raise ExchangeError(_code(error)) from None
        if status not in _STATUS:
            self.close()
        raise ExchangeError(_STATUS.get(status, _FAMILIES.get(status // 100, "bad_status")))

    def call(self, method: str, path: str, message: Mapping[str, Any] | None, timeout: float) -> dict[str, Any]:
        """Send a request and return its answer; a connection that had ended meanwhile is made anew once."""
        kept = self._http is not None
        try:
            self.send(method, path, message, timeout)
            return self.receive(timeout)
        except ExchangeError as error:
            if not kept or error.code != "unreachable":
                raise
        self.send(method, path, message, timeout)
        return self.receive(timeout)

    def fileno(self) -> int:
        """Return the descriptor to select on, or -1 without a connection."""
        return -1 if self._timed is None else self._timed.fileno()

    def arrived(self) -> bool:
        """Tell whether an answer has begun to come, without waiting; raises ExchangeError when it never will."""
        try:
            return self._timed is not None and self._timed.arrived()
        except OSError as error:
            self.close()
            raise ExchangeError(_code(error)) from None

    def close(self) -> None:
        """Close the connection at once."""
        timed, self._timed, self._http = self._timed, None, None
        if timed is not None:
            timed.end()

    def _connected(self, timeout: float) -> tuple[HTTPConnection, _Timed]:
        if self._http is not None and self._timed is not None and self._http.sock is not None:
            return self._http, self._timed
        self.close()
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._context else 80)
        sock = socket.create_connection((host, port), timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
        http = HTTPConnection(host, port)
        timed = self._timed = _Timed(sock)
        http.sock = timed  # http.client asks for nothing but sendall, makefile and close
        self._http = http
        return http, timed


def _code(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    return "unreachable" if isinstance(error, OSError) else "bad_answer"
