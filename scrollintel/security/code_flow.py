"""Sign-in at an OpenID Connect provider: authorization code with PKCE, state and nonce. Pure: no clock, no network.

One secret that the browser keeps in a cookie for the time of the sign-in is enough: state, nonce and verifier are
derived from it, so that the server remembers nothing of those who never come back, and only the browser that went is
taken for the one that comes back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation
from .configured_url import url_problem
from .errors import ProviderUnavailableError

LASTS: Final = 600.0
"""Seconds that a sign-in may take, from leaving for the provider to coming back."""
SCOPE: Final = "openid profile email"
MAX_CODE_LENGTH: Final = 4096
_COOKIE = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcClient:
    """How browsers sign in at the provider.

    Arguments:
        client_id: Name of this server at the provider; tokens of a sign-in are for it.
        client_secret: Reference to the secret that belongs to it, or None for a public client.
        authorization_url, token_url: The provider's endpoints, both or neither; by default what the issuer publishes.
        redirect_url: Address of `…/session/provider/return` as browsers reach it; by default as the request names it.
        scope: What is asked for; "openid profile email" by default.

    Raises:
        ConfigError: with every violation.
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    authorization_url: str | None = None
    token_url: str | None = None
    redirect_url: str | None = None
    scope: str = SCOPE

    def __post_init__(self) -> None:
        violations = []
        if name_problem(self.client_id):
            violations.append(Violation("client_id", self.client_id, NAME_ALLOWED))
        for name in ("authorization_url", "token_url", "redirect_url"):
            url = getattr(self, name)
            if url is not None and (problem := url_problem(url)) is not None:
                violations.append(Violation(name, "...", problem))
        if (self.authorization_url is None) != (self.token_url is None):
            violations.append(Violation("token_url", "...", "given together with authorization_url"))
        if "openid" not in self.scope.split():
            violations.append(Violation("scope", self.scope, 'words with spaces between them, "openid" among them'))
        if violations:
            raise ConfigError("oidc client", violations)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider lets people sign in and gives tokens for codes.

    Arguments:
        authorization: URL for the browser.
        token: URL for this server.
        secret_in_body: Whether the provider wants the client's secret in the body; it is a header by default.
    """

    authorization: str
    token: str
    secret_in_body: bool = False


def discovery_url(issuer: str) -> str:
    """Return where an issuer publishes its endpoints (OpenID Connect Discovery, section 4)."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def endpoints_of(content: bytes, issuer: str) -> Endpoints:
    """Read what an issuer publishes.

    Raises:
        ProviderUnavailableError: when it is of another issuer, or names no usable endpoints.
    """
    document = _object(content)
    if document.get("issuer") != issuer:
        raise ProviderUnavailableError("it publishes the endpoints of another issuer")
    authorization, token = document.get("authorization_endpoint"), document.get("token_endpoint")
    if not isinstance(authorization, str) or not isinstance(token, str):
        raise ProviderUnavailableError("it publishes no endpoints")
    if url_problem(authorization) is not None or url_problem(token) is not None:
        raise ProviderUnavailableError("it publishes endpoints without https")
    methods = document.get("token_endpoint_auth_methods_supported")
    in_body = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return Endpoints(authorization, token, in_body)


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in on its way.

    Arguments:
        cookie: What the browser keeps meanwhile.
    """

    cookie: str = field(repr=False)

    @classmethod
    def begin(cls, now: float) -> SignIn:
        """Return a fresh one; `now` is seconds since 1970."""
        return cls(f"{int(now)}.{secrets.token_urlsafe(32)}")

    @classmethod
    def resume(cls, cookie: str, now: float) -> SignIn | None:
        """Return the one that a cookie tells of, or None when it is none or began too long ago."""
        found = _COOKIE.fullmatch(cookie)
        if found is None or not -1.0 <= now - int(found[1]) <= LASTS:
            return None
        return cls(cookie)

    @property
    def state(self) -> str:
        """What the provider gives back, so that nobody else's code is taken for this browser's."""
        return self._derived(b"state")

    @property
    def nonce(self) -> str:
        """What the provider's token must hold, so that it was made for this sign-in."""
        return self._derived(b"nonce")

    @property
    def verifier(self) -> str:
        """What proves to the provider that whoever brings the code has asked for it (RFC 7636)."""
        return self._derived(b"verifier")

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier beforehand (S256)."""
        return _base64url(hashlib.sha256(self.verifier.encode()).digest())

    def has_state(self, state: str) -> bool:
        """Tell whether this is the state of the sign-in."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass"))

    def _derived(self, what: bytes) -> str:
        return _base64url(hmac.new(self.cookie.encode(), what, hashlib.sha256).digest())


def authorization_url(endpoint: str, client: OidcClient, redirect_url: str, sign_in: SignIn) -> str:
    """Return where the browser is sent."""
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_url,
        "scope": client.scope,
        "state": sign_in.state,
        "nonce": sign_in.nonce,
        "code_challenge": sign_in.challenge,
        "code_challenge_method": "S256",
    }
    parts = urlsplit(endpoint)
    query = "&".join(part for part in (parts.query, urlencode(asked)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def token_request(
    client: OidcClient, secret: str | None, redirect_url: str, sign_in: SignIn, code: str, *, secret_in_body: bool
) -> tuple[bytes, Mapping[str, str]]:
    """Return body and headers of the request that turns a code into tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_url,
        "client_id": client.client_id,
        "code_verifier": sign_in.verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if secret is not None and secret_in_body:
        form["client_secret"] = secret
    elif secret is not None:
        # RFC 6749, section 2.3.1: both are encoded as in a form before they are put together.
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
    return urlencode(form).encode(), headers


def id_token_of(content: bytes) -> str | None:
    """Return the identity token in a provider's answer, or None when there is none."""
    token = _object(content).get("id_token")
    return token if isinstance(token, str) and token.count(".") == 2 else None


def _object(content: bytes) -> dict[str, Any]:  # Any: JSON values of mixed types
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ProviderUnavailableError("its answer is not JSON") from None
    if not isinstance(document, dict):
        raise ProviderUnavailableError("its answer is no JSON object")
    return document


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
