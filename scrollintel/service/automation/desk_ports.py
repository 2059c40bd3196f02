"""What the incident desk uses of others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ...control.incidents import IncidentRecord
from ...recovery.symptom import Condition


class Watch(Protocol):
    """The part of the watcher that the desk uses."""

    def hold(self, target: str, condition: Condition) -> None:
        """Say that a target is being repaired, proven or left to people."""

    def release(self, target: str) -> None:
        """Judge a target by its looks alone again."""

    def started(self, target: str) -> None:
        """Begin anew with a target."""

    def is_healthy(self, target: str) -> bool:
        """Tell whether the looks alone find a target healthy."""


class Aftermath(Protocol):
    """What follows for others as incidents come and go."""

    def began(self, incident: IncidentRecord) -> None:
        """Hold the dependents of a target at the levels that they declare."""

    def over(self, incident: IncidentRecord) -> None:
        """Restore the dependents step by step."""

    def resume(self, open_incidents: Collection[str]) -> None:
        """Go on restoring what the life before has held for incidents that are over."""

    def tell(self, kind: str, incident: IncidentRecord, text: str) -> None:
        """Tell people."""

    def released(self, subject: str, by: str) -> None:
        """Tell people that the storm brake has been released."""

    def tick(self) -> None:
        """Do what is due."""
