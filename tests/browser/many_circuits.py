"""An application with many circuits that are all in use; joins by its environment.

`python -m tests.browser.many_circuits NUMBER`: each is called about twice a second; every tenth call of every seventh
circuit fails.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from scrollintel import CircuitBreakerConfig, protect

ROUND = 0.5


def succeed() -> int:
    """Do what works."""
    return 1


def fail() -> int:
    """Do what does not."""
    raise ConnectionError("it is not there")


def main(number: int) -> None:
    """Call for ever."""
    names = [f"circuit-{index:04d}" for index in range(number)]
    circuits = [protect(name, breaker=CircuitBreakerConfig(name)) for name in names]
    turn = 0
    while True:
        began = time.monotonic()
        turn += 1
        for index, circuit in enumerate(circuits):
            with suppress(Exception):
                circuit.call(fail if index % 7 == 0 and turn % 10 == 0 else succeed)
        time.sleep(max(0.0, ROUND - (time.monotonic() - began)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
