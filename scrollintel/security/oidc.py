"""Bearer tokens of an OpenID Connect provider: signed JWTs, verified by our rules and not by the token's own.

Which algorithm, issuer, audience and key set are right is configuration. Of a token's header only `alg` and `kid` are
looked at, as a claim to be checked; `jku`, `x5u`, `x5c` and `jwk`, with which a token recommends its own key, are not.
"""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation
from .access import Binding, Identity, IdentityKind
from .configured_url import url_problem
from .errors import TokenRefusedError, UnknownSigningKeyError
from .key_sets import KeySetFile, KeySetSource, KeySetUrl
from .signing_key_cache import KEY_TYPES, SigningKeyCache
from .subjects import subject_id_for

if TYPE_CHECKING:
    from joserfc.jws import JWSRegistry

LEEWAY: Final = 60.0
"""Seconds by which the clocks of provider and server may differ."""
MAX_TOKEN_LENGTH: Final = 16 * 1024
MAX_GROUPS: Final = 1000
MAX_SECONDS: Final = 2**37
"""Times after the year 6000 are refused; they are mistakes, and calendars end in the year 9999."""
ALGORITHMS: Final = tuple(name for names in KEY_TYPES.values() for name in names)
"""Every algorithm that may be configured; "none" and symmetric ones are not among them."""

Claims = dict[str, Any]  # Any: JSON values of mixed types

