"""Who a bearer token stands for, and the record of those who came in or were turned away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Protocol

from ..security.access import Identity, IdentityKind
from ..security.audit_chain import AuditEntry
from ..security.kinds import TOKENS
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .authors import with_author
from .caller import Caller
from .errors import TooManyRequestsError
from .logins import Logins
from .plane import ControlPlane

MAX_PENDING = 1_000
"""Different refusals that wait to be written; further ones are counted and dropped until the next write."""
MAX_NOTED_ADDRESSES = 50
"""Addresses that are named in the refusals of about a second; those of further ones are written as one, without."""
BAD_TOKENS_PER_MINUTE = 60
"""Invalid tokens that one address may send in a minute; further ones are answered with 429. Valid ones always pass."""
MAX_ADDRESSES = 10_000

_Place = tuple[str, str, str, str | None]
_Refusal = tuple[Caller, AuditEntry]


class JwtVerifier(Protocol):
    """Tells who a provider's token stands for; may fetch keys, so it runs in a thread."""

    def verify(self, text: str) -> Identity | None:
        """Return the identity, or None when the token is not valid."""

    def as_of_now(self, identity: Identity) -> Identity | None:
        """Return an identity that came from here with the roles of now, or None; waits for nothing."""

    def still_grants(self, identity: Identity) -> bool:
        """Tell whether an identity that came from here would be given the same roles now; waits for nothing."""


class Access:
    """Authentication, and what is noted of logins (`logins`) and refusals.

    Arguments:
        plane: The control plane.
        enforced: Whether a request without a token is refused.
        jwt: Verifies tokens of the identity provider; None when none is configured.
        bad_tokens_per_minute: Requests without a valid token that one address may send in a minute.
    """

    def __init__(
        self,
        plane: ControlPlane,
        *,
        enforced: bool,
        jwt: JwtVerifier | None = None,
        bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
    ) -> None:
        self._bad_tokens_per_minute = bad_tokens_per_minute
        self._plane = plane
        self.enforced = enforced
        self._jwt = jwt
        self.logins = Logins(plane)
        self._pending: OrderedDict[_Place, _Refusal] = OrderedDict()
        self._noted_addresses: set[str] = set()
        self._attempts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.dropped = 0

    async def bearer(self, header: str) -> Identity | None:
        """Return who an `Authorization` header stands for, or None."""
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text or len(text) > 16_384:
            return None
        identity = self._plane.authenticate(text)
        if identity is None and self._jwt is not None and text.count(".") == 2:
            identity = await asyncio.to_thread(self._jwt.verify, text)
        return identity

    def still_valid(self, identity: Identity) -> bool:
        """Tell whether an identity that was accepted before would still be; for requests that last."""
        if identity.is_expired(self._plane.now):
            return False
        if identity.kind is IdentityKind.OIDC:
            return self._jwt is not None and self._jwt.still_grants(identity)
        if identity.kind is not IdentityKind.TOKEN:
            return True
        record = self._plane.records.get(TOKENS, identity.id)
        return record is not None and record.refusal(self._plane.now) is None

    def as_of_now(self, identity: Identity) -> Identity | None:
        """Return an identity that was accepted before with the roles of now, or None when it would not be any more."""
        if identity.kind is IdentityKind.OIDC and self._jwt is not None and not identity.is_expired(self._plane.now):
            return self._jwt.as_of_now(identity)
        return identity if self.still_valid(identity) else None

    def is_slowed_down(self, peer: str) -> bool:
        """Tell whether an address has sent as many invalid tokens as it may in a minute."""
        began, count = self._attempts.get(peer, (0.0, 0))
        return count >= self._bad_tokens_per_minute and self._plane.clock.monotonic() - began < 60.0

    async def note_refusal(
        self, identity: Identity, asked: str, peer: str, request_id: str, outcome: str, *, kind: str = "permission"
    ) -> None:
        """Note that a request was refused; equal ones within a second or so become one record with a count.

        Arguments:
            identity: Who asked.
            asked: What for: a permission, or another word of that `kind`.
            peer: The address that the request came from.
            request_id: The request.
            outcome: Why it was refused.

        The record holds the address, sealed: under the key of the person, or of the day for those without a name.

        Raises:
            TooManyRequestsError: when an address keeps sending invalid tokens.
        """
        address = self._noted_address(peer)
        place = (identity.id, str(asked), outcome, address)
        known = self._pending.get(place)
        if known is not None:
            self._pending[place] = (known[0], replace(known[1], count=known[1].count + 1))
        elif len(self._pending) >= MAX_PENDING:
            self.dropped += 1
        else:
            caller = Caller(identity, request_id, address=address)
            entry = caller.entry(
                "access.refuse",
                kind,
                str(asked),
                at=self._plane.now,
                reason=outcome,
                outcome="refused",
            )
            self._pending[place] = (caller, entry)
        if outcome == "unauthenticated":
            self._slow_down(peer)

    def _noted_address(self, peer: str) -> str | None:
        """Return the address to write down, or None when there have been too many different ones since the last write.

        Requests from many addresses must not fill the log faster than those from one.
        """
        if peer not in self._noted_addresses:
            if len(self._noted_addresses) >= MAX_NOTED_ADDRESSES:
                return None
            self._noted_addresses.add(peer)
        return peer

    def _slow_down(self, peer: str) -> None:
        now = self._plane.clock.monotonic()
        began, count = self._attempts.pop(peer, (now, 0))
        if now - began >= 60.0:
            began, count = now, 0
        self._attempts[peer] = (began, count + 1)
        while len(self._attempts) > MAX_ADDRESSES:
            self._attempts.popitem(last=False)
        if count >= self._bad_tokens_per_minute:
            raise TooManyRequestsError("too many requests without a valid token", retry_after=60.0 - (now - began))

    async def record(self) -> None:
        """Write the logins and refusals that wait to the audit log."""
        await self.logins.write()
        await self.write_refusals()

    async def write_refusals(self) -> None:
        """Write what was noted to the audit log; kept for the next time when that is not possible now."""
        if not self._pending:
            return
        pending, self._pending = self._pending, OrderedDict()
        self._noted_addresses = set()

        def decide(tx: Transaction) -> None:
            for caller, entry in pending.values():
                tx.audit(with_author(tx, entry, caller, self._plane.keys))

        writing = asyncio.ensure_future(self._plane.change(decide))
        try:
            await asyncio.shield(writing)  # who is cancelled here, at the stop, does not cut the change off
        except StoreUnavailableError:
            for place, refusal in pending.items():
                self._pending.setdefault(place, refusal)
