"""The replicas that have joined: what they report, what they are told, who runs which revision.

Everything here happens on the event loop; a change reaches it once it is on disk.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..control.circuit_view import ReplicaCircuit
from ..core.clock import SYSTEM_CLOCK, Clock
from ..replica.protocol import CircuitReport, LevelReport, PolicyReport
from .errors import MissingError
from .held_parts import HeldParts
from .reports import Report

FEED_LENGTH = 10_000
"""Changes that are kept for replicas that lag behind; one that missed more gets everything anew."""
MAX_REPLICAS = 5_000
MAX_CIRCUITS_OF_REPLICA = 20_000
MAX_POLICIES_OF_REPLICA = 5_000
MAX_LEVELS_OF_REPLICA = 1_000
"""Circuits, policies and levels that are known of one replica; what it reports beyond them is left out."""
KEPT_REFUSALS = 20
"""Refused changes that are kept of one replica, the newest."""

Change = Mapping[str, Any]  # Any: JSON values, as in the wire protocol


class Held(NamedTuple):
    """A report of a circuit, and the monotonic time at which it came."""

    report: CircuitReport
    at: float


class News(NamedTuple):
    """A circuit as it is reported now, and as it was known before, or None."""

    before: CircuitReport | None
    now: CircuitReport

    @property
    def changed(self) -> bool:
        """Whether the circuit is in another state period than before."""
        return self.before is None or self.before.state != self.now.state or self.before.since != self.now.since


def stands(report: CircuitReport) -> tuple[str | None, ...]:
    """Return what of a report is more than figures."""
    return report.key, report.state, report.reason


@dataclass(slots=True)
class Session:
    """One replica that has joined.

    Attributes:
        id: Names the session in URLs.
        instance: Names the process; joining again under it replaces the session.
        applied: Number of the last change that the replica has applied.
        seen: Monotonic time of its last request, in seconds.
        circuits: Reports by name and key ("" for a circuit without keys).
        parts: What keeps it within its capacity, as it was reported last.
        policies_applied: Revision of each policy that it runs.
        refused: Changes that it could not apply, newest last.
    """

    id: str
    instance: str
    service: str
    version: str
    pid: int | None
    host: str | None
    joined_at: float
    seen: float
    actor: str
    applied: int = 0
    reported_at: float = 0.0
    dropped: int = 0
    circuits: dict[str, dict[str, Held]] = field(default_factory=dict)
    circuit_count: int = 0
    policies: dict[str, PolicyReport] = field(default_factory=dict)
    levels: dict[str, LevelReport] = field(default_factory=dict)
    parts: HeldParts = field(default_factory=HeldParts)
    policies_applied: dict[str, int] = field(default_factory=dict)
    refused: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_REFUSALS))  # Any: JSON values
    local: bool = False
    waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """End the wait of a pending request for changes."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def concerns(change: Change, session: Session) -> bool:
    """Tell whether a replica is told of a change: all are, but for a policy or level of another service."""
    service = change.get("for_service")
    return service is None or service == session.service


