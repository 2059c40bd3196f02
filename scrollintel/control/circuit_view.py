"""One circuit as a whole, merged from what its replicas report, and why it is in its state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.states import CircuitState
from ..replica.protocol import CircuitReport
from .records import CircuitOrder, PolicyRecord

WORST_FIRST = (
    CircuitState.ISOLATED,
    CircuitState.OPEN,
    CircuitState.HALF_OPEN,
    CircuitState.CLOSED,
    CircuitState.METRICS_ONLY,
    CircuitState.DISABLED,
)
"""The state of the whole is the worst that any replica is in."""


@dataclass(frozen=True, slots=True)
class ReplicaCircuit:
    """A circuit on one replica.

    Arguments:
        replica, service, host: Who reports it.
        age: Seconds since the report; the replica's countdowns have gone on meanwhile.
        stale: Whether the replica has fallen silent.
        report: What it reported.
    """

    replica: str
    service: str
    host: str | None
    age: float
    stale: bool
    report: CircuitReport

    @property
    def retry_after(self) -> float | None:
        """Seconds until the next probe as of now, or None when the circuit is not open."""
        left = self.report.retry_after
        return None if left is None else max(0.0, left - self.age)


@dataclass(frozen=True, slots=True)
class CircuitWhole:
    """A circuit over all replicas, as far as somebody may see it.

    Arguments:
        name, service: Its name, and the service of its policy if it has one.
        policy, order: What is in force, or None.
        parts: One for each replica and key.
        operable: Whether the one who looks may steer it.
    """

    name: str
    service: str | None
    policy: PolicyRecord | None
    order: CircuitOrder | None
    parts: Sequence[ReplicaCircuit]
    operable: bool = False

    @property
    def state(self) -> CircuitState:
        """The worst state of a part that is not stale, or of all parts when all are; what is configured without any."""
        fresh = [part for part in self.parts if not part.stale] or self.parts
        states = {CircuitState(part.report.state) for part in fresh}
        for state in WORST_FIRST:
            if state in states:
                return state
        if self.order is not None:
            return CircuitState.ISOLATED
        mode = (self.breaker or {}).get("mode", "enabled")
        return CircuitState.CLOSED if mode == "enabled" else CircuitState(mode)

    @property
    def breaker(self) -> Mapping[str, Any] | None:
        """The breaker's configuration that the control plane has, or None when only the code knows it."""
        return None if self.policy is None else self.policy.content.get("breaker")

    @property
    def deciding(self) -> ReplicaCircuit | None:
        """The part that stands for the state of the whole: of those in that state, the one that changed last."""
        state = self.state
        parts = [part for part in self.parts if part.report.state == state]
        return max(parts, key=lambda part: (not part.stale, part.report.since), default=None)

    def total(self, name: str) -> int:
        """Return the sum of a counter over all parts."""
        return sum(getattr(part.report, name) for part in self.parts)

    def states(self) -> dict[str, int]:
        """Return how many parts are in each state."""
        return dict(Counter(part.report.state for part in self.parts))

    @property
    def next_probe(self) -> float | None:
        """Seconds until the first part probes, or None when none is open."""
        waits = [wait for part in self.parts if not part.stale and (wait := part.retry_after) is not None]
        return min(waits, default=None)


def worst_quantile(parts: Iterable[ReplicaCircuit], name: str) -> float | None:
    """Return the largest of a quantile over the parts: an upper bound of the whole's, in seconds.

    Quantiles of several streams cannot be computed from the quantiles of each; the largest bounds them.
    """
    return max((value for part in parts if (value := getattr(part.report, name)) is not None), default=None)


def mean(parts: Iterable[ReplicaCircuit]) -> float | None:
    """Return the mean response time over the parts, weighted by their calls, in seconds."""
    total = weight = 0.0
    for part in parts:
        report = part.report
        if report.mean is not None:
            calls = max(1, report.successes + report.failures)
            total += report.mean * calls
            weight += calls
    return total / weight if weight else None


def explain(whole: CircuitWhole) -> str:
    """Return in a sentence or two why the circuit is in its state and what comes next."""
    part = whole.deciding
    if part is None:
        return _without_replicas(whole)
    report, state = part.report, whole.state
    share = sum(1 for item in whole.parts if item.report.state == state)
    where = f"on {share} of {len(whole.parts)} replicas" if len(whole.parts) > 1 else f"on replica {part.replica[:8]}"
    if part.stale:
        where += f", which fell silent {part.age:.0f} s ago"
    sentences = {
        CircuitState.CLOSED: f"Calls pass {where}",
        CircuitState.OPEN: f"Calls are refused {where}: {report.reason}",
        CircuitState.HALF_OPEN: f"Probes decide {where}: {report.reason}",
        CircuitState.ISOLATED: f"An operator holds the circuit open {where}: {report.reason}",
        CircuitState.DISABLED: f"The circuit is switched off {where}: calls pass unrecorded",
        CircuitState.METRICS_ONLY: f"The circuit only counts {where} and never refuses",
    }
    text = sentences[state]
    if state is CircuitState.CLOSED and report.consecutive_failures:
        text += f"; {report.consecutive_failures} failures in a row so far"
    if report.last_failure_type is not None and state in (CircuitState.OPEN, CircuitState.HALF_OPEN):
        text += f"; the last failure was {report.last_failure_type}"
    wait = whole.next_probe
    if state is CircuitState.OPEN and wait is not None:
        text += f"; the next probe comes in {wait:.0f} s"
    if state is CircuitState.ISOLATED:
        text += "; it stays so until it is closed or reset by hand"
    return text + "."


def _without_replicas(whole: CircuitWhole) -> str:
    if whole.order is not None:
        return f"An operator holds the circuit open: {whole.order.reason}; no replica reports it now."
    return "It is configured here; no replica has reported it yet, so no call has passed."
