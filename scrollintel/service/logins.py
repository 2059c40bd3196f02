"""Who has come in: one audit record for each login, written beside the request that it came with.

A browser that signs in is a login each time, and signing out is a record as well. Without a session a login is the
first request with a provider's token, told by its hash, and the first use of an API token after the server was started
or after the token was idle for `IDLE` seconds. Requests from this machine without a token are none.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from dataclasses import replace
from typing import Any

from ..security.access import Identity, IdentityKind
from ..security.audit_chain import AuditEntry
from ..storage.errors import StoreUnavailableError
from ..storage.transaction import Transaction
from .authors import with_author
from .caller import SYSTEM, Caller
from .plane import ControlPlane

IDLE = 12 * 3600.0
"""Seconds without a request after which the next one with the same API token is a login again."""
MAX_PENDING = 1_000
"""Logins that wait for the database; further ones are counted and become one record without names."""
MAX_TOKENS = 20_000
"""API tokens whose last use is known; there are fewer, but for those that were revoked since the start."""
MAX_PROVIDER_TOKENS = 50_000
"""Provider's tokens that are known to have come before; the one that came longest ago is forgotten first."""


class Logins:
    """Tells logins from other requests, and records them. Everything on the event loop.

    Arguments:
        plane: The control plane.
        max_pending, max_tokens, max_provider_tokens: The bounds of what is kept.
    """

    def __init__(
        self,
        plane: ControlPlane,
        *,
        max_pending: int = MAX_PENDING,
        max_tokens: int = MAX_TOKENS,
        max_provider_tokens: int = MAX_PROVIDER_TOKENS,
    ) -> None:
        self._plane = plane
        self._max_pending = max_pending
        self._max_tokens = max_tokens
        self._max_provider_tokens = max_provider_tokens
        self._used: OrderedDict[str, float] = OrderedDict()  # id of an API token → monotonic time of its last request
        self._provider_tokens: OrderedDict[bytes, None] = OrderedDict()  # hashes, the one used last at the end
        self._pending: deque[tuple[Caller, AuditEntry]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self.dropped = 0

    def note(self, identity: Identity, header: str, peer: str, request_id: str) -> None:
        """Note a request that was let in; when it is a login, its record is written soon. Waits for nothing.

        Arguments:
            identity: Who asks.
            header: The `Authorization` header that told so.
            peer: The address that the request came from.
            request_id: The request.
        """
        if identity.kind is IdentityKind.TOKEN:
            if not self._is_first_use(identity.id):
                return
        elif not self._is_new(header):
            return
        self._keep("access.login", identity, {"kind": identity.kind.value}, peer, request_id)

    def note_session(self, action: str, identity: Identity, way: str | None, peer: str, request_id: str) -> None:
        """Note that a browser signed in or out; its record is written soon. Waits for nothing.

        Arguments:
            action: "access.login" or "access.logout".
            identity: Who it is.
            way: How somebody signed in: "token" or "provider"; None at the end.
            peer: The address that the request came from.
            request_id: The request.
        """
        after = {"kind": identity.kind.value, "session": True}
        self._keep(action, identity, after if way is None else {**after, "way": way}, peer, request_id)

    def _keep(
        self,
        action: str,
        identity: Identity,
        after: dict[str, Any],  # Any: JSON values
        peer: str,
        request_id: str,
    ) -> None:
        if len(self._pending) >= self._max_pending:
            self.dropped += 1
            return
        caller = Caller(identity, request_id, address=peer)
        entry = caller.entry(action, "identity", identity.id, at=self._plane.now, after=after)
        self._pending.append((caller, entry))
        self._begin()

    def _is_first_use(self, token_id: str) -> bool:
        now = self._plane.clock.monotonic()
        last = self._used.get(token_id)
        self._used[token_id] = now
        self._used.move_to_end(token_id)
        if last is not None:
            return now - last >= IDLE
        if len(self._used) > self._max_tokens:
            self._used.popitem(last=False)
        return True

    def _is_new(self, header: str) -> bool:
        wanted = hashlib.sha256(header.partition(" ")[2].strip().encode("utf-8", "surrogatepass")).digest()
        if wanted in self._provider_tokens:
            self._provider_tokens.move_to_end(wanted)
            return False
        self._provider_tokens[wanted] = None
        if len(self._provider_tokens) > self._max_provider_tokens:
            self._provider_tokens.popitem(last=False)
        return True

    # ------------------------------------------------------------------ writing

    async def write(self) -> None:
        """Write what waits, and come back when that has ended, well or badly; what was not written waits on."""
        self._begin()
        if self._writing is not None:
            await asyncio.shield(self._writing)  # who is cancelled here, at the stop, does not cut the change off

    def _begin(self) -> None:
        """Let a task write, one at a time, so that a login delays no request."""
        if not self._pending or not self._plane.serving:
            return
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="scrollintel logins")

    async def _write(self) -> None:
        while self._pending:
            batch, dropped = list(self._pending), self.dropped

            def decide(tx: Transaction, batch: list[tuple[Caller, AuditEntry]] = batch, dropped: int = dropped) -> None:
                for caller, entry in batch:
                    tx.audit(with_author(tx, entry, caller, self._plane.keys))
                if dropped:
                    reason = "more logins than could be kept while nothing could be written"
                    entry = SYSTEM.entry("access.login", "identity", "several", at=tx.now, reason=reason)
                    tx.audit(replace(entry, count=dropped))

            try:
                await self._plane.change(decide)
            except StoreUnavailableError:
                return
            self.dropped -= dropped
            for _ in batch:
                self._pending.popleft()
