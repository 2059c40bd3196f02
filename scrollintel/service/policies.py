"""Policies with revisions: put in force, replaced, rolled back, removed; each change told to every replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..control.diff import Difference, differences
from ..control.records import POLICIES, REVISIONS, PolicyRecord, RevisionRecord, Source
from ..core.config.breaker import CircuitBreakerConfig
from ..core.config.policy import Policy
from ..security.access import Permission
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import (
    AccessDeniedError,
    AlreadyExistsError,
    DeclaredInFileError,
    MissingError,
    NameDiffersError,
    PreconditionRequiredError,
    RevisionConflictError,
)
from .plane import ControlPlane

Json = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants to be in force.

    Arguments:
        content: The policy.
        service: Its owner, or None for all replicas.
        reason: One sentence for whoever asks later, or None.
        expected: Revision that the wish is based on: None when the policy must not exist yet, -1 for whatever there is.
    """

    content: Policy
    service: str | None
    reason: str | None
    expected: int | None


ANY_REVISION = -1


class Policies:
    """The use cases around policies; a circuit breaker that the API creates is a policy with nothing but a breaker."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    # ------------------------------------------------------------------ reading

    def find(self, caller: Caller, name: str, permission: Permission = Permission.POLICIES_READ) -> PolicyRecord:
        """Return a policy in force; raises MissingError when there is none that the caller may see."""
        record = self._plane.records.get(POLICIES, name)
        if record is None or not caller.sees(permission, record.service):
            raise MissingError("policy", name)
        return record

    def visible(self, caller: Caller) -> list[PolicyRecord]:
        """Return all policies that the caller may see."""
        records = self._plane.records.values(POLICIES)
        return [record for record in records if caller.sees(Permission.POLICIES_READ, record.service)]

    # ------------------------------------------------------------------ changing

    def put(
        self,
        tx: Transaction,
        caller: Caller,
        wish: Wish,
        *,
        permission: Permission = Permission.POLICIES_WRITE,
        see: Permission = Permission.POLICIES_READ,
        kind: str = "policy",
        action: str | None = None,
        source: Source = Source.API,
        location: str | None = None,
    ) -> PolicyRecord:
        """Put a policy in force as a new revision, and tell every replica that it concerns.

        Raises:
            AlreadyExistsError, RevisionConflictError, PreconditionRequiredError: when what there is is not what the
                caller takes it to be.
            DeclaredInFileError: when the configuration file declares it.
            AccessDeniedError, MissingError: when the caller may not.
            NameDiffersError: when its breaker has another name, and so would not be the policy's circuit.
        """
        name = wish.content.name
        breaker = wish.content.breaker
        if breaker is not None and breaker.name != name:
            raise NameDiffersError("circuit breaker", breaker.name, name)
        before = tx.get(POLICIES, name)
        caller.require_for_new(permission, wish.service)
        if before is not None and not caller.sees(see, before.service):
            # What the caller may not know of is answered as what is not there, unless the name would have to be free.
            self._expect(None, wish.expected, kind, name)
            raise AccessDeniedError(f"the name {name!r} cannot be used")
        if before is not None:
            caller.require(permission, before.service, see=see, kind=kind, name=name)
        self._expect(before, wish.expected, kind, name)
        if before is not None and before.source is Source.FILE and source is not Source.FILE:
            raise DeclaredInFileError(kind, name, before.location)
        content = wish.content.to_dict()
        if before is not None and dict(before.content) == content and before.service == wish.service:
            return before
        known = tx.get(REVISIONS, name)
        revision = 1 if known is None else known.revision + 1
        record = PolicyRecord(
            name=name,
            service=wish.service,
            revision=revision,
            content=content,
            reason=wish.reason,
            changed_at=tx.now,
            changed_by=caller.identity.id,
            sequence=tx.next_sequence(),
            source=source,
            location=location,
        )
        self._write(tx, record)
        verb = action or ("create" if before is None else "update")
        tx.audit(
            caller.entry(
                f"{kind}.{verb}".replace(" ", "_"),
                kind,
                name,
                at=tx.now,
                service=wish.service,
                reason=wish.reason,
                before=None if before is None else _summary(before),
                after=_summary(record),
            )
        )
        if before is not None and before.service != record.service and record.service is not None:
            # Replicas of the former owner no longer run it.
            self._plane.publish(
                tx, {"kind": "policy_removed", "name": name, "sequence": record.sequence, "for_service": before.service}
            )
        self._plane.publish(tx, policy_change(record))
        self._plane.tell(tx, "policy.changed", {"policy": name, "revision": revision}, service=wish.service)
        return record

    def remove(
        self,
        tx: Transaction,
        caller: Caller,
        name: str,
        *,
        reason: str | None,
        expected: int | None,
        permission: Permission = Permission.POLICIES_WRITE,
        see: Permission = Permission.POLICIES_READ,
        kind: str = "policy",
        from_file: bool = False,
    ) -> None:
        """Take a policy out of force; replicas go back to what their code says.

        Raises:
            MissingError, AccessDeniedError, RevisionConflictError, DeclaredInFileError: as `put`.
        """
        before = tx.get(POLICIES, name)
        if before is None:
            raise MissingError(kind, name)
        caller.require(permission, before.service, see=see, kind=kind, name=name)
        if expected is not None:
            self._expect(before, expected, kind, name)
        if before.source is Source.FILE and not from_file:
            raise DeclaredInFileError(kind, name, before.location)
        revision = before.revision + 1
        tx.delete(POLICIES, name)
        tx.put(REVISIONS, RevisionRecord(policy=name, revision=revision))
        tx.append(
            "policy_revisions",
            name=name,
            revision=revision,
            service=before.service,
            content=None,
            reason=reason,
            changed_at=tx.now,
            changed_by=caller.identity.id,
            deleted=True,
        )
        tx.audit(
            caller.entry(
                f"{kind}.delete".replace(" ", "_"),
                kind,
                name,
                at=tx.now,
                service=before.service,
                reason=reason,
                before=_summary(before),
            )
        )
        sequence = tx.next_sequence()
        self._plane.publish(
            tx, {"kind": "policy_removed", "name": name, "sequence": sequence, "for_service": before.service}
        )
        self._plane.tell(tx, "policy.removed", {"policy": name, "revision": revision}, service=before.service)

    def _write(self, tx: Transaction, record: PolicyRecord) -> None:
        tx.put(POLICIES, record)
        tx.put(REVISIONS, RevisionRecord(policy=record.name, revision=record.revision))
        tx.append(
            "policy_revisions",
            name=record.name,
            revision=record.revision,
            service=record.service,
            content=dict(record.content),
            reason=record.reason,
            changed_at=record.changed_at,
            changed_by=record.changed_by,
            deleted=False,
        )

    @staticmethod
    def _expect(before: PolicyRecord | None, expected: int | None, kind: str, name: str) -> None:
        if expected == ANY_REVISION:
            require_any(before, kind, name)
            return
        if expected is None:
            if before is not None:
                raise AlreadyExistsError(f"a {kind} {name!r} exists already, at revision {before.revision}")
            return
        if before is None:
            raise MissingError(kind, name)
        if before.revision != expected:
            raise RevisionConflictError(
                f"the {kind} {name!r} is at revision {before.revision}, not {expected}",
                headers={"ETag": etag(before.revision)},
            )


def require_any(before: object, kind: str, name: str) -> None:
    """Raise RevisionConflictError unless there is something: `If-Match: *` says so (RFC 9110, section 13.1.1)."""
    if before is None:
        raise RevisionConflictError(f"there is no {kind} {name!r} to change")


def etag(revision: int) -> str:
    """Return the entity tag of a revision."""
    return f'"{revision}"'


def expected_revision(if_match: str | None, if_none_match: str | None = None) -> int | None:
    """Return the revision that a conditional request is based on.

    `If-Match: "3"` is revision 3, `If-Match: *` whatever there is, `If-None-Match: *` says that there is none.

    Raises:
        PreconditionRequiredError: when the request says neither.
        RevisionConflictError: when the tag is none of ours.
    """
    if if_none_match is not None and if_none_match.strip() == "*":
        return None
    if if_match is None:
        raise PreconditionRequiredError(
            "send If-Match with the revision that you are changing, or If-None-Match: * to create"
        )
    text = if_match.strip()
    if text == "*":
        return ANY_REVISION
    digits = text.removeprefix("W/").strip('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise RevisionConflictError("the entity tag in If-Match names no revision")
    return int(digits)


def policy_change(record: PolicyRecord) -> dict[str, Any]:  # Any: JSON values
    """Return what replicas are told of a policy in force."""
    return {
        "kind": "policy",
        "sequence": record.sequence,
        "name": record.name,
        "revision": record.revision,
        "policy": spoken_content(record.content),
        "for_service": record.service,
    }


def spoken_content(content: Json) -> dict[str, Any]:  # Any: JSON values
    """Return the parts that a policy speaks of; about the others replicas go on with what their code says."""
    silent = Policy("silent").to_dict()
    return {name: value for name, value in content.items() if name == "name" or value != silent[name]}


def breaker_policy(config: CircuitBreakerConfig) -> Policy:
    """Return the policy that a circuit breaker alone makes."""
    return Policy(config.name, breaker=config)


def changes_between(old: Json | None, new: Json | None) -> list[Difference]:
    """Return what differs between two contents, field by field."""
    return differences(old or {}, new or {})


def _summary(record: PolicyRecord) -> dict[str, Any]:  # Any: JSON values
    return {"revision": record.revision, "service": record.service, "content": dict(record.content)}
