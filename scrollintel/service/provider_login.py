"""People of an identity provider: their tokens are verified here, with keys that are fetched in a thread."""

from __future__ import annotations

from ..security.access import Identity
from ..security.errors import SecurityError
from ..security.oidc import OidcConfig, OidcVerifier
from .plane import ControlPlane


class ProviderLogin:
    """Verifies tokens of one provider; may fetch its keys, so `verify` is called in a thread.

    Arguments:
        plane: The control plane, whose key makes the opaque ids of persons.
        config: Which tokens are accepted.
    """

    def __init__(self, plane: ControlPlane, config: OidcConfig) -> None:
        self._plane = plane
        self._config = config
        self._verifier: OidcVerifier | None = None

    def verify(self, text: str) -> Identity | None:
        """Return whom a token stands for, or None when it is not accepted or cannot be checked now."""
        try:
            if self._verifier is None:
                self._verifier = OidcVerifier(self._config, subject_key=self._plane.keys.subject_key)
            if self._verifier.is_refresh_due():
                self._verifier.refresh()
        except SecurityError:
            if self._verifier is None:
                return None
        try:
            return self._verifier.authenticate(text, self._plane.now)
        except SecurityError:
            return None
