"""Roles of people and groups of the identity provider: given and taken away here, in force with the next request.

Whom a binding is for is personal data: it is stored sealed under a key of its own, beside the opaque id by which a
login finds it, so that erasing the person leaves nothing to read.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..control.records import ROLE_BINDINGS, RoleBindingRecord
from ..core.config.base import name_problem
from ..core.errors import NotFoundError
from ..security.access import Binding, Permission
from ..security.errors import DecryptionError, KeyUnavailableError, SubjectErasedError
from ..security.kinds import SUBJECTS
from ..security.subjects import SubjectVault, subject_id_for
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import AlreadyExistsError, ConflictError, MissingError, RevisionConflictError
from .plane import ControlPlane
from .policies import ANY_REVISION, etag

MAX_BINDINGS = 1_000
"""Bindings that are kept; groups make more of them needless."""
REVISION = 1
"""Revision of every binding: none is ever changed, only taken out."""


class BoundKind(StrEnum):
    """What a binding is for."""

    PERSON = "person"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Bound:
    """Whom a binding is for, as readers are shown it.

    Arguments:
        kind: Person or group.
        subject_id: The opaque id.
        name: As the provider's tokens name them; None unless `state` is "open".
        state: "open", "erased", or "unreadable" while the keys are away.
    """

    kind: BoundKind
    subject_id: str
    name: str | None
    state: str


class RoleBindings:
    """The use cases around role bindings.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._index: tuple[int, dict[str, tuple[Binding, ...]]] = (-1, {})

    # ------------------------------------------------------------------ reading

    def visible(self, caller: Caller) -> list[RoleBindingRecord]:
        """Return every binding that the caller may see, the oldest first."""
        found = [record for record in self._plane.records.values(ROLE_BINDINGS) if _is_shown_to(caller, record)]
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def find(self, caller: Caller, binding_id: str) -> RoleBindingRecord:
        """Return one binding; raises MissingError when there is none of that id that the caller may see."""
        record = self._plane.records.get(ROLE_BINDINGS, binding_id)
        if record is None or not _is_shown_to(caller, record):
            raise MissingError("role binding", binding_id)
        return record

    def bound(self, record: RoleBindingRecord) -> Bound:
        """Return whom a binding is for."""
        kind, sealed = _unpacked(record)
        try:
            opened = self._plane.keys.vault.open_(sealed)
        except (SubjectErasedError, NotFoundError):
            return Bound(kind, sealed["subject"], None, "erased")
        except (DecryptionError, KeyUnavailableError):
            return Bound(kind, sealed["subject"], None, "unreadable")
        return Bound(kind, sealed["subject"], opened["name"], "open")

    def granted(self, person: str, groups: Iterable[str]) -> tuple[Binding, ...]:
        """Return what is bound to a person and to the groups that the provider lists; from any thread.

        Raises:
            KeyUnavailableError: before the database was read.
        """
        index = self._by_subject()
        if not index:
            return ()
        key = self._plane.keys.subject_key
        wanted = [_subject_id(BoundKind.PERSON, person, key)]
        wanted += [_subject_id(BoundKind.GROUP, group, key) for group in groups if not name_problem(group)]
        return tuple(dict.fromkeys(binding for subject_id in wanted for binding in index.get(subject_id, ())))

    def _by_subject(self) -> dict[str, tuple[Binding, ...]]:
        """Return the bindings by opaque id; made again when records have changed."""
        records = self._plane.records
        version = records.version  # read before the records: what changes meanwhile raises it once more
        known, index = self._index
        if known != version:
            index = {}
            for record in records.values(ROLE_BINDINGS):
                subject_id = _unpacked(record)[1]["subject"]
                index[subject_id] = (*index.get(subject_id, ()), binding_of(record))
            self._index = (version, index)
        return index

    # ------------------------------------------------------------------ changing

    def create(
        self, tx: Transaction, caller: Caller, *, kind: BoundKind, name: str, binding: Binding
    ) -> tuple[RoleBindingRecord, Bound]:
        """Give a role to a person or group; returns what is kept of it, and whom it is for.

        Arguments:
            kind: Which of both.
            name: As the provider's tokens name them.
            binding: The role and where it holds.

        Raises:
            AccessDeniedError: when the caller may not, or does not hold what it would grant.
            AlreadyExistsError: when the same is bound already.
            ConflictError: when there are too many, or the person was erased.
        """
        caller.require_for_new(Permission.TOKENS_WRITE, None)
        caller.require_holding(binding)
        keys = self._plane.keys
        subject_id = _subject_id(kind, name, keys.subject_key)
        present = list(tx.values(ROLE_BINDINGS))
        if any(_unpacked(r)[1]["subject"] == subject_id and binding_of(r) == binding for r in present):
            raise AlreadyExistsError(f"the {kind.value} has this role there already")
        if len(present) >= MAX_BINDINGS:
            raise ConflictError(f"{MAX_BINDINGS} role bindings are kept; that is all there can be")
        vault = SubjectVault(keys.ring, lambda wanted: tx.get(SUBJECTS, wanted))
        if tx.get(SUBJECTS, subject_id) is None:
            tx.put(SUBJECTS, vault.new_key(subject_id, tx.now))
        try:
            sealed = vault.seal(subject_id, {"name": name})
        except SubjectErasedError:
            raise ConflictError(f"the {kind.value} was erased, and is not known again under the same name") from None
        record = RoleBindingRecord(
            id="rol_" + secrets.token_hex(8),
            subject=_packed(kind, sealed),
            role=binding.role.value,
            services=binding.services,
            created_at=tx.now,
            created_by=caller.identity.id,
        )
        tx.put(ROLE_BINDINGS, record)
        tx.audit(caller.entry("role.bind", "role_binding", record.id, at=tx.now, after=_summary(record)))
        return record, Bound(kind, subject_id, name, "open")

    def remove(
        self, tx: Transaction, caller: Caller, binding_id: str, *, expected: int | None, reason: str | None = None
    ) -> None:
        """Take a role away; whoever had it has it no more with the next request.

        Raises:
            MissingError: when there is none of that id that the caller may see.
            AccessDeniedError: when the caller may see it and not take it away.
            RevisionConflictError: when `expected` is not its revision.
        """
        record = tx.get(ROLE_BINDINGS, binding_id)
        if record is None or not _is_shown_to(caller, record):
            raise MissingError("role binding", binding_id)
        caller.require_for_new(Permission.TOKENS_WRITE, None)
        if expected not in (None, ANY_REVISION, REVISION):
            raise RevisionConflictError(
                f"the role binding is at revision {REVISION}, not {expected}", headers={"ETag": etag(REVISION)}
            )
        tx.delete(ROLE_BINDINGS, binding_id)
        tx.afterwards(lambda: self._plane.on_loop(self._plane.facts.wake))
        before = _summary(record)
        tx.audit(caller.entry("role.unbind", "role_binding", binding_id, at=tx.now, reason=reason, before=before))


