"""Who stands behind a change: added to its audit entries, sealed under a key of that person."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from ..security.audit_chain import AuditEntry
from ..security.kinds import SUBJECTS
from ..security.subjects import SubjectVault, subject_id_for
from ..storage.transaction import Transaction
from .caller import Caller
from .keys import Keys


def name_author(tx: Transaction, caller: Caller, keys: Keys) -> None:
    """Add who asked and from where, sealed, to the audit entries of a change; the person's key is made when missing.

    Nothing is added for callers without a person behind them, and for persons who were erased.
    """
    name = caller.identity.subject
    if name is None:
        return
    sealed = _sealed(tx, keys, name, {"subject": name, "address": caller.address})
    if sealed is None:
        return

    def amend(entry: AuditEntry) -> AuditEntry:
        if entry.personal is not None or entry.actor != caller.identity.id:
            return entry
        return replace(entry, personal=sealed)

    tx.amend_audit(amend)


def with_author(tx: Transaction, entry: AuditEntry, caller: Caller, keys: Keys) -> AuditEntry:
    """Return an entry with who was refused and from where, sealed.

    The address of somebody without a name is sealed under a key of the day, which expires with it (`strangers_of`).
    """
    name = caller.identity.subject
    if name is None and caller.address is None:
        return entry
    personal = {"subject": name, "address": caller.address}
    return replace(entry, personal=_sealed(tx, keys, strangers_of(tx.now.date()) if name is None else name, personal))


def strangers_of(day: date) -> str:
    """Return the name under which addresses of callers without a name are sealed; it is no person's."""
    return f"strangers of {day.isoformat()}"


def _sealed(tx: Transaction, keys: Keys, name: str, personal: dict[str, str | None]) -> dict[str, str] | None:
    """Return personal data sealed under the key of `name`, which is made when missing; None when it was erased."""
    subject_id = subject_id_for(name, keys.subject_key)
    known = tx.get(SUBJECTS, subject_id)
    vault = SubjectVault(keys.ring, lambda wanted: tx.get(SUBJECTS, wanted))
    if known is None:
        tx.put(SUBJECTS, vault.new_key(subject_id, tx.now))
    elif known.wrapped is None:
        return None
    return vault.seal(subject_id, personal)
