"""Calls that hang hold nobody up."""

from __future__ import annotations

import threading

import pytest

from scrollintel.durable.bounded import BoundedCalls
from tests.servers.processes import eventually


def test_call_gives_what_it_gives_and_raises_what_it_raises() -> None:
    """Its own TimeoutError too."""
    calls = BoundedCalls("test", 10.0)
    assert calls.make(lambda: 7) == 7

    def fails() -> None:
        raise TimeoutError("my own")

    with pytest.raises(TimeoutError, match="my own"):
        calls.make(fails)


def test_call_that_hangs_is_left_and_no_further_one_begun_until_it_is_back() -> None:
    """Threads do not pile up while something is away."""
    calls, free = BoundedCalls("test", 0.05), threading.Event()
    begun: list[int] = []

    def hangs() -> None:
        begun.append(1)
        free.wait(20.0)

    with pytest.raises(ConnectionError, match="no answer within"):
        calls.make(hangs)
    for _ in range(3):
        with pytest.raises(ConnectionError, match="has not come back"):
            calls.make(hangs)
    assert begun == [1]
    free.set()

    def works() -> bool:
        try:
            return calls.make(lambda: True)
        except ConnectionError:
            return False

    assert eventually(works)
