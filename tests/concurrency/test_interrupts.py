"""What is raised into a thread at any moment, such as Ctrl-C, leaves no lock taken and next to nothing behind."""

from __future__ import annotations

import ctypes
import random
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator

import pytest

from scrollintel import AdaptiveLimitConfig, CircuitBreakerConfig, Pipeline, Policy
from scrollintel.core.clock import SYSTEM_CLOCK
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.sketch import LatencySketch
from scrollintel.core.strategies.breaker import Circuit


class Interrupt(BaseException):
    """Strikes between any two steps, as what a signal handler raises."""


class Victim:
    """A thread that works on, whatever strikes it.

    Arguments:
        work: What it does again and again.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._ended = False
        self.struck = 0
        self._thread = self._begin()

    def _begin(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            while not self._ended:
                try:
                    while not self._ended:
                        self._work()
                except Interrupt:
                    pass
        except Interrupt:  # struck outside its work
            return

    def strike(self) -> None:
        """Interrupt it where it is."""
        if not self._thread.is_alive():
            self._thread = self._begin()
        identity = ctypes.c_ulong(self._thread.ident or 0)
        self.struck += ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(Interrupt))

    def end(self) -> None:
        """Let it end."""
        self._ended = True
        self._thread.join(10)


@pytest.fixture(autouse=True)
def _switching() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(interval)


def test_circuit_interrupted_while_it_folds_is_free_for_other_threads() -> None:
    """Its lock is given back wherever the interrupt strikes."""
    circuit = Circuit(CircuitBreakerConfig("service"), SYSTEM_CLOCK, EventHub())
    victim = Victim(circuit.fold)
    while victim.struck < 300:
        victim.strike()
        time.sleep(0.0002)
        assert circuit._lock.acquire(timeout=5.0), "a thread that is gone keeps the lock"
        circuit._lock.release()
    victim.end()


def test_limit_interrupted_at_the_end_of_a_call_keeps_hardly_a_slot(seed: int) -> None:
    """From the end of the operation to where the slot is given back there is no place for an interrupt to strike."""
    pipeline = Pipeline(Policy("service", limit=AdaptiveLimitConfig(initial_limit=200)))
    victim = Victim(pipeline(lambda: sum(range(50))))
    pause = random.Random(seed).random
    while victim.struck < 1000:
        victim.strike()
        time.sleep(0.0004 * pause())
    victim.end()
    assert pipeline.figures().limit_running < 12


@pytest.mark.parametrize("lost", [1, 10])
def test_sketch_that_was_interrupted_still_answers(lost: int) -> None:
    """Durations that were counted and have not come to a bucket are not asked for."""
    sketch = LatencySketch()
    sketch.add(array("d", [0.5] * 10))
    sketch.count += lost  # what an interrupt in the middle of the counting leaves
    assert sketch.quantile(1.0) == pytest.approx(0.5, rel=0.04)
    assert sketch.quantiles(0.0, 0.99, 1.0) == pytest.approx([0.5] * 3, rel=0.04)
    nothing = LatencySketch()
    nothing.count = lost
    assert nothing.quantile(0.5) is None
    assert len(nothing.quantiles(0.5, 1.0)) == 2
