"""What a replica tells: only what has changed, in messages that the control plane takes; what it refuses is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from ..core.events import (
    Event,
    FallbackCold,
    FallbackWarm,
    HostEjected,
    HostReturned,
    LevelChanged,
    MetastableOver,
    MetastableShedding,
    MetastableSuspected,
    PolicyReplaced,
    StateChanged,
)
from .apply import LocalReplica
from .exchange import Channel, ExchangeError
from .parts import PartReport
from .protocol import CircuitReport, LevelReport, PolicyReport, plain

MAX_FACTS = 2000
MAX_ROWS = 2000
"""Rows and facts of one message at most."""
MAX_REFUSALS = 100
"""Refused messages of one push at most; what is left then is lost, so that no refusal becomes a storm of requests."""
REFUSED = frozenset({"body_too_large", "bad_request", "refused"})
"""Codes of answers about the content of a message, which would be the same the next time."""
PART_CHANGES = (
    FallbackCold, FallbackWarm, HostEjected, HostReturned, MetastableOver, MetastableShedding, MetastableSuspected,
    PolicyReplaced,
)  # fmt: skip
"""Facts that go out with the parts that they are about."""
Row: TypeAlias = tuple[str, CircuitReport | PolicyReport | LevelReport | PartReport | Event]


class Reporter:
    """Gathers facts and sends reports; one thread uses it.

    Arguments:
        replica: Whose figures are told.
        wake: Called when there are facts; see `EventHub.buffer`.
    """

    def __init__(self, replica: LocalReplica, wake: Callable[[], object]) -> None:
        self._replica = replica
        self._buffer = replica.registry.hub.buffer(size=MAX_FACTS, wake=wake)
        self._facts: deque[Event] = deque()
        self._lost = 0

    @property
    def dropped(self) -> int:
        """Facts that nobody fetched in time, and rows and facts that the control plane refused."""
        return self._buffer.dropped + self._lost

    def cancel(self) -> None:
        """Gather no further facts."""
        self._buffer.cancel()

    def collect(self) -> None:
        """Fetch new facts; the oldest are lost when there are too many."""
        self._facts.extend(self._buffer.take())
        while len(self._facts) > MAX_FACTS:
            self._facts.popleft()
            self._lost += 1

    def join(self, channel: Channel, path: str, sequence: int, timeout: float) -> None:
        """Tell everything; raises ExchangeError."""
        self.collect()
        figures = self._replica.figures
        rows = [*_rows("circuits", figures.circuits(full=True)), *_rows("policies", figures.policies(full=True))]
        rows += [*_rows("levels", figures.levels(full=True)), *_rows("parts", figures.parts(full=True))]
        self._send(channel, path, sequence, timeout, rows, True)

    def push(self, channel: Channel, path: str, sequence: int, timeout: float, *, alive: bool) -> bool:
        """Tell what has changed; with `alive` also that nothing has. False when nothing was told.

        Raises:
            ExchangeError: when the control plane does not answer; facts are told later then.
        """
        self.collect()
        figures = self._replica.figures
        rows = [*_rows("circuits", figures.circuits()), *_rows("policies", figures.policies())]
        rows += [*_rows("levels", figures.levels()), *_rows("parts", figures.parts())]
        if not rows and not self._facts and not alive:
            return False
        self._send(channel, path, sequence, timeout, rows, False)
        return True

    def push_facts(self, channel: Channel, path: str, sequence: int, timeout: float) -> bool:
        """Tell new facts and what they are about, without a look at anything else; False without a fact."""
        self.collect()
        if not self._facts:
            return False
        figures = self._replica.figures
        changed = {(fact.policy, fact.key) for fact in self._facts if isinstance(fact, StateChanged)}
        rows = _rows("circuits", figures.circuits(only=changed))
        if any(isinstance(fact, LevelChanged) for fact in self._facts):
            rows += _rows("levels", figures.levels())
        if any(isinstance(fact, PolicyReplaced) for fact in self._facts):
            rows += _rows("policies", figures.policies())
        if any(isinstance(fact, PART_CHANGES) for fact in self._facts):
            rows += _rows("parts", figures.parts())
        self._send(channel, path, sequence, timeout, rows, False)
        return True

    def _send(self, channel: Channel, path: str, sequence: int, timeout: float, rows: list[Row], full: bool) -> None:
        rows = [*rows, *_rows("facts", self._facts)]
        durations = self._replica.figures.durations()
        parts = deque(rows[start : start + MAX_ROWS] for start in range(0, len(rows) or 1, MAX_ROWS))
        refusals = 0
        while parts:
            part = parts.popleft()
            try:
                channel.call("POST", f"{path}/report", self._message(part, sequence, full, durations), timeout)
            except ExchangeError as error:
                if error.code not in REFUSED or not part:
                    raise
                refusals += 1
                if len(part) > 1 and refusals < MAX_REFUSALS:
                    half = len(part) // 2
                    parts.extendleft((part[half:], part[:half]))
                    continue
                self._lost += len(part)
            else:
                full, durations = False, []
            for kind, _ in part:
                if kind == "facts":
                    self._facts.popleft()
        if full:  # whatever was to be told first is lost, and what was known before is no longer so
            channel.call("POST", f"{path}/report", self._message([], sequence, True, []), timeout)

    def _message(
        self, part: list[Row], sequence: int, full: bool, durations: list[tuple[int, int]]
    ) -> dict[str, Any]:  # Any: JSON values
        message: dict[str, Any] = {
            "sequence": sequence,
            "sent_at": datetime.now(UTC).isoformat(),
            "full": full,
            "circuits": [],
            "policies": [],
            "levels": [],
            "parts": [],
            "facts": [],
            "durations": durations,
            "dropped": self.dropped,
        }
        for kind, row in part:
            message[kind].append(_fact(row) if isinstance(row, Event) else row)
        return message


def _rows(kind: str, rows: Any) -> list[Row]:  # Any: an iterable of one kind of row
    return [(kind, row) for row in rows]


def _fact(event: Event) -> dict[str, Any]:  # Any: JSON values of mixed types
    return {name: plain(value) if isinstance(value, str) else value for name, value in event.to_dict().items()}
