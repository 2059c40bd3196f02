"""Sessions of browsers: how one is recognised, when it ends, and how many there may be. The clock is an argument.

A session is 256 random bits that only the browser has; its SHA-256 is kept. What a page shows to prove that a request
is its own is derived from the same bits, so that nothing of what is kept opens or confirms anything.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ..core.errors import ConfigError, Violation
from .access import Identity

SECRET_LENGTH: Final = 43
"""Characters of 256 bits in base64url without padding."""
MAX_SECONDS: Final = 30 * 86_400.0
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CSRF: Final = b"scrollintel csrf"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long sessions last and how many there may be.

    Arguments:
        idle: Seconds without a request after which a session ends; 60 to 2,592,000 (30 days), default 1800.
        lifetime: Seconds after which it ends anyway; at least `idle` and at most 30 days, default 43,200.
        total: Sessions at once; the one that has been idle longest makes room. 1 to 1,000,000, default 10,000.
        per_identity: Sessions of one identity at once, so that nobody can drive out others; default 50.

    Raises:
        ConfigError: with every violation.
    """

    idle: float = 1800.0
    lifetime: float = 43_200.0
    total: int = 10_000
    per_identity: int = 50

    def __post_init__(self) -> None:
        violations = []
        if not 60.0 <= self.idle <= MAX_SECONDS:
            violations.append(Violation("idle", self.idle, f"60 to {MAX_SECONDS:.0f} seconds"))
        elif not self.idle <= self.lifetime <= MAX_SECONDS:
            violations.append(Violation("lifetime", self.lifetime, f"idle to {MAX_SECONDS:.0f} seconds"))
        violations += [
            Violation(name, value, "1 to 1000000")
            for name, value in (("total", self.total), ("per_identity", self.per_identity))
            if not 1 <= value <= 1_000_000
        ]
        if violations:
            raise ConfigError("sessions", violations)


@dataclass(slots=True)
class Session:
    """One browser that has signed in.

    Arguments:
        digest: SHA-256 of its secret: names the session inside this process.
        identity: Who signed in.
        began: When, in seconds of the clock.
        used: When its last request came.
        opened_at: When it began, in UTC, for whoever is told when it ends; no decision looks at it.
    """

    digest: bytes = field(repr=False)
    identity: Identity
    began: float
    used: float
    opened_at: datetime


def digest_of(secret: str) -> bytes:
    """Return what is kept of a session's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def csrf_of(secret: str) -> str:
    """Return what requests that change something must show besides the cookie; it does not lead back to the secret."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), _CSRF, hashlib.sha256).hexdigest()


class Sessions:
    """All sessions of this process. Not thread-safe; times are seconds on any monotonic scale.

    Arguments:
        limits: How long they last and how many there may be.

    Attributes:
        dropped: Sessions that made room for others before their time.
    """

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.limits = limits or SessionLimits()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()  # the one used last at the end
        self._of: dict[str, OrderedDict[bytes, None]] = {}  # identity → its sessions, in the same order
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, identity: Identity, now: float, *, at: datetime = EPOCH) -> tuple[str, Session]:
        """Begin a session and return its secret, which nobody is told again.

        Arguments:
            identity: Who signs in.
            now: Seconds.
            at: The same moment in UTC.
        """
        self.sweep(now)
        own = self._of.setdefault(identity.id, OrderedDict())
        if len(own) >= self.limits.per_identity:
            self._drop(next(iter(own)))
        elif len(self._sessions) >= self.limits.total:
            self._drop(next(iter(self._sessions)))
        secret = secrets.token_urlsafe(32)
        session = Session(digest_of(secret), identity, now, now, at)
        self._sessions[session.digest] = session
        # Dropping may have taken the identity's last session away, and the mapping with it.
        self._of.setdefault(identity.id, OrderedDict())[session.digest] = None
        return secret, session

    def find(self, secret: str, now: float, *, active: bool = True) -> Session | None:
        """Return the session of a secret, or None when there is none or it has ended.

        Arguments:
            secret: What the browser sent.
            now: Seconds.
            active: Whether the request shows that somebody is there, which keeps the session from ending idle.
        """
        if len(secret) != SECRET_LENGTH:
            return None
        session = self._sessions.get(digest_of(secret))
        if session is None:
            return None
        if self._has_ended(session, now):
            self.close(session.digest)
            return None
        if active:
            session.used = now
            self._sessions.move_to_end(session.digest)
            self._of[session.identity.id].move_to_end(session.digest)
        return session

    def lives(self, digest: bytes, now: float) -> bool:
        """Tell whether a session is still there, for what lasts; that does not count as a request."""
        session = self._sessions.get(digest)
        return session is not None and not self._has_ended(session, now)

    def close(self, digest: bytes) -> Session | None:
        """End a session, and return it, or None when there is none."""
        session = self._sessions.pop(digest, None)
        if session is not None:
            own = self._of[session.identity.id]
            del own[digest]
            if not own:
                del self._of[session.identity.id]
        return session

    def sweep(self, now: float) -> None:
        """Forget the sessions that have ended idle; they are the first ones, so this looks at few others."""
        for digest in list(self._idle(now)):
            self.close(digest)

    def ends(self, session: Session) -> tuple[float, float]:
        """Return when a session ends without a further request, and when it ends anyway."""
        last = session.began + self.limits.lifetime
        return min(session.used + self.limits.idle, last), last

    def _idle(self, now: float) -> Iterator[bytes]:
        for digest, session in self._sessions.items():
            if not self._has_ended(session, now):
                return
            yield digest

    def _has_ended(self, session: Session, now: float) -> bool:
        return now >= self.ends(session)[0]

    def _drop(self, digest: bytes) -> None:
        self.dropped += 1
        self.close(digest)