def remove_bindings_of(tx: Transaction, subject_id: str) -> int:
    """Take out what is bound to someone who is erased, without records of its own; returns how many there were."""
    theirs = [record for record in tx.values(ROLE_BINDINGS) if _unpacked(record)[1]["subject"] == subject_id]
    for record in theirs:
        tx.delete(ROLE_BINDINGS, record.id)
    return len(theirs)


def binding_of(record: RoleBindingRecord) -> Binding:
    """Return the role and where it holds."""
    return Binding.from_dict({"role": record.role, "services": record.services})


def _is_shown_to(caller: Caller, record: RoleBindingRecord) -> bool:
    return caller.sees_grants((binding_of(record),))


def _subject_id(kind: BoundKind, name: str, key: bytes) -> str:
    """Return the opaque id; no name holds a line feed, so a group is never taken for a person."""
    return subject_id_for(name if kind is BoundKind.PERSON else f"group\n{name}", key)


def _packed(kind: BoundKind, sealed: dict[str, str]) -> str:
    return json.dumps({"kind": kind.value, **sealed}, separators=(",", ":"))


def _unpacked(record: RoleBindingRecord) -> tuple[BoundKind, dict[str, str]]:
    stored: dict[str, str] = json.loads(record.subject)
    return BoundKind(stored.pop("kind")), stored


def _summary(record: RoleBindingRecord) -> dict[str, object]:
    """Return what the audit log keeps: the opaque id, never the name."""
    kind, sealed = _unpacked(record)
    return {
        "kind": kind.value,
        "subject_id": sealed["subject"],
        "role": record.role,
        "services": list(record.services),
    }
