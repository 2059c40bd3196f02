"""An application that calls other services through circuits, and joins by its environment.

`python -m tests.browser.application NAME=URL …`: each is called ten times a second over real HTTP.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from contextlib import suppress

from scrollintel import CircuitBreakerConfig, RetryConfig, ft_manager

PAUSE = 0.1


def call(name: str, url: str) -> None:
    """Call a service for ever."""
    breaker = CircuitBreakerConfig(name, failure_threshold=5, recovery_timeout=5, success_threshold=3, timeout=2)
    retry = RetryConfig(max_attempts=2, base_delay=0.01)

    def operation() -> int:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            return int(answer.status)

    while True:
        with suppress(Exception):
            ft_manager.execute_blocking(operation, circuit_breaker_config=breaker, retry_config=retry)
        time.sleep(PAUSE)


if __name__ == "__main__":
    pairs = [word.partition("=") for word in sys.argv[1:]]
    threads = [threading.Thread(target=call, args=(name, url), daemon=True) for name, _, url in pairs]
    for thread in threads:
        thread.start()
    threads[0].join()