class Fleet:
    """All sessions, and the feed of changes that they follow.

    Arguments:
        stale_after: Seconds of silence after which a replica is marked stale.
        dropped_after: Seconds of silence after which it is forgotten.
        clock: Source of monotonic seconds.
    """

    def __init__(self, *, stale_after: float = 5.0, dropped_after: float = 300.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self.stale_after = stale_after
        self.dropped_after = dropped_after
        self.sequence = 0
        self.version = 0
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._by_instance: dict[str, str] = {}
        self._by_circuit: dict[str, dict[str, None]] = {}  # circuit → ids of the sessions that report it
        self._feed: deque[Change] = deque(maxlen=FEED_LENGTH)
        self._feed_start = 0
        self.on_local: list[Callable[[Change], object]] = []
        self.on_anew: list[Callable[[], object]] = []
        """Called when everything is wanted anew: what was changed meanwhile is in no feed."""
        self.refresh: list[Callable[[], object]] = []
        self.on_touched: Callable[[str, bool], object] = lambda circuit, at_once: None
        """Is told of every circuit that is reported, and whether more than its figures may have changed."""

    # ------------------------------------------------------------------ sessions

    def join(
        self, *, instance: str, service: str, version: str, pid: int | None, host: str | None, actor: str
    ) -> Session:
        """Add a replica, or begin anew with one that has joined before."""
        now = self._clock.monotonic()
        former = self._by_instance.get(instance)
        if former is not None:
            self.leave(former)
        session = Session(
            id=secrets.token_hex(12),
            instance=instance,
            service=service,
            version=version,
            pid=pid,
            host=host,
            joined_at=self._clock.time(),
            seen=now,
            actor=actor,
            applied=self.sequence,
        )
        self._sessions[session.id] = session
        self._by_instance[instance] = session.id
        self.version += 1
        return session

    def get(self, session_id: str) -> Session:
        """Return a session; raises MissingError when there is none (any more)."""
        session = self._sessions.get(session_id)
        if session is None:
            raise MissingError("replica", session_id[:40])
        session.seen = self._clock.monotonic()
        return session

    def leave(self, session_id: str) -> Session | None:
        """Forget a replica."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return None
        if self._by_instance.get(session.instance) == session_id:
            del self._by_instance[session.instance]
        self._forget_circuits(session)
        session.wake()
        self.version += 1
        return session

    def sessions(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return list(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def age(self, session: Session) -> float:
        """Return the seconds since the replica was heard of last."""
        return 0.0 if session.local else self._clock.monotonic() - session.seen

    def is_stale(self, session: Session) -> bool:
        """Tell whether the replica has fallen silent."""
        return self.age(session) > self.stale_after

    def sweep(self) -> list[Session]:
        """Forget the replicas that have been silent for too long, and return them."""
        lost = [item for item in self.sessions() if self.age(item) > self.dropped_after]
        for session in lost:
            self.leave(session.id)
        return lost

    # ------------------------------------------------------------------ reports

    def take(self, session: Session, report: Report) -> list[News]:
        """Remember a report; returns every circuit in it beside what was known of it before."""
        now = self._clock.monotonic()
        session.seen = session.reported_at = now
        session.dropped = report.dropped
        news: list[News] = []
        before: dict[str, dict[str, Held]] = {}
        if report.full:
            before = dict(session.circuits)
            self._forget_circuits(session)
            session.policies.clear()
            session.levels.clear()
            session.parts.clear()
        for item in report.circuits:
            key = item.key or ""
            keys = session.circuits.get(item.name)
            former = None if keys is None else keys.get(key)
            if former is None:
                if session.circuit_count >= MAX_CIRCUITS_OF_REPLICA:
                    continue
                former = before.get(item.name, {}).get(key)
                session.circuit_count += 1
                if keys is None:
                    keys = session.circuits[item.name] = {}
                    self._by_circuit.setdefault(item.name, {})[session.id] = None
            assert keys is not None
            keys[key] = Held(item, now)
            before_now = None if former is None else former.report
            news.append(News(before_now, item))
            self.on_touched(item.name, before_now is None or stands(before_now) != stands(item))
        for policy in report.policies:
            if policy.name in session.policies or len(session.policies) < MAX_POLICIES_OF_REPLICA:
                session.policies[policy.name] = policy
        for level in report.levels:
            if level.service in session.levels or len(session.levels) < MAX_LEVELS_OF_REPLICA:
                session.levels[level.service] = level
        for part in report.parts:
            session.parts.put(part)
        self.version += 1
        return news

    def _forget_circuits(self, session: Session) -> None:
        for name in session.circuits:
            ids = self._by_circuit.get(name)
            if ids is not None:
                ids.pop(session.id, None)
                if not ids:
                    del self._by_circuit[name]
            self.on_touched(name, True)
        session.circuits.clear()
        session.circuit_count = 0

    def bring_up_to_date(self) -> None:
        """Let replicas of this very process report now, so that what is read is not a moment old."""
        for refresh in self.refresh:
            refresh()

    def circuit_names(self) -> list[str]:
        """Return the names of all circuits that a replica reports."""
        return list(self._by_circuit)

    def parts(self, name: str) -> list[ReplicaCircuit]:
        """Return a circuit as each replica has it, one for each key."""
        found: list[ReplicaCircuit] = []
        now = self._clock.monotonic()
        for session_id in self._by_circuit.get(name, ()):
            session = self._sessions[session_id]
            stale = self.is_stale(session)
            found += [
                ReplicaCircuit(session.instance, session.service, session.host, now - held.at, stale, held.report)
                for held in session.circuits[name].values()
            ]
        return found

    def services_of(self, name: str) -> set[str]:
        """Return the services whose replicas report a circuit."""
        return {self._sessions[session_id].service for session_id in self._by_circuit.get(name, ())}

    # ------------------------------------------------------------------ changes

    def publish(self, change: Change) -> None:
        """Tell every replica that it concerns; those that wait hear of it now."""
        self.sequence = max(self.sequence, int(change["sequence"]))
        if len(self._feed) == self._feed.maxlen:
            self._feed_start = int(self._feed[0]["sequence"])
        self._feed.append(change)
        self.version += 1
        for action in self.on_local:
            action(change)
        for session in self._sessions.values():
            if session.waiter is not None and concerns(change, session):
                session.wake()

    def begin_at(self, sequence: int) -> None:
        """Continue the numbers of the last run: who has not heard of it all gets everything anew."""
        self.sequence = max(self.sequence, sequence)
        if sequence <= self._feed_start:
            return
        self._feed_start = sequence
        for session in self._sessions.values():
            session.wake()
        for action in self.on_anew:
            action()

    def known_since(self, sequence: int) -> bool:
        """Tell whether every change after `sequence` is still in the feed."""
        return self._feed_start <= sequence <= self.sequence

    def since(self, session: Session, sequence: int) -> list[Change]:
        """Return the changes after `sequence` that concern a replica."""
        found = []
        for change in reversed(self._feed):
            if change["sequence"] <= sequence:
                break
            if concerns(change, session):
                found.append(change)
        found.reverse()
        return found

    async def wait(self, session: Session, seconds: float) -> None:
        """Wait until something concerns the replica, for at most `seconds`."""
        session.wake()  # an older request of the same replica has lost its use
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        session.waiter = waiter
        try:
            await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            return
        finally:
            if session.waiter is waiter:
                session.waiter = None

    def end_waits(self) -> None:
        """Answer all pending requests now, because the service stops."""
        for session in self._sessions.values():
            session.wake()
