"""Sign-in of browsers at the identity provider: where to send them, and whom the code that they bring stands for."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import replace

from ..outbound.references import SecretUnavailableError, resolve
from ..security.access import Identity
from ..security.code_flow import (
    MAX_CODE_LENGTH,
    Endpoints,
    OidcClient,
    SignIn,
    authorization_url,
    discovery_url,
    endpoints_of,
    id_token_of,
    token_request,
)
from ..security.configured_url import ExchangeError, exchange
from ..security.errors import ProviderUnavailableError
from ..security.oidc import OidcConfig
from .plane import ControlPlane
from .provider_login import ProviderLogin
from .role_bindings import RoleBindings

ENDPOINTS_LAST = 3600.0
"""Seconds for which what the issuer publishes is believed."""
RETRY = 5.0
"""Seconds before an issuer that did not answer is asked again, however many browsers come meanwhile."""
MAX_EXCHANGES = 16
"""Codes that are exchanged at once; each may hold a thread for some seconds."""
_ERROR = re.compile("[a-z_]{1,40}")

logger = logging.getLogger("scrollintel.service")


class SignInFailed(Exception):
    """Nobody has signed in.

    Arguments:
        problem: Stable code for the page that tells it.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def is_outage(self) -> bool:
        """Whether the provider is to blame, and not whoever tried."""
        return self.problem in ("provider_unavailable", "provider_busy")


class ProviderSignIn:
    """The authorization code flow with PKCE.

    Arguments:
        plane: The control plane.
        config: Which tokens of the provider are accepted.
        client: What this server is at the provider.
        bindings: What persons and groups are granted by the API.
    """

    def __init__(self, plane: ControlPlane, config: OidcConfig, client: OidcClient, bindings: RoleBindings) -> None:
        self._plane = plane
        self._config = config
        self._client = client
        # An identity token is for the client that asked for it, whatever audience tokens of programs have.
        self._login = ProviderLogin(plane, replace(config, audience=client.client_id), bindings)
        self._asking = asyncio.Lock()
        self._endpoints: Endpoints | None = None
        if client.authorization_url is not None and client.token_url is not None:
            self._endpoints = Endpoints(client.authorization_url, client.token_url)
        self._asked: float | None = None
        self._exchanges = 0

    def redirect_url(self, own: str) -> str:
        """Return where the provider sends browsers back to: as configured, or as this request reached the server."""
        return self._client.redirect_url or own

    async def leave(self, redirect_url: str) -> tuple[SignIn, str]:
        """Return a fresh sign-in, and where the browser goes.

        Raises:
            SignInFailed: when the provider cannot be asked for its endpoints.
        """
        endpoints = await self._known_endpoints()
        sign_in = SignIn.begin(self._plane.clock.time())
        return sign_in, authorization_url(endpoints.authorization, self._client, redirect_url, sign_in)

    async def arrive(
        self, cookie: str | None, *, redirect_url: str, code: str, state: str, issuer: str | None
    ) -> Identity:
        """Return who has come back from the provider.

        Arguments:
            cookie: What the browser kept.
            redirect_url: The same as in `leave`.
            code, state, issuer: What the provider sent along; `issuer` is None where it sends none.

        Raises:
            SignInFailed: when that is nobody.
        """
        sign_in = SignIn.resume(cookie or "", self._plane.clock.time())
        if sign_in is None or not sign_in.has_state(state):
            raise SignInFailed("state_mismatch")
        if issuer is not None and issuer != self._config.issuer:
            raise SignInFailed("wrong_issuer")  # RFC 9207: the answer of another provider
        if not 1 <= len(code) <= MAX_CODE_LENGTH:
            raise SignInFailed("code_refused")
        endpoints = await self._known_endpoints()
        if self._exchanges >= MAX_EXCHANGES:
            raise SignInFailed("provider_busy")
        self._exchanges += 1
        try:
            identity = await asyncio.to_thread(self._identity, endpoints, sign_in, redirect_url, code)
        except (ProviderUnavailableError, SecretUnavailableError) as error:
            logger.warning("nobody can sign in at the provider: %s", error)
            raise SignInFailed("provider_unavailable") from None
        finally:
            self._exchanges -= 1
        # How long the session lasts is for the session's own limits: the token only says who has just signed in.
        return replace(identity, expires_at=None)

    def _identity(self, endpoints: Endpoints, sign_in: SignIn, redirect_url: str, code: str) -> Identity:
        """Exchange a code and verify what comes; in a thread."""
        secret = None if self._client.client_secret is None else resolve(self._client.client_secret)
        body, headers = token_request(
            self._client, secret, redirect_url, sign_in, code, secret_in_body=endpoints.secret_in_body
        )
        try:
            status, content = exchange(
                endpoints.token,
                body=body,
                headers=headers,
                certificate_authorities=self._config.certificate_authorities,
            )
        except ExchangeError as error:
            raise ProviderUnavailableError(str(error)) from None
        if status == 400:
            logger.warning("the identity provider refuses a code: %s", _error(content))
            raise SignInFailed("code_refused")
        if status != 200:
            raise ProviderUnavailableError(f"its token endpoint answers with status {status}")
        token = id_token_of(content)
        identity = None if token is None else self._login.verify(token, nonce=sign_in.nonce)
        if identity is None:
            raise SignInFailed("token_refused")
        return identity

    async def _known_endpoints(self) -> Endpoints:
        """Return the provider's endpoints, asked for when they are not known or have been known for long."""
        if self._client.token_url is not None and self._endpoints is not None:
            return self._endpoints
        async with self._asking:
            now = self._plane.clock.monotonic()
            wait = RETRY if self._endpoints is None else ENDPOINTS_LAST
            if self._asked is None or now - self._asked >= wait:
                self._asked = now
                try:
                    self._endpoints = await asyncio.to_thread(self._discover)
                except ProviderUnavailableError as error:
                    logger.warning("the endpoints of the identity provider are not known: %s", error)
        if self._endpoints is None:
            raise SignInFailed("provider_unavailable")
        return self._endpoints

    def _discover(self) -> Endpoints:
        issuer = self._config.issuer
        try:
            status, content = exchange(
                discovery_url(issuer), certificate_authorities=self._config.certificate_authorities
            )
        except ExchangeError as error:
            raise ProviderUnavailableError(str(error)) from None
        if status != 200:
            raise ProviderUnavailableError(f"its discovery document is answered with status {status}")
        return endpoints_of(content, issuer)


def _error(content: bytes) -> str:
    """Return the provider's code for what was wrong, and nothing else of its answer."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return "no reason given"
    code = found.get("error") if isinstance(found, dict) else None
    return code if isinstance(code, str) and _ERROR.fullmatch(code) else "no reason given"
