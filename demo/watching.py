"""From the library's facts and snapshots to the timeline and the view."""

from __future__ import annotations

import threading
import time
from typing import Protocol, Self

from scrollintel import CircuitState
from scrollintel.core.events import Event, LevelChanged, RetryScheduled, StateChanged
from scrollintel.core.hub import DEFAULT_HUB, Subscription
from scrollintel.core.snapshot import CircuitSnapshot, PolicySnapshot

from .stage import PolicyView
from .timeline import Mark, Timeline


class Watched(Protocol):
    """A circuit or a policy."""

    def snapshot(self) -> CircuitSnapshot | PolicySnapshot:
        """Return how it stands."""


def view_of(snapshot: CircuitSnapshot | PolicySnapshot) -> PolicyView:
    """Return how a circuit or policy is shown."""
    tally = snapshot.tally
    return PolicyView(
        name=snapshot.name,
        state=None if snapshot.state is None else snapshot.state.value,
        retry_after=snapshot.retry_after,
        rejections=tally.rejections,
        timeouts=tally.timeouts,
        retries=tally.retries,
        fallbacks=tally.fallbacks,
    )


class Facts:
    """Collects the library's events while a scenario runs; state and level changes go to the timeline.

    Listeners run in a thread of the library; the timeline is written from the event loop, by `settle` or by
    the view's next frame.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.retries: list[RetryScheduled] = []
        self.levels: list[LevelChanged] = []
        self.states: list[StateChanged] = []
        self._timeline = timeline
        self._waiting: list[tuple[float, Mark, str]] = []
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None

    def __enter__(self) -> Self:
        kinds = (StateChanged, LevelChanged, RetryScheduled)
        self._subscription = DEFAULT_HUB.subscribe(self._take, kinds=kinds)
        self._timeline.sources.append(self.drain)
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()
        self._timeline.sources.remove(self.drain)
        if self._subscription is not None:
            self._subscription.cancel()

    def _take(self, event: Event) -> None:
        at = time.monotonic() - (time.time() - event.at)
        if isinstance(event, RetryScheduled):
            self.retries.append(event)
        elif isinstance(event, StateChanged):
            self.states.append(event)
            if event.new is not CircuitState.HALF_OPEN:
                self._wait(at, Mark.CIRCUIT, f"circuit {event.policy!r} {event.new.value}: {event.reason}")
        elif isinstance(event, LevelChanged):
            self.levels.append(event)
            self._wait(at, Mark.LEVEL, f"{event.policy}: {event.old.name} → {event.new.name}: {event.reason}")

    def _wait(self, at: float, mark: Mark, text: str) -> None:
        with self._lock:
            self._waiting.append((at, mark, text))

    def drain(self) -> None:
        """Write what has come in to the timeline; from the event loop only."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for at, mark, text in waiting:
            self._timeline.add(mark, text, at=at)

    def settle(self) -> None:
        """Wait for the listeners, then write what they brought."""
        DEFAULT_HUB.flush(1.0)
        self.drain()
