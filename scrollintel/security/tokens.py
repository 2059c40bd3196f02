"""API tokens: how they look, how they are kept, and the index that recognises them on every request.

A token is 256 random bits, so a plain SHA-256 of it can be stored: guessing is hopeless however fast the hash is (slow
hashes are for passwords). Only the digest is kept; the text is shown once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zlib import crc32

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation
from .access import Binding, Identity, IdentityKind, Role

PREFIX: Final = "sit_"
DEFAULT_LIFETIME: Final = timedelta(days=90)
MAX_LIFETIME: Final = timedelta(days=366)
"""A year, a leap year included."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_LENGTH: Final = 43  # 62 ** 43 is just above 2 ** 256
_CHECK_LENGTH: Final = 6  # 62 ** 6 is above 2 ** 32
TOKEN_LENGTH: Final = len(PREFIX) + _BODY_LENGTH + _CHECK_LENGTH
TOKEN_PATTERN: Final = rf"{PREFIX}[0-9A-Za-z]{{{_BODY_LENGTH + _CHECK_LENGTH}}}"
"""For scanners of logs and repositories; `looks_like_token` also looks at the check characters."""

SEALED_SUBJECT: Final = r"(sub_[0-9a-f]{32}):(sip1:[0-9A-Za-z_-]+)"
"""Whom a token is for as it is stored: the opaque id, and the name sealed under that person's key."""

_TOKEN = re.compile(TOKEN_PATTERN)
_ID = re.compile("tok_[0-9a-f]{16}")
_DIGEST = re.compile("[0-9a-f]{64}")
_SEALED_SUBJECT = re.compile(SEALED_SUBJECT)


class MintedToken(NamedTuple):
    """A fresh token: the text to show once, and what is kept of it."""

    text: str
    id: str
    digest: str

    def __repr__(self) -> str:
        return f"MintedToken(id={self.id!r})"


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _check_characters(start: str) -> str:
    """Return the CRC-32 of prefix and body in base 62: finds a typing mistake without a server, protects nothing."""
    return _base62(crc32(start.encode("ascii")), _CHECK_LENGTH)


def mint() -> MintedToken:
    """Return a new token from the system's random source."""
    start = PREFIX + _base62(int.from_bytes(secrets.token_bytes(32)), _BODY_LENGTH)
    text = start + _check_characters(start)
    return MintedToken(text, "tok_" + secrets.token_hex(8), digest(text))


def looks_like_token(text: str) -> bool:
    """Tell, without knowing any token, whether `text` is one: prefix, length, alphabet and check characters."""
    return _TOKEN.fullmatch(text) is not None and _check_characters(text[:-_CHECK_LENGTH]) == text[-_CHECK_LENGTH:]


