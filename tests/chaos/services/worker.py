"""The HTTP worker of the chaos rig: a job writes to PostgreSQL and Redis and reads both back.

Usage: worker.py PORT STARTS_LOG SETTINGS. SETTINGS is JSON: `database` (URL), `redis` (port), `journal` (file that
every job appends to), `journal_limit` (bytes that all files of its folder may have together, or null), `crash` (file
that says after how many seconds the worker exits, while it exists).
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import redis

PATIENCE = 1.0


class Worker(ThreadingHTTPServer):
    """Serves /live, /ready and /job."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, settings: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.settings = settings
        self.local = threading.local()
        self.redis = redis.Redis(
            host="127.0.0.1",
            port=settings["redis"],
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            max_connections=64,
        )

    def database(self) -> psycopg.Connection[Any]:
        """Return a fresh connection: a kept one would hide that the server has gone."""
        return psycopg.connect(
            self.settings["database"], connect_timeout=2, autocommit=True, options="-c statement_timeout=1000"
        )

    def write(self, name: str) -> None:
        """Leave a line in the journal, as long as the folder has room: its quota counts all files in it."""
        journal, limit = Path(self.settings["journal"]), self.settings["journal_limit"]
        if limit is not None and sum(path.stat().st_size for path in journal.parent.iterdir()) > limit:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        with journal.open("a") as stream:
            stream.write(f"{name}\n")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Worker
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        path, _, query = self.path.partition("?")
        try:
            if path == "/live":
                answer = {"pid": os.getpid()}
            elif path == "/ready":
                answer = self.ready()
            elif path == "/job":
                answer = self.job(query)
            else:
                return self.reply(404, {})
        except (OSError, psycopg.Error, redis.RedisError, AssertionError) as error:
            return self.reply(503, {"error": type(error).__name__})
        return self.reply(200, answer)

    def ready(self) -> dict[str, Any]:
        """Ask both stores."""
        with self.server.database() as connection:
            connection.execute("SELECT 1")
        self.server.redis.ping()
        return {}

    def job(self, name: str) -> dict[str, Any]:
        """Write and read back."""
        with self.server.database() as connection:
            connection.execute("INSERT INTO jobs (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
            found = connection.execute("SELECT count(*) FROM jobs WHERE name = %s", (name,)).fetchone()
        assert found == (1,)
        self.server.redis.set(f"job:{name}", "done", ex=600)
        assert self.server.redis.get(f"job:{name}") == b"done"
        self.server.write(name)
        return {"job": name}

    def reply(self, status: int, content: dict[str, Any]) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def started(log: str, service: str) -> None:
    """Tell the harness that this process has started: the only witness of restarts that it trusts."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    line = {"service": service, "pid": os.getpid(), "at": time.time(), "monotonic": time.monotonic()}
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)


def main() -> None:
    """Serve until killed."""
    port, log, settings = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    server = Worker(port, settings)
    started(log, "worker")
    crash = settings.get("crash")
    if crash and Path(crash).exists():
        threading.Timer(float(Path(crash).read_text()), lambda: os._exit(3)).start()
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
