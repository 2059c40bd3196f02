"""An application that calls other services through circuits, and joins by its environment.

`python -m tests.browser.application NAME=URL …`: each is called ten times a second over real HTTP, by a policy with an
adaptive limit. Beside that it has a pool of hosts of which one is out.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from contextlib import suppress

from scrollintel import AdaptiveLimitConfig, CircuitBreakerConfig, HostPool, OutlierConfig, RetryConfig, protect

PAUSE = 0.1


def call(name: str, url: str) -> None:
    """Call a service for ever."""
    breaker = CircuitBreakerConfig(name, failure_threshold=5, recovery_timeout=5, success_threshold=3, timeout=2)
    retry = RetryConfig(max_attempts=2, base_delay=0.01)
    pipeline = protect(name, breaker=breaker, retry=retry, limit=AdaptiveLimitConfig())

    def operation() -> int:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return int(answer.status)

    while True:
        with suppress(Exception):
            pipeline.call(operation)
        time.sleep(PAUSE)


def reach(host: str) -> None:
    """Ask a host, of which one is down."""
    if host == "b":
        raise ConnectionError("refused")


if __name__ == "__main__":
    pool = HostPool("shards", ["a", "b", "c"], config=OutlierConfig(ejection_time=600.0, max_ejection_time=600.0))
    while not pool.figures().ejected:
        with suppress(ConnectionError):
            pool.call(reach)
    pairs = [word.partition("=") for word in sys.argv[1:]]
    threads = [threading.Thread(target=call, args=(name, url), daemon=True) for name, _, url in pairs]
    for thread in threads:
        thread.start()
    threads[0].join()
