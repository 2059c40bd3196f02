"""The table `[access]`: who may do what, and how people sign in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from ..core.config.base import Config, number
from ..core.errors import Violation
from ..outbound.references import secret
from ..security.signing_key_cache import KEY_TYPES
from . import rules
from .rules import Grants, parse_json, parse_list, parse_number, parse_switch, setting

ALGORITHMS = tuple(name for names in KEY_TYPES.values() for name in names)
"""Signatures with a public key only: with a shared secret, whoever can verify a token could also make one."""


@dataclass(frozen=True, slots=True)
class AccessSettings(Config):
    """Who may do what.

    Arguments:
        enabled: Whether requests need an identity; None (default) turns it off only while the server listens on this
            machine alone, behind no proxy, and there is no identity provider.
        oidc_issuer: Issuer of the identity provider, exactly as in its tokens.
        oidc_audience: Audience that a token must name.
        oidc_jwks_url: Address of the provider's public keys; this or `oidc_jwks_file`.
        oidc_jwks_file: File with the provider's public keys.
        oidc_algorithms: Signature algorithms that are accepted; default RS256 and ES256.
        oidc_groups_claim: Claim that lists a person's groups; default groups.
        oidc_grants: For each group its roles and the services that they hold for.
        oidc_client_id: Name of this server at the provider; with it people sign in there from the dashboard.
        oidc_client_secret: Reference to the secret that belongs to it; none for a public client.
        oidc_authorization_url: Where people sign in; with `oidc_token_url`, or else what the issuer publishes is used.
        oidc_token_url: Where the server gets a token for a code.
        oidc_redirect_url: Address of `/api/v1/fault-tolerance/session/provider/return` as it is registered at the
            provider; the address at which the browser has reached the server is used when it is left out.
        session_idle: Seconds without activity after which a browser has to sign in again; 60 to 2,592,000 (30 days),
            default 1800.
        session_lifetime: Seconds after which it has to anyway; at least `session_idle` and at most 30 days, default
            43,200.
    """

    _: KW_ONLY
    enabled: bool | None = field(default=None, metadata=setting(rules.switch(), parse=parse_switch))
    oidc_issuer: str | None = field(default=None, metadata=setting(rules.web_url()))
    oidc_audience: str | None = field(default=None, metadata=setting(rules.text(optional=True)))
    oidc_jwks_url: str | None = field(default=None, metadata=setting(rules.web_url()))
    oidc_jwks_file: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    oidc_algorithms: tuple[str, ...] = field(
        default=("RS256", "ES256"),
        metadata=setting(
            rules.texts(allowed=f"a list of {', '.join(ALGORITHMS)}", choices=frozenset(ALGORITHMS)),
            parse=parse_list,
        ),
    )
    oidc_groups_claim: str = field(default="groups", metadata=setting(rules.text()))
    oidc_grants: Grants = field(default=(), metadata=setting(rules.grants(), parse=parse_json))
    oidc_client_id: str | None = field(default=None, metadata=setting(rules.text(optional=True)))
    oidc_client_secret: str | None = field(default=None, metadata=setting(secret(optional=True)))
    oidc_authorization_url: str | None = field(default=None, metadata=setting(rules.web_url()))
    oidc_token_url: str | None = field(default=None, metadata=setting(rules.web_url()))
    oidc_redirect_url: str | None = field(default=None, metadata=setting(rules.web_url()))
    session_idle: float = field(
        default=1800.0, metadata=setting(number(minimum=60.0, maximum=2_592_000.0, unit="seconds"), parse=parse_number)
    )
    session_lifetime: float = field(
        default=43_200.0,
        metadata=setting(number(minimum=60.0, maximum=2_592_000.0, unit="seconds"), parse=parse_number),
    )

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that an identity provider is described in full or not at all, and that sessions outlast their rest."""
        if not broken & {"session_idle", "session_lifetime"} and self.session_lifetime < self.session_idle:
            allowed = f"at least session_idle ({self.session_idle:g} seconds)"
            yield Violation("session_lifetime", self.session_lifetime, allowed)
        yield from self._client_conflicts(broken)
        if self.oidc_issuer is None:
            if "oidc_issuer" not in broken:
                for name in ("oidc_audience", "oidc_jwks_url", "oidc_jwks_file", "oidc_grants", "oidc_client_id"):
                    if getattr(self, name):
                        yield Violation(name, getattr(self, name), "left out, because there is no oidc_issuer")
            return
        if self.oidc_audience is None:
            yield Violation("oidc_audience", None, "given, because a token for someone else must not open this door")
        if not broken & {"oidc_jwks_url", "oidc_jwks_file"}:
            if (self.oidc_jwks_url is None) == (self.oidc_jwks_file is None):
                yield Violation("oidc_jwks_url", self.oidc_jwks_url, "given, or else oidc_jwks_file, and not both")

    def _client_conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that what is said of signing in at the provider comes with a client, and both endpoints together."""
        if self.oidc_client_id is None and "oidc_client_id" not in broken:
            for name in ("oidc_client_secret", "oidc_authorization_url", "oidc_token_url", "oidc_redirect_url"):
                if getattr(self, name) is not None:
                    yield Violation(name, "(given)", "left out, because there is no oidc_client_id")
        elif not broken & {"oidc_authorization_url", "oidc_token_url"}:
            if (self.oidc_authorization_url is None) != (self.oidc_token_url is None):
                missing = "oidc_token_url" if self.oidc_token_url is None else "oidc_authorization_url"
                yield Violation(missing, None, "given, because the other endpoint is; or leave both out")
