"""A real HTTP server on a loopback port that answers from a script."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LIMIT = 20.0
"""Seconds after which a hung answer goes on, should a test forget to release it."""


@dataclass(frozen=True)
class Answer:
    """One scripted answer.

    `hang` waits for the server's release before it answers; `pause` is seconds between the pieces of a chunked
    body; `reset` breaks the connection off instead of answering.
    """

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    pause: float = 0.0
    hang: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer(ThreadingHTTPServer):
    """Gives the scripted answers in order, then `Answer()` for ever; remembers requests and counts connections."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *answers: Answer) -> None:
        self.script = deque(answers)
        self.seen: list[Seen] = []
        self.connections = 0
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, *answers: Answer) -> None:
        """Put more answers at the end of the script."""
        self.script.extend(answers)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count the connection and serve it."""
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about connections that clients break off."""

    def stop(self) -> None:
        """Let hung answers go on and close the port."""
        self.release.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LIMIT
    server: ScriptedServer

    def _serve(self) -> None:
        length = self.headers.get("Content-Length")
        body = self._chunks() if length is None else self.rfile.read(int(length))
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers.items()), body))
        script = self.server.script
        answer = script.popleft() if script else Answer()
        if answer.hang:
            self.server.release.wait(LIMIT)
        if answer.reset:
            self._reset()
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not answer.chunks:
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in answer.chunks:
            if answer.pause:
                self.server.release.wait(answer.pause)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        # Without lingering, closing sends RST: the client sees a broken connection instead of its end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line, without a `Date` of its own where the script has one."""
        self.send_response_only(code, message)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def closed_port() -> str:
    """Return the address of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
