"""Browsers that have signed in: with an API token, or at the identity provider. They live in memory, as long as this
process.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from ..security.access import ANONYMOUS, Identity, IdentityKind
from ..security.kinds import TOKENS
from ..security.sessions import Session, SessionLimits, Sessions, digest_of
from .access import Access
from .caller import Caller
from .errors import RequestError, UnauthenticatedError
from .plane import ControlPlane
from .provider_sign_in import ProviderSignIn

WAY_IN = "sign-in"
"""What the audit log calls what was refused to somebody who could not sign in."""


class CsrfFailedError(RequestError):
    """A request that changes something came from another page, or without the session's `X-CSRF-Token`."""

    code = "csrf_failed"
    status = 403


class Opened(NamedTuple):
    """A session that has just begun, and the secret that only the browser gets."""

    secret: str
    session: Session

    def __repr__(self) -> str:
        return f"Opened({self.session!r})"


class Ends(NamedTuple):
    """When a session ends if nobody does anything, and when it ends anyway."""

    idle: datetime
    anyway: datetime


class BrowserSessions:
    """Opens, finds and ends sessions. Everything on the event loop.

    Arguments:
        plane: The control plane.
        access: Knows whether what a session began with still holds.
        limits: How long sessions last and how many there may be.
        provider: Lets people sign in at the identity provider; None when there is none.
    """

    def __init__(
        self,
        plane: ControlPlane,
        access: Access,
        *,
        limits: SessionLimits | None = None,
        provider: ProviderSignIn | None = None,
    ) -> None:
        self._plane = plane
        self._access = access
        self._sessions = Sessions(limits)
        self.limits = self._sessions.limits
        self.provider = provider

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def dropped(self) -> int:
        """Sessions that made room for others before their time."""
        return self._sessions.dropped

    @property
    def ways(self) -> list[str]:
        """How one can sign in."""
        return ["token"] if self.provider is None else ["token", "provider"]

    async def sign_in(self, token: str, *, former: str | None, peer: str, request_id: str) -> Opened:
        """Open a session for whom an API token stands for.

        Arguments:
            token: The token's text.
            former: Secret of a session that the browser still has; it ends.
            peer: The address that the request came from.
            request_id: The request.

        Raises:
            UnauthenticatedError: when the token is not valid.
            TooManyRequestsError: when an address keeps sending invalid tokens.
        """
        identity = self._plane.authenticate(token)
        if identity is None:
            await self.refuse(peer, request_id)
            raise UnauthenticatedError("the token is not valid")
        return self.open(identity, "token", former=former, peer=peer, request_id=request_id)

    async def refuse(self, peer: str, request_id: str) -> None:
        """Note that somebody could not sign in; raises TooManyRequestsError when that happens again and again."""
        await self._access.note_refusal(ANONYMOUS, WAY_IN, peer, request_id, "unauthenticated", kind="session")

    def open(self, identity: Identity, way: str, *, former: str | None, peer: str, request_id: str) -> Opened:
        """Open a session under a secret of its own, whatever the browser had before; noted as a login."""
        if former is not None:
            self._sessions.close(digest_of(former))
        secret, session = self._sessions.open(identity, self._plane.clock.monotonic(), at=self._plane.now)
        self._access.logins.note_session("access.login", identity, way, peer, request_id)
        return Opened(secret, session)

    def find(self, secret: str, *, active: bool = True) -> Session | None:
        """Return the session of a secret with the roles of now; None when there is none, or what it began with ended.

        Arguments:
            secret: What the browser sent.
            active: Whether the request shows that somebody is there.
        """
        session = self._sessions.find(secret, self._plane.clock.monotonic(), active=active)
        if session is None:
            return None
        identity = self._access.as_of_now(session.identity)
        if identity is None:
            self._end(session)
            return None
        session.identity = identity
        if active and identity.kind is IdentityKind.TOKEN:
            self._plane.tokens.note_use(identity.id, self._plane.now)
        return session

    def sign_out(self, session: Session, *, peer: str, request_id: str) -> None:
        """End a session because its browser says so; noted."""
        self._end(session)
        self._access.logins.note_session("access.logout", session.identity, None, peer, request_id)

    def holds(self, caller: Caller) -> bool:
        """Tell whether somebody who was let in before would still be; for requests that last."""
        if caller.session is not None and not self._sessions.lives(caller.session, self._plane.clock.monotonic()):
            return False
        return self._access.still_valid(caller.identity)

    def ends(self, session: Session) -> Ends:
        """Return when a session ends, in UTC."""
        # From where it began, and not from now: the two clocks go apart a little between two requests.
        idle, last = (
            session.opened_at + timedelta(seconds=end - session.began) for end in self._sessions.ends(session)
        )
        token = session.identity.expires_at
        return Ends(idle, last) if token is None else Ends(min(idle, token), min(last, token))

    def name_of(self, identity: Identity) -> str | None:
        """Return what people call somebody: the person's name, or else that of the token."""
        if identity.subject is not None or identity.kind is not IdentityKind.TOKEN:
            return identity.subject
        record = self._plane.records.get(TOKENS, identity.id)
        return None if record is None else record.name

    async def sweep(self) -> None:
        """Forget sessions that have ended idle."""
        self._sessions.sweep(self._plane.clock.monotonic())

    def _end(self, session: Session) -> None:
        self._sessions.close(session.digest)
        self._plane.facts.wake()  # streams under the session end now, and not with the next sign of life