def digest(text: str) -> str:
    """Return the SHA-256 of a token's text in hexadecimal: what is stored and searched for."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known about a token; its text is not.

    Arguments:
        id: "tok_" and 16 hexadecimal digits; names the token in lists and audit records.
        name: What people call it, as any other name.
        digest: SHA-256 of the text, 64 hexadecimal digits.
        subject: Whom it was made for, or None. Personal data, so `repr` leaves it out. What is stored holds it as
            `SEALED_SUBJECT`, what readers and the index hold has the name.
        bindings: What it may do; at least one.
        created_at: When it was made (UTC).
        expires_at: From when on it is refused: after `created_at`, by at most 366 days.
        revoked_at: When it was revoked, or None. A revoked token is refused whatever the time says.
        last_used_at: When it was accepted last, to the precision of the last flush, or None.

    Raises:
        ConfigError: With every violation.
    """

    id: str
    name: str
    digest: str = field(repr=False)
    subject: str | None = field(repr=False)
    bindings: tuple[Binding, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def __post_init__(self) -> None:
        violations = []
        if _ID.fullmatch(self.id) is None:
            violations.append(Violation("id", self.id, '"tok_" and 16 hexadecimal digits'))
        if name_problem(self.name):
            violations.append(Violation("name", self.name, NAME_ALLOWED))
        if _DIGEST.fullmatch(self.digest) is None:
            # The value is left out: it may be the token itself, passed by mistake.
            violations.append(Violation("digest", "...", "the SHA-256 of the token in hexadecimal"))
        if self.subject is not None and name_problem(self.subject) and not _SEALED_SUBJECT.fullmatch(self.subject):
            violations.append(Violation("subject", "...", f"{NAME_ALLOWED}, or None"))
        if not self.bindings:
            violations.append(Violation("bindings", self.bindings, "at least one binding"))
        if not timedelta(0) < self.expires_at - self.created_at <= MAX_LIFETIME:
            allowed = f"after created_at by at most {MAX_LIFETIME.days} days"
            violations.append(Violation("expires_at", self.expires_at.isoformat(), allowed))
        if violations:
            raise ConfigError("token", violations)
        object.__setattr__(self, "bindings", tuple(self.bindings))

    def refusal(self, now: datetime) -> str | None:
        """Return why the token is not accepted at `now`: "revoked", "expired", or None when it is."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else None

    def is_admin_everywhere(self) -> bool:
        """Tell whether the token can administer everything, and so also make other tokens."""
        return any(binding.role is Role.ADMIN and binding.everywhere for binding in self.bindings)


def issue(
    *,
    name: str,
    bindings: Iterable[Binding],
    now: datetime,
    subject: str | None = None,
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> tuple[MintedToken, TokenRecord]:
    """Return a new token and its record, valid from `now` for `lifetime` (90 days by default, 366 at most).

    Raises:
        ConfigError: With every violation of `TokenRecord`.
    """
    minted = mint()
    # A lifetime beyond the calendar is refused like any other that is too long.
    expires_at = now + lifetime if abs(lifetime) <= 2 * MAX_LIFETIME else datetime.max.replace(tzinfo=UTC)
    return minted, TokenRecord(minted.id, name, minted.digest, subject, tuple(bindings), now, expires_at)


def leaves_no_admin(tokens: Iterable[TokenRecord], without_id: str, now: datetime) -> bool:
    """Tell whether no working token could administer everything any more once `without_id` is revoked or narrowed."""
    return not any(
        token.id != without_id and token.refusal(now) is None and token.is_admin_everywhere() for token in tokens
    )


class Verdict(NamedTuple):
    """What came of a token: the identity, or a fixed word on why there is none, for the audit record only.

    `reason` is one of "accepted", "malformed" (not a token at all, or mistyped), "unknown", "revoked" and "expired";
    `token_id` is known for the last two.
    """

    identity: Identity | None
    reason: str
    token_id: str | None


class _Entry(NamedTuple):
    record: TokenRecord
    identity: Identity


class TokenIndex:
    """All tokens in memory, found by digest. May be asked and changed from any thread.

    Arguments:
        records: The tokens to begin with.
    """

    def __init__(self, records: Iterable[TokenRecord] = ()) -> None:
        self._lock = threading.Lock()
        self._by_digest: dict[str, _Entry] = {}  # changed under _lock, read without: one lookup is atomic
        self._digests: dict[str, str] = {}  # id -> digest, guarded by _lock
        self._used: dict[str, datetime] = {}  # guarded by _lock
        for record in records:
            self.put(record)

    def put(self, record: TokenRecord) -> None:
        """Add a token or replace the one with the same id; effective at once."""
        identity = Identity(record.id, IdentityKind.TOKEN, record.subject, record.bindings, record.expires_at)
        with self._lock:
            former = self._digests.get(record.id)
            self._by_digest[record.digest] = _Entry(record, identity)
            self._digests[record.id] = record.digest
            if former is not None and former != record.digest:
                del self._by_digest[former]

    def remove(self, token_id: str) -> None:
        """Forget a token; nothing happens when it is not known."""
        with self._lock:
            former = self._digests.pop(token_id, None)
            self._used.pop(token_id, None)
            if former is not None:
                del self._by_digest[former]

    def records(self) -> tuple[TokenRecord, ...]:
        """Return every record, with the uses that are not flushed yet."""
        with self._lock:
            entries = list(self._by_digest.values())
            used = dict(self._used)
        return tuple(
            replace(record, last_used_at=used[record.id]) if record.id in used else record for record, _ in entries
        )

    def authenticate(self, text: str, now: datetime) -> Identity | None:
        """Return who sent this token, or None; notes the use. One token yields one object until it changes."""
        return self.examine(text, now).identity

    def examine(self, text: str, now: datetime) -> Verdict:
        """Do what `authenticate` does and also tell why not."""
        if len(text) != TOKEN_LENGTH:
            return Verdict(None, "malformed", None)
        wanted = digest(text)
        entry = self._by_digest.get(wanted)
        # The lookup compares digests, of which an attacker knows none; the second look leaves no doubt about timing.
        if entry is None or not hmac.compare_digest(entry.record.digest, wanted):
            return Verdict(None, "unknown" if looks_like_token(text) else "malformed", None)
        refusal = entry.record.refusal(now)
        if refusal is not None:
            return Verdict(None, refusal, entry.record.id)
        with self._lock:
            self._used[entry.record.id] = now
        return Verdict(entry.identity, "accepted", entry.record.id)

    def note_use(self, token_id: str, now: datetime) -> None:
        """Note that a token is in use by what it opened; nothing happens when it is not known."""
        with self._lock:
            if token_id in self._digests:
                self._used[token_id] = now

    def take_used(self) -> dict[str, datetime]:
        """Return the last use of every token used since the former call, by id, and forget them.

        The caller stores them as `last_used_at` and puts the new records.
        """
        with self._lock:
            used, self._used = self._used, {}
        return used
