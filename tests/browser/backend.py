"""A real HTTP service that is well as long as a file is there: `python -m tests.browser.backend PORT FLAG`."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FLAG = Path(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    """Answers 200 while the flag is up, and 503 while it is not."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer anything; `/live` says that the process lives."""
        well = self.path == "/live" or FLAG.exists()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Write nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
