"""Silences: asked for, ended, and asked about; kept in the database, in force from memory."""

from __future__ import annotations

import secrets
from datetime import datetime

from ...control.alerts import Labels
from ...control.silences import LONGEST, MAX_SILENCES, SILENCES, Matcher, SilenceRecord, silenced_by
from ...security.access import Permission
from ...storage.transaction import Transaction
from ..caller import SYSTEM, Caller
from ..errors import ConflictError, MissingError, RequestError
from ..plane import ControlPlane


class BadSilenceError(RequestError):
    """A silence that ends too late, or has ended before it begins."""

    code = "invalid_silence"
    status = 422


class Silences:
    """The use cases around silences.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._known: list[SilenceRecord] = []
        self._found: dict[Labels, SilenceRecord | None] = {}

    # ------------------------------------------------------------------ reading; on the event loop

    def in_force(self) -> list[SilenceRecord]:
        """Return the silences that have not ended."""
        now = self._plane.now
        return [record for record in self._plane.records.values(SILENCES) if record.until > now]

    def visible(self, caller: Caller) -> list[SilenceRecord]:
        """Return the silences in force that the caller may see; who may not see all services, those of one service."""
        return [record for record in self.in_force() if _sees(caller, record)]

    def silencing(self, labels: Labels) -> str | None:
        """Return the id of the silence that keeps an alert quiet now, or None."""
        in_force = self.in_force()
        if in_force != self._known:
            self._known, self._found = in_force, {}
        if not in_force:
            return None
        if labels not in self._found:
            self._found[labels] = silenced_by(in_force, labels, self._plane.now)
        found = self._found[labels]
        return None if found is None else found.id

    # ------------------------------------------------------------------ changing; in the writer's thread

    def add(
        self, tx: Transaction, caller: Caller, *, matchers: tuple[Matcher, ...], until: datetime, reason: str
    ) -> SilenceRecord:
        """Tell nobody of what fits from now on; what people know of already is still told to be over.

        Raises:
            AccessDeniedError: when the caller may not start recoveries of every service that it can concern.
            BadSilenceError: when `until` is past, or more than 30 days ahead.
            ConflictError: when there are too many.
        """
        record = SilenceRecord(
            id="sil_" + secrets.token_hex(8),
            matchers=matchers,
            reason=reason,
            created_by=caller.identity.id,
            created_at=tx.now,
            until=until,
        )
        caller.require_for_new(Permission.RECOVERY_START, record.service)
        if not tx.now < until <= tx.now + LONGEST:
            raise BadSilenceError(f"a silence ends in the future and within {LONGEST.days} days: {until.isoformat()}")
        if sum(1 for _ in tx.values(SILENCES)) >= MAX_SILENCES:
            raise ConflictError(f"{MAX_SILENCES} silences are in force; that is all there can be")
        tx.put(SILENCES, record)
        self._note(tx, caller, record, "add", reason)
        return record

    def end(self, tx: Transaction, caller: Caller, name: str, reason: str | None) -> None:
        """End a silence: people hear of what fires.

        Raises:
            MissingError: when there is none in force that the caller may see.
            AccessDeniedError: when the caller may see it and not end it.
        """
        record = tx.get(SILENCES, name)
        if record is None or record.until <= tx.now or not _sees(caller, record):
            raise MissingError("silence", name)
        caller.require_for_new(Permission.RECOVERY_START, record.service)
        tx.delete(SILENCES, name)
        self._note(tx, caller, record, "end", reason)

    async def expire(self) -> None:
        """Let go of silences that have ended by themselves; the audit log keeps that there were any."""
        now = self._plane.now
        gone = [record for record in self._plane.records.values(SILENCES) if record.until <= now]
        if not gone or not self._plane.serving:
            return

        def decide(tx: Transaction) -> None:
            for record in gone:
                if tx.get(SILENCES, record.id) is not None:
                    tx.delete(SILENCES, record.id)
                    self._note(tx, SYSTEM, record, "expire", None)

        await self._plane.change(decide)

    def _note(self, tx: Transaction, caller: Caller, record: SilenceRecord, verb: str, reason: str | None) -> None:
        matchers = [matcher.to_dict() for matcher in record.matchers]
        tx.audit(
            caller.entry(
                f"silence.{verb}", "silence", record.id, at=tx.now, service=record.service, reason=reason,
                after={"matchers": matchers, "until": record.until.isoformat()},
            )
        )  # fmt: skip
        told: dict[str, object] = {"id": record.id, "verb": verb, "until": record.until.isoformat()}
        if record.service is not None:  # otherwise everybody hears of it, and matchers may name services
            told["matchers"] = matchers
        self._plane.tell(tx, "silence.changed", told, service=record.service)


def _sees(caller: Caller, record: SilenceRecord) -> bool:
    """Tell whether somebody may see a silence; one that can concern several services may name any of them."""
    if record.service is None:
        return caller.sees_everything(Permission.HEALTH_READ)
    return caller.sees(Permission.HEALTH_READ, record.service)
