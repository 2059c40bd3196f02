"""Who stands behind a change: added to its audit entries, sealed under a key of that person."""

from __future__ import annotations

from dataclasses import replace

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
    subject_id = subject_id_for(name, keys.subject_key)

    def amend(entry: AuditEntry) -> AuditEntry:
        if entry.personal is not None or entry.actor != caller.identity.id:
            return entry
        known = tx.get(SUBJECTS, subject_id)
        vault = SubjectVault(keys.ring, lambda wanted: tx.get(SUBJECTS, wanted))
        if known is None:
            tx.put(SUBJECTS, vault.new_key(subject_id, tx.now))
        elif known.wrapped is None:
            return entry
        personal = {"subject": name, "address": caller.address}
        return replace(entry, personal=vault.seal(subject_id, personal))

    tx.amend_audit(amend)
