"""A small threaded HTTP server for JSON answers, on the standard library."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any]]  # Any: JSON values of mixed types
Route = Callable[[str, dict[str, str], str], Answer]
"""Takes the last part of the path, the query and the lane; returns status and body."""


class Handler(BaseHTTPRequestHandler):
    """Look the first part of the path up in the routes and answer with JSON."""

    protocol_version = "HTTP/1.0"
    server: Server

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        head, _, rest = url.path.strip("/").partition("/")
        lane = self.headers.get("X-Lane", "none")
        route = self.server.routes.get((method, head))
        if route is None:
            status, body = 404, {"error": f"no such page: {method} {url.path}"}
        else:
            self.server.count(lane)
            status, body = route(rest, {key: values[0] for key, values in parse_qs(url.query).items()}, lane)
        content = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Nonce", self.server.nonce)
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.server.count("hung up")

    def log_message(self, format: str, *args: object) -> None:
        """Write no log: the parent's timeline is the log."""


class Server(ThreadingHTTPServer):
    """One thread for each request; takes its old port again after a restart."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int, routes: dict[tuple[str, str], Route]) -> None:
        self.nonce = os.environ["DEMO_NONCE"]
        self.routes = {**routes, ("GET", "health"): self._health, ("GET", "statistics"): self._statistics}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            super().__init__(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def count(self, lane: str) -> None:
        """Count one request of `lane`."""
        with self._lock:
            self._counts[lane] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle of its request is no news."""

    def _health(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        return 200, {"status": "ok", "pid": os.getpid()}

    def _statistics(self, rest: str, query: dict[str, str], lane: str) -> Answer:
        with self._lock:
            return 200, {"requests": dict(self._counts)}
