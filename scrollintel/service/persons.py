"""Persons in the audit log: sealed under a key of their own, erased by deleting that key."""

from __future__ import annotations

from typing import Any

from ..core.errors import NotFoundError
from ..security.access import Permission
from ..security.errors import DecryptionError, KeyUnavailableError, SubjectErasedError
from ..security.kinds import SUBJECTS, TOKENS
from ..security.subjects import erased, subject_id_for
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import MissingError
from .keys import Keys
from .role_bindings import remove_bindings_of
from .token_names import subject_id_of
from .tokens import Tokens


class Persons:
    """The use cases around persons.

    Arguments:
        keys: Opens what was sealed.
        tokens: Revokes the tokens of whoever is erased.
    """

    def __init__(self, keys: Keys, tokens: Tokens) -> None:
        self._keys = keys
        self._tokens = tokens

    def subject_id(self, name: str | None) -> str | None:
        """Return the opaque id of a person, or None for nobody and while the keys cannot be read."""
        if name is None:
            return None
        try:
            return subject_id_for(name, self._keys.subject_key)
        except KeyUnavailableError:
            return None

    def shown(self, sealed: dict[str, str] | None) -> dict[str, Any] | None:  # Any: JSON values
        """Return personal data of an audit record for a reader: opened, or the word that says why it is not."""
        if sealed is None:
            return None
        shown: dict[str, Any] = {"subject_id": sealed.get("subject"), "state": "open", "subject": None, "address": None}
        try:
            opened = self._keys.vault.open_(sealed)
        except (SubjectErasedError, NotFoundError):
            return {**shown, "state": "erased"}
        except (DecryptionError, KeyUnavailableError):
            return {**shown, "state": "unreadable"}
        return {**shown, "subject": opened.get("subject"), "address": opened.get("address")}

    def erase(self, tx: Transaction, caller: Caller, subject_id: str, reason: str) -> None:
        """Destroy the key of a person, take out their roles, and revoke their tokens, which lose the name.

        Records of the audit log stay as they are.

        Raises:
            MissingError: when nobody is known under the id.
            ConflictError: when the person has the last token that can administer the control plane.
        """
        caller.require_for_new(Permission.SUBJECTS_ERASE, None)
        known = tx.get(SUBJECTS, subject_id)
        theirs = [token for token in tx.values(TOKENS) if subject_id_of(token, self._keys) == subject_id]
        if known is None and not theirs:
            raise MissingError("subject", subject_id)
        if known is not None:
            tx.put(SUBJECTS, erased(known, tx.now))
        for token in theirs:
            self._tokens.take_out(tx, token, keeps_subject=False)
        unbound = remove_bindings_of(tx, subject_id)
        after = {"erased": True, "tokens_revoked": len(theirs), "roles_taken_out": unbound}
        tx.audit(caller.entry("subject.erase", "subject", subject_id, at=tx.now, reason=reason, after=after))
