"""An application with every part of a policy, which calls services and joins by its environment.

`python -m tests.servers.monitored NAME=URL …`: each is called twenty times a second over real HTTP.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from contextlib import suppress

from scrollintel import (
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    RateLimitConfig,
    RetryConfig,
    ft_manager,
    protect,
)  # fmt: skip

PAUSE = 0.05


def call(name: str, url: str) -> None:
    """Call a service for ever."""
    pipeline = protect(
        name,
        breaker=CircuitBreakerConfig(name, failure_threshold=5, recovery_timeout=1, success_threshold=2),
        retry=RetryConfig(max_attempts=2, base_delay=0.01, budget=BudgetConfig()),
        bulkhead=BulkheadConfig(max_concurrent=4),
        rate_limit=RateLimitConfig(rate=1000),
        registry=ft_manager.registry,
    )

    def operation() -> int:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return int(answer.status)

    while True:
        with suppress(Exception):
            pipeline.call(operation)
        time.sleep(PAUSE)


if __name__ == "__main__":
    pairs = [word.partition("=") for word in sys.argv[1:]]
    threads = [threading.Thread(target=call, args=(name, url), daemon=True) for name, _, url in pairs]
    for thread in threads:
        thread.start()
    threads[0].join()
