"""API tokens: made, listed, revoked at once, and when each was used last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ..security.access import Binding, Permission
from ..security.kinds import TOKENS
from ..security.tokens import DEFAULT_LIFETIME, MintedToken, TokenRecord, issue, leaves_no_admin
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .caller import Caller
from .errors import ConflictError, MissingError
from .plane import ControlPlane
from .token_names import open_name, seal_name

MAX_TOKENS = 10_000
"""Tokens that are kept, revoked ones included."""


class Tokens:
    """The use cases around tokens.

    Arguments:
        plane: The control plane.
        enforced: Whether requests need a token, so that the last administrator's must stay.
    """

    def __init__(self, plane: ControlPlane, *, enforced: bool) -> None:
        self._plane = plane
        self._enforced = enforced

    def visible(self, caller: Caller) -> list[TokenRecord]:
        """Return every token that the caller may see, with its last use, the oldest first."""
        found = [record for record in self._plane.tokens.records() if caller.sees_grants(record.bindings)]
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def create(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        name: str,
        bindings: Iterable[Binding],
        subject: str | None = None,
        lifetime: timedelta | None = None,
    ) -> tuple[MintedToken, TokenRecord]:
        """Make a token; its text is in what is returned and nowhere else.

        Raises:
            AccessDeniedError: when the caller may not make tokens, or does not hold what it would grant.
            ConfigError: with every violation of `TokenRecord`.
            ConflictError: when there are too many tokens, or the person was erased.
        """
        caller.require_for_new(Permission.TOKENS_WRITE, None)
        granted = tuple(bindings)
        for binding in granted:
            caller.require_holding(binding)
        if sum(1 for _ in tx.values(TOKENS)) >= MAX_TOKENS:
            raise ConflictError(f"{MAX_TOKENS} tokens are kept; that is all there can be")
        minted, record = issue(
            name=name, bindings=granted, now=tx.now, subject=subject, lifetime=lifetime or DEFAULT_LIFETIME
        )
        self._store(tx, seal_name(tx, record, self._plane.keys))
        tx.audit(caller.entry("token.create", "token", record.id, at=tx.now, after=_summary(record)))
        return minted, record

    def revoke(self, tx: Transaction, caller: Caller, token_id: str, *, reason: str | None = None) -> None:
        """Revoke a token, from now on; nothing happens when it was revoked before.

        Raises:
            MissingError: when there is none of that id that the caller may see.
            AccessDeniedError: when the caller may see it and not revoke it.
            ConflictError: when nobody could administer the control plane any more.
        """
        record = tx.get(TOKENS, token_id)
        if record is None or not caller.sees_grants(record.bindings):
            raise MissingError("token", token_id)
        caller.require_for_new(Permission.TOKENS_WRITE, None)
        if record.revoked_at is None:
            self.take_out(tx, record)
            after = _summary(replace(record, revoked_at=tx.now))
            before = _summary(record)
            tx.audit(
                caller.entry("token.revoke", "token", token_id, at=tx.now, reason=reason, before=before, after=after)
            )

    def take_out(self, tx: Transaction, record: TokenRecord, *, keeps_subject: bool = True) -> None:
        """Revoke a token without a record of its own; raises ConflictError when it is the last administrator's."""
        works = record.refusal(tx.now) is None and record.is_admin_everywhere()
        if self._enforced and works and leaves_no_admin(tx.values(TOKENS), record.id, tx.now):
            raise ConflictError("this is the last token that can administer the control plane; make another one first")
        subject = record.subject if keeps_subject else None
        self._store(tx, replace(record, revoked_at=record.revoked_at or tx.now, subject=subject))
        tx.afterwards(lambda: self._plane.on_loop(self._plane.facts.wake))

    def _store(self, tx: Transaction, record: TokenRecord) -> None:
        tx.put(TOKENS, record)
        tx.afterwards(lambda: self._plane.tokens.put(open_name(record, self._plane.keys)))

    async def flush_uses(self) -> None:
        """Store when each token was used last; a use that cannot be stored now is noted again by the next one."""
        if not self._plane.serving:
            return
        used = self._plane.tokens.take_used()
        if not used:
            return

        def decide(tx: Transaction) -> None:
            for token_id, moment in used.items():
                record = tx.get(TOKENS, token_id)
                if record is not None and (record.last_used_at is None or record.last_used_at < moment):
                    self._store(tx, replace(record, last_used_at=moment))

        try:
            await self._plane.change(decide)
        except StoreUnavailableError:
            return


def _summary(record: TokenRecord) -> dict[str, object]:
    """Return what the audit log keeps of a token: no digest, and nothing about the person behind it."""
    return {
        "bindings": [binding.to_dict() for binding in record.bindings],
        "expires_at": record.expires_at.isoformat(),
        "revoked": record.revoked_at is not None,
    }