_COMPACT = re.compile(r"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """Which tokens of a provider are accepted, and what they grant.

    Arguments:
        issuer: What `iss` must be, character for character.
        audience: What `aud` must be or contain: the name of this server at the provider.
        key_set_url: https URL of the provider's JWK Set (http only to this machine); or give `key_set_file`.
        key_set_file: File with a JWK Set, read again every 5 minutes.
        certificate_authorities: File with the authorities to trust for `key_set_url`, instead of the system's.
        algorithms: Signature algorithms that are accepted; RS256 and ES256 by default.
        subject_claim: Claim that names the person or program; "sub" by default.
        groups_claim: Claim with the list of groups; "groups" by default.
        grants: Bindings by group. Who is in none of these groups is known but may do nothing.

    Raises:
        ConfigError: With every violation.
    """

    issuer: str
    audience: str
    key_set_url: str | None = None
    key_set_file: Path | str | None = None
    certificate_authorities: Path | str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    subject_claim: str = "sub"
    groups_claim: str = "groups"
    grants: Mapping[str, tuple[Binding, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("issuer", "audience", "subject_claim", "groups_claim")
        violations = [
            Violation(name, getattr(self, name), NAME_ALLOWED) for name in names if name_problem(getattr(self, name))
        ]
        if (self.key_set_url is None) == (self.key_set_file is None):
            allowed = "given, or key_set_file, and not both"
            violations.append(Violation("key_set_url", self.key_set_url, allowed))
        elif self.key_set_url is not None and (problem := url_problem(self.key_set_url)) is not None:
            # The URL is left out: it may hold a password.
            violations.append(Violation("key_set_url", "...", problem))
        given: Any = self.algorithms  # Any: a text would pass for a sequence of names
        if isinstance(given, str) or not given or any(name not in ALGORITHMS for name in given):
            violations.append(Violation("algorithms", self.algorithms, "a list of " + ", ".join(ALGORITHMS)))
        if violations:
            raise ConfigError("oidc", violations)

    def source(self) -> KeySetSource:
        """Return where the key set comes from."""
        if self.key_set_url is not None:
            return KeySetUrl(self.key_set_url, certificate_authorities=self.certificate_authorities)
        assert self.key_set_file is not None
        return KeySetFile(self.key_set_file)


def looks_like_jwt(text: str) -> bool:
    """Tell whether a bearer token is meant for the verifier: three parts that begin like a JSON object in base64."""
    return text.startswith("eyJ") and text.count(".") == 2


def _header(text: str) -> dict[str, Any]:  # Any: JSON values of mixed types
    first = text.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        raise TokenRefusedError("malformed") from None
    if not isinstance(header, dict):
        raise TokenRefusedError("malformed")
    return header


def _seconds(claims: Claims, name: str, *, required: bool) -> float | None:
    """Return a NumericDate of RFC 7519; refuses booleans, texts, NaN and infinities."""
    value = claims.get(name)
    if value is None:
        if required:
            raise TokenRefusedError(f"without_{name}")
        return None
    # The comparison is false for NaN, for which no later one would hold either.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_SECONDS:
        raise TokenRefusedError(f"bad_{name}")
    return float(value)


class OidcVerifier:
    """Turns bearer tokens of one provider into identities. May be used from any thread.

    Arguments:
        config: Which tokens are accepted.
        subject_key: At least 32 secret bytes, for the opaque ids of persons in audit records.
        monotonic: Source of seconds that never go back, for the age of the key set.
    """

    def __init__(
        self, config: OidcConfig, *, subject_key: bytes, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._subject_key = subject_key
        self._allowed = frozenset(config.algorithms)
        self._keys = SigningKeyCache(config.source(), config.algorithms, monotonic)
        self._registry = _registry(self._allowed)
        subject_id_for("", subject_key)  # refuses a key that is too short now and not at the first login

    def is_refresh_due(self) -> bool:
        """Tell whether `refresh` would fetch the key set: at the start, every 5 minutes, for an unknown key."""
        return self._keys.is_refresh_due()

    def refresh(self) -> bool:
        """Fetch the key set when that is due; blocks, so call it in a thread. Raises KeySetUnavailableError."""
        return self._keys.refresh()

    def authenticate(self, text: str, now: datetime) -> Identity:
        """Verify, and when the key is unknown and a refresh is due, refresh and verify again. May block.

        Raises:
            TokenRefusedError: When the token is not accepted.
            KeySetUnavailableError: When the key is unknown and the key set could not be fetched.
        """
        try:
            return self.verify(text, now)
        except UnknownSigningKeyError:
            if not self.is_refresh_due():
                raise
            self.refresh()
            return self.verify(text, now)

    def verify(self, text: str, now: datetime) -> Identity:
        """Return whom the token stands for. Does no I/O and does not wait.

        Raises:
            UnknownSigningKeyError: When the key set, as far as known, holds no key for it.
            TokenRefusedError: When the token is not accepted for any other reason.
        """
        claims = self._claims(text)
        config = self._config
        if claims.get("iss") != config.issuer:
            raise TokenRefusedError("wrong_issuer")
        audience = claims.get("aud")
        if audience != config.audience and not (isinstance(audience, list) and config.audience in audience):
            raise TokenRefusedError("wrong_audience")
        expires_at = self._check_times(claims, now.timestamp())
        subject = claims.get(config.subject_claim)
        if name_problem(subject):
            raise TokenRefusedError("bad_subject")
        opaque = subject_id_for(f"{config.issuer}\n{subject}", self._subject_key).removeprefix("sub_")
        return Identity(f"oidc_{opaque}", IdentityKind.OIDC, subject, self._bindings(claims), expires_at)

    def _claims(self, text: str) -> Claims:
        """Return the payload after its signature was verified with a key of the configured set."""
        from joserfc.errors import JoseError
        from joserfc.jws import deserialize_compact

        if len(text) > MAX_TOKEN_LENGTH or _COMPACT.fullmatch(text) is None:
            raise TokenRefusedError("malformed")
        header = _header(text)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._allowed:
            raise TokenRefusedError("wrong_algorithm")
        # No extension is understood here, and RFC 7515 wants tokens with unknown critical ones refused.
        if "crit" in header or "b64" in header:
            raise TokenRefusedError("critical_extension")
        if not isinstance(key_id, str | None):
            raise TokenRefusedError("malformed")
        key = self._keys.find(key_id, algorithm)
        try:
            # The key is passed by itself, so nothing in the header has a part in choosing it any more.
            payload = deserialize_compact(text, key, registry=self._registry).payload
            claims = json.loads(payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise TokenRefusedError("bad_signature") from None
        if not isinstance(claims, dict):
            raise TokenRefusedError("malformed")
        return claims

    @staticmethod
    def _check_times(claims: Claims, now: float) -> datetime:
        expires = _seconds(claims, "exp", required=True)
        issued = _seconds(claims, "iat", required=True)
        begins = _seconds(claims, "nbf", required=False)
        assert expires is not None and issued is not None
        if now >= expires + LEEWAY:
            raise TokenRefusedError("expired")
        if issued > now + LEEWAY or (begins is not None and begins > now + LEEWAY):
            raise TokenRefusedError("not_yet_valid")
        return datetime.fromtimestamp(expires + LEEWAY, UTC)

    def _bindings(self, claims: Claims) -> tuple[Binding, ...]:
        """Return what the groups grant; one group may be given as a text. Other shapes grant nothing."""
        groups = claims.get(self._config.groups_claim)
        if isinstance(groups, str):
            groups = [groups]
        if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
            return ()
        granted = (self._config.grants.get(group, ()) for group in groups if isinstance(group, str))
        return tuple(dict.fromkeys(binding for bindings in granted for binding in bindings))


def _registry(allowed: frozenset[str]) -> JWSRegistry:
    """Return joserfc's table of algorithms, narrowed to ours and without its limit for short headers.

    Headers with a certificate chain exceed 512 bytes; unknown header fields are to be ignored (RFC 7515, section 4).
    """
    from joserfc.errors import UnsupportedAlgorithmError
    from joserfc.jws import JWSRegistry

    class Registry(JWSRegistry):
        max_header_length = MAX_TOKEN_LENGTH
        max_payload_length = MAX_TOKEN_LENGTH
        max_signature_length = 2048  # RSA with 8192 bits has 1366 characters

        def get_alg(self, name: str) -> Any:  # Any: joserfc does not export the class of an algorithm
            # The base class warns about some names that an operator may have good reason to allow, such as EdDSA.
            if name not in allowed:
                raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
            return self.algorithms[name]

    return Registry(algorithms=allowed, strict_check_header=False)
