"""For whom API tokens were made: sealed under the person's key in the database, in the clear only in the index."""

from __future__ import annotations

import re
from dataclasses import replace

from ..core.errors import NotFoundError
from ..security.errors import DecryptionError, KeyUnavailableError, SubjectErasedError
from ..security.kinds import SUBJECTS, TOKENS
from ..security.subjects import SubjectVault, subject_id_for
from ..security.tokens import SEALED_SUBJECT, TokenRecord
from ..storage.transaction import Transaction
from .errors import ConflictError
from .keys import Keys

_SEALED = re.compile(SEALED_SUBJECT)


def subject_id_of(record: TokenRecord, keys: Keys) -> str | None:
    """Return the opaque id of whom a token was made for, or None for nobody."""
    if record.subject is None:
        return None
    match = _SEALED.fullmatch(record.subject)
    return subject_id_for(record.subject, keys.subject_key) if match is None else match[1]


def seal_name(tx: Transaction, record: TokenRecord, keys: Keys) -> TokenRecord:
    """Return a token as it is stored: with the name sealed under the person's key, which is made when missing.

    Raises:
        ConflictError: when the person was erased.
    """
    name = record.subject
    if name is None or _SEALED.fullmatch(name) is not None:
        return record
    subject_id = subject_id_for(name, keys.subject_key)
    vault = SubjectVault(keys.ring, lambda wanted: tx.get(SUBJECTS, wanted))
    if tx.get(SUBJECTS, subject_id) is None:
        tx.put(SUBJECTS, vault.new_key(subject_id, tx.now))
    try:
        sealed = vault.seal(subject_id, {"name": name})
    except SubjectErasedError:
        raise ConflictError("the person was erased, and is not known again under the same name") from None
    return replace(record, subject=f"{subject_id}:{sealed['sealed']}")


def open_name(record: TokenRecord, keys: Keys) -> TokenRecord:
    """Return a token as readers see it: with the name, or None in its place where that cannot be read (any more)."""
    match = None if record.subject is None else _SEALED.fullmatch(record.subject)
    if match is None:
        return record
    try:
        opened = keys.vault.open_({"subject": match[1], "sealed": match[2]})
    except (SubjectErasedError, NotFoundError, DecryptionError, KeyUnavailableError):
        return replace(record, subject=None)
    return replace(record, subject=opened["name"])


def has_clear_name(record: TokenRecord) -> bool:
    """Tell whether a stored token names its person in the clear, as former versions wrote it."""
    return record.subject is not None and _SEALED.fullmatch(record.subject) is None


def seal_clear_names(tx: Transaction, keys: Keys) -> None:
    """Seal the names that former versions left in the clear; that of a person who was erased is taken out."""
    for record in list(tx.values(TOKENS)):
        if has_clear_name(record):
            try:
                tx.put(TOKENS, seal_name(tx, record, keys))
            except ConflictError:
                tx.put(TOKENS, replace(record, subject=None))
    keys.store_counts(tx)
