"""The storm brake of this control plane: engaged by what happens, released by a person, kept in the database."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from ...control.records import CONTROL_STATE, ControlStateRecord
from ...recovery.brake import BrakeLimits, must_engage
from ...storage.errors import StoreUnavailableError
from ...storage.transaction import Transaction
from ..plane import ControlPlane

KEY = "storm_brake"
MAX_STARTS = 10_000


@dataclass(frozen=True, slots=True)
class Engaged:
    """The brake holds: since when, and why."""

    since: datetime
    why: str
    subject: str


class StormBrake:
    """From any thread.

    Arguments:
        plane: Where it is kept.
        limits: When it engages.
    """

    def __init__(self, plane: ControlPlane, limits: BrakeLimits) -> None:
        self._plane = plane
        self.limits = limits
        self._lock = threading.Lock()
        self._here: Engaged | None = None  # guarded by _lock; holds also while the database is away
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)

    def engaged(self) -> Engaged | None:
        """Return since when and why it holds, or None."""
        if self._here is not None:
            return self._here
        record = self._plane.records.get(CONTROL_STATE, KEY)
        if record is None:
            return None
        value = record.value
        return Engaged(datetime.fromisoformat(value["since"]), value["why"], value["subject"])

    def began(self) -> None:
        """Count a recovery that begins."""
        self._starts.append(self._plane.clock.monotonic())

    def look(self, subject: str, *, group: int, failed: int) -> Engaged | None:
        """Engage it when it has to be; return it when it has been engaged by this very look."""
        if self.engaged() is not None:
            return None
        now = self._plane.clock.monotonic()
        why = must_engage(self.limits, group=group, failed=failed, recent=tuple(self._starts), now=now)
        if why is None:
            return None
        found = Engaged(self._plane.now, why, subject)
        with self._lock:
            self._here = found
        self._keep(found)
        return found

    def keep(self) -> None:
        """Write it once the database can be written again."""
        if self._here is not None:
            self._keep(self._here)

    def _keep(self, found: Engaged) -> None:
        value = {"since": found.since.isoformat(), "why": found.why, "subject": found.subject}

        def decide(tx: Transaction) -> None:
            tx.put(CONTROL_STATE, ControlStateRecord(key=KEY, value=value))
            self._plane.tell(tx, "automation.brake_engaged", value)
            tx.afterwards(self._written)

        try:
            self._plane.writer.change_unheard(decide)
        except StoreUnavailableError:  # it holds here, and is written when that can be
            return

    def _written(self) -> None:
        with self._lock:
            self._here = None

    def release(self, tx: Transaction) -> Engaged | None:
        """Let automation go on; return what held. Recoveries count anew from here."""
        found = self.engaged()
        tx.delete(CONTROL_STATE, KEY)
        tx.afterwards(self._released)
        return found

    def _released(self) -> None:
        with self._lock:
            self._here = None
        self._starts.clear()
