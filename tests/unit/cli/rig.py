"""A control plane that says what a test wants, on loopback, with TLS or on a Unix socket; and what a command did."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PREFIX = "/api/v1/fault-tolerance"
LIMIT = 20.0
"""Seconds after which a hung answer ends, should a test forget to release it."""


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    A body that is no bytes is sent as JSON. `chunks` are sent one by one instead of the body; `cut` breaks the
    connection off before the end was announced, `hang` waits until the server is closed before it answers, `pause`
    is how many seconds the server is silent before each chunk.
    """

    status: int = 200
    body: object = None
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[str, ...] = ()
    cut: bool = False
    hang: bool = False
    pause: float = 0.0


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


def problem(status: int, code: str, **more: object) -> Reply:
    """Return a problem document as the control plane sends it."""
    document = {"type": "about:blank", "title": "Refused", "status": status, "code": code, **more}
    return Reply(status, document, "application/problem+json")


class ScriptedPlane:
    """Answers from a script; what is not in it gets 404.

    Arguments:
        socket_path: A Unix socket to listen on instead of a loopback port.
        certificate: PEM file with key and certificate, for https.
    """

    def __init__(self, *, socket_path: Path | None = None, certificate: Path | None = None) -> None:
        self.asked: list[Asked] = []
        self.otherwise = problem(404, "not_found", detail="there is no such thing")
        self.closing = threading.Event()
        self._script: dict[tuple[str, str], list[Reply]] = {}
        self._server: _TcpServer | _UnixServer
        if socket_path is not None:
            self._server, self.url = _UnixServer(str(socket_path), _Handler), ""
        else:
            tcp = _TcpServer(("127.0.0.1", 0), _Handler)
            self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{tcp.server_port}"
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                tcp.socket = context.wrap_socket(tcp.socket, server_side=True)
            self._server = tcp
        self._server.plane = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def on(self, method: str, route: str, *replies: Reply) -> Self:
        """Answer a request for a route below the prefix with each reply in turn, the last one for ever."""
        self._script[method, route if route.startswith("/livez") else PREFIX + route] = list(replies)
        return self

    def reply(self, asked: Asked) -> Reply:
        """Return what is answered."""
        self.asked.append(asked)
        replies = self._script.get((asked.method, asked.path))
        if not replies:
            return self.otherwise
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _TcpServer(ThreadingHTTPServer):
    plane: ScriptedPlane
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: commands hang up on purpose."""


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    plane: ScriptedPlane
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: commands hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        assert isinstance(self.server, _TcpServer | _UnixServer)
        plane = self.server.plane
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, parse_qs(parts.query), headers, json.loads(text) if text else None)
        reply = plane.reply(asked)
        self.close_connection = True
        if reply.hang:
            plane.closing.wait(LIMIT)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunks:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in reply.chunks:
                plane.closing.wait(reply.pause)
                data = chunk.encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if not reply.cut:
                self.wfile.write(b"0\r\n\r\n")
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_header("Content-Length", str(len(body) + (10 if reply.cut else 0)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The last line of standard error, which is the error as JSON."""
        return json.loads(self.err.splitlines()[-1])


Run = Callable[..., Done]


def free_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def json_lines(text: str) -> Iterator[Any]:
    """Yield the JSON of each line; raises ValueError for a line that is none."""
    for line in text.splitlines():
        yield json.loads(line)
