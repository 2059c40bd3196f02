"""An application with every part of a policy, which calls services and joins by its environment.

`python -m tests.servers.monitored PORT NAME=URL …`: each is called twenty times a second over real HTTP. Its own
metrics are at the port.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

from scrollintel import (
    AdaptiveLimitConfig,
    Admission,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    FallbackConfig,
    HostPool,
    MetastabilityConfig,
    RateLimitConfig,
    RetryConfig,
    ThrottleConfig,
    ft_manager,
    protect,
    shadowable,
)
from scrollintel.telemetry.prometheus import exposition

PAUSE = 0.05


def call(name: str, url: str) -> None:
    """Call a service for ever."""
    pipeline = protect(
        name,
        breaker=CircuitBreakerConfig(name, failure_threshold=5, recovery_timeout=1, success_threshold=2),
        retry=RetryConfig(max_attempts=2, base_delay=0.01, budget=BudgetConfig()),
        bulkhead=BulkheadConfig(max_concurrent=4),
        rate_limit=RateLimitConfig(rate=1000),
        limit=AdaptiveLimitConfig(),
        throttle=ThrottleConfig(),
        metastability=MetastabilityConfig(),
        fallback=FallbackConfig([instead], shadow_rate=0.001),
        registry=ft_manager.registry,
    )

    def operation() -> int:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return int(answer.status)

    while True:
        with suppress(Exception):
            pipeline.call(operation)
        time.sleep(PAUSE)


@shadowable
def instead() -> int:
    """Answer when the service does not."""
    return 0


class Metrics(BaseHTTPRequestHandler):
    """Serves the metrics of this process."""

    def do_GET(self) -> None:
        answer = exposition(accept=self.headers.get("Accept"))
        self.send_response(200)
        self.send_header("Content-Type", answer.content_type)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server, pool = Admission(), HostPool("search", hosts=["a", "b"])
    pairs = [word.partition("=") for word in sys.argv[2:]]
    metrics = HTTPServer(("127.0.0.1", int(sys.argv[1])), Metrics)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    threads = [threading.Thread(target=call, args=(name, url), daemon=True) for name, _, url in pairs]
    for thread in threads:
        thread.start()
    threads[0].join()
