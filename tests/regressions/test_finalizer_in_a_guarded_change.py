"""A finalizer that ends a protected block may strike while the same thread changes the same circuit."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import faulthandler, gc
from scrollintel import CircuitBreaker, CircuitBreakerConfig
from scrollintel.testing import ManualClock

faulthandler.dump_traceback_later(10, exit=True)
gc.disable()

class CollectingClock(ManualClock):
    collects = False

    def monotonic(self):
        if CollectingClock.collects:  # a snapshot reads the clock while it holds the circuit's lock
            CollectingClock.collects = False
            gc.collect()
        return super().monotonic()

breaker = CircuitBreaker(CircuitBreakerConfig("x"), clock=CollectingClock())

def block():
    with breaker.pipeline.guard():
        yield

class Node: pass

node = Node()
node.block, node.itself = block(), node
next(node.block)
del node
CollectingClock.collects = True
assert breaker.snapshot().tally.failures == 0
assert breaker.snapshot().tally.abandoned == 1
print("done")
"""


def test_circuit_finalizer_inside_its_own_change_does_not_wait_for_itself() -> None:
    """The collector ends an abandoned block while a snapshot of its circuit is taken."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout == "done\n"
