"""Interleavings of the detector of metastable failures, and of fallbacks that run beside calls."""

from __future__ import annotations

from typing import Any

from scrollintel.core.call import Call
from scrollintel.core.config.fallback import FallbackConfig, shadowable
from scrollintel.core.config.metastability import MetastabilityConfig
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.metastability import Metastability
from scrollintel.core.strategies.shadow import Flight, Shadows
from tests.concurrency.exploring import NoLock, Scene, StillClock, assert_caught, assert_holds

CALL = Call("p", print, (), {}, 0.0)
"""A call that gates only read."""


class Watched:
    """A detector, and what becomes of calls under it."""

    def __init__(self, *, locked: bool = True) -> None:
        self.gate = Metastability("p", MetastabilityConfig(), StillClock(), EventHub(), source=lambda: 0.5)
        if not locked:
            self.gate._lock = NoLock()

    def call(self) -> None:
        """Make a call that succeeds."""
        permit = self.gate.enter(CALL)
        self.gate.leave(CALL, permit, None, None)

    def stay(self) -> None:
        """Begin a call that goes on."""
        self.gate.enter(CALL)


def calls_at_once(*, locked: bool = True) -> Scene:
    """Two calls come and go, and one stays."""

    def holds(watched: Watched) -> None:
        assert watched.gate.snapshot().running == 1
        assert watched.gate._machine._offered == 3

    return Scene(lambda: Watched(locked=locked), [Watched.call, Watched.call, Watched.stay], holds)


def test_metastability_counts_calls_that_come_at_once(seed: int) -> None:
    """No call is lost, and none counts as running that has ended."""
    assert_holds(calls_at_once(), seed)


def test_metastability_without_the_lock_is_caught(seed: int) -> None:
    """The twin loses a call."""
    assert_caught(calls_at_once(locked=False), seed)


class Beside:
    """Shadow runs of one fallback, at most two at once."""

    def __init__(self, *, locked: bool = True) -> None:
        def replica() -> None:
            """Do nothing."""

        config = FallbackConfig(shadowable(replica), shadow_rate=1.0, shadow_limit=2)
        self.shadows = Shadows("p", config, StillClock(), EventHub(), [("replica", replica)], source=lambda: 0.5)
        if not locked:
            self.shadows._lock = NoLock()
        self.flights: list[Flight] = []

    def begin(self) -> None:
        """Begin a run if there is a place."""
        flight = self.shadows.flight(CALL, None)
        if flight is not None:
            self.flights.append(flight)

    def run(self) -> None:
        """Begin a run and end it."""
        flight = self.shadows.flight(CALL, None)
        if flight is not None:
            self.shadows.end(flight, worked=True)


def three_for_two_places(*, locked: bool = True) -> Scene:
    """Three calls want a run beside them."""

    def holds(beside: Beside) -> None:
        (found,) = beside.shadows.snapshots()
        assert len(beside.flights) == found.runs == 2
        assert beside.shadows.skipped == 1

    return Scene(lambda: Beside(locked=locked), [Beside.begin] * 3, holds)


def test_shadows_are_never_more_than_their_places(seed: int) -> None:
    """Two of three run."""
    assert_holds(three_for_two_places(), seed)


def test_shadows_without_the_lock_are_caught(seed: int) -> None:
    """The twin lets one too many run, or miscounts them."""
    assert_caught(three_for_two_places(locked=False), seed)


def runs_that_end() -> Scene:
    """Runs begin and end while another one stays."""

    def holds(beside: Beside) -> None:
        (found,) = beside.shadows.snapshots()
        assert found.runs == found.worked + len(beside.flights)
        assert len(beside.shadows._flights) == len(beside.flights)

    def thread(state: Any) -> None:
        state.run()

    return Scene(Beside, [thread, thread, Beside.begin], holds)


def test_shadows_give_their_places_back(seed: int) -> None:
    """What has ended holds none, and every run is counted once."""
    assert_holds(runs_that_end(), seed)
