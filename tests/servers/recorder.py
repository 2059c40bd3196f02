"""A real HTTP server on this machine that answers as it is told and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Asked(NamedTuple):
    """One request; the names of its header fields are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # Any: JSON values of mixed types
        """Return the body as JSON."""
        return json.loads(self.body)


class Answer(NamedTuple):
    """One answer; a body that is no bytes is sent as JSON."""

    status: int = 200
    body: Any = b""  # Any: JSON values of mixed types
    headers: tuple[tuple[str, str], ...] = ()


class HttpRecorder:
    """Listens on 127.0.0.1 while it is entered.

    Arguments:
        answer: Gives the answer to each request; 200 without a body by default.
    """

    def __init__(self, answer: Callable[[Asked], Answer] = lambda _: Answer()) -> None:
        self.asked: list[Asked] = []
        self.answer = answer
        self.news = threading.Condition()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                recorder._respond(self)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the output of tests clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self, count: int, seconds: float = 10.0) -> list[Asked]:
        """Wait until that many requests have come, and return all."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.asked) >= count, seconds), f"{len(self.asked)} of {count}"
            return list(self.asked)

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        fields = {key.lower(): value for key, value in handler.headers.items()}
        asked = Asked(handler.command, handler.path, fields, body)
        with self.news:
            self.asked.append(asked)
        answer = self.answer(asked)
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        handler.close_connection = True
        handler.send_response(answer.status)
        for key, value in answer.headers:
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)
        with self.news:
            self.news.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
