"""People of an identity provider: their tokens are verified here, with keys that are fetched in a thread."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field, replace
from typing import Any

from ..security.access import Binding, Identity
from ..security.errors import SecurityError
from ..security.oidc import MAX_GROUPS, OidcConfig, OidcVerifier
from .plane import ControlPlane
from .role_bindings import RoleBindings


@dataclass(frozen=True, slots=True)
class ProviderIdentity(Identity):
    """Someone whom the provider vouches for.

    Arguments:
        groups: As the token names them, so that a request that lasts can look its roles up again.
    """

    groups: tuple[str, ...] = field(default=(), repr=False)


class ProviderLogin:
    """Verifies tokens of one provider; may fetch its keys, so `verify` is called in a thread.

    Arguments:
        plane: The control plane, whose key makes the opaque ids of persons.
        config: Which tokens are accepted, and what groups grant by configuration.
        bindings: What persons and groups are granted by the API.
    """

    def __init__(self, plane: ControlPlane, config: OidcConfig, bindings: RoleBindings) -> None:
        self._plane = plane
        self._config = config
        self._bindings = bindings
        self._verifier: OidcVerifier | None = None

    def verify(self, text: str, *, nonce: str | None = None) -> Identity | None:
        """Return whom a token stands for, or None when it is not accepted or cannot be checked now.

        Arguments:
            text: The token.
            nonce: What an identity token must hold because it was made for this one sign-in; None for other tokens.
        """
        try:
            if self._verifier is None:
                self._verifier = OidcVerifier(self._config, subject_key=self._plane.keys.subject_key)
            if self._verifier.is_refresh_due():
                self._verifier.refresh()
        except SecurityError:
            if self._verifier is None:
                return None
        try:
            known = self._verifier.authenticate(text, self._plane.now)
            if nonce is not None and not _is_for(text, nonce, self._config.audience):
                return None
            groups = _groups(text, self._config.groups_claim)
            bindings = self._granted(known.subject or "", groups)
        except SecurityError:
            return None
        return ProviderIdentity(known.id, known.kind, known.subject, bindings, known.expires_at, groups=groups)

    def still_grants(self, identity: Identity) -> bool:
        """Tell whether someone who was let in before would be given the same roles now; asks nobody."""
        assert isinstance(identity, ProviderIdentity)
        try:
            return identity.bindings == self._granted(identity.subject or "", identity.groups)
        except SecurityError:
            return False

    def as_of_now(self, identity: Identity) -> Identity | None:
        """Return someone who was let in before with the roles of now; None when that cannot be told."""
        assert isinstance(identity, ProviderIdentity)
        try:
            bindings = self._granted(identity.subject or "", identity.groups)
        except SecurityError:
            return None
        return identity if bindings == identity.bindings else replace(identity, bindings=bindings)

    def _granted(self, person: str, groups: tuple[str, ...]) -> tuple[Binding, ...]:
        """Return what the configuration and the API grant together."""
        configured = (binding for group in groups for binding in self._config.grants.get(group, ()))
        return tuple(dict.fromkeys((*configured, *self._bindings.granted(person, groups))))


def _claims(text: str) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return what a token says that was verified a moment ago."""
    payload = text.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _is_for(text: str, nonce: str, client_id: str) -> bool:
    """Tell whether an identity token was made for one sign-in of one client (OpenID Connect Core, section 3.1.3.7)."""
    claims = _claims(text)
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode("utf-8", "surrogatepass"), nonce.encode()):
        return False
    authorized: object = claims.get("azp", client_id)
    return authorized == client_id


def _groups(text: str, claim: str) -> tuple[str, ...]:
    """Return the groups of a token that was verified a moment ago; shapes that a verifier grants nothing are none."""
    groups = _claims(text).get(claim)
    if isinstance(groups, str):
        groups = [groups]
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        return ()
    return tuple(group for group in groups if isinstance(group, str))
