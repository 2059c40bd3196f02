"""An identity provider for tests: real RSA keys, published over HTTP, and tokens in every state of wrongness.

People sign in at its authorization endpoint without being asked, and codes are exchanged as the standards want it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scrollintel.security.oidc import OidcConfig

AUDIENCE = "scrollintel"
CLIENT = "dashboard"
Claims = dict[str, Any]  # Any: JSON values


def encoded(value: bytes | Mapping[str, Any]) -> str:
    """Return bytes or a JSON object as base64url without padding."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8))


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was given, and what it was asked for with."""

    asked: dict[str, str]
    given: float


class Issuer:
    """A provider that serves its key set on a free port of this machine.

    Attributes:
        fetched: How often the key set was asked for.
        discovered: How often the discovery document was asked for.
        exchanged: How often the token endpoint was asked.
        client_secret: What a confidential client shows; None for a public one.
        code_lifetime: Seconds for which a code is good.
        published: What the discovery document says beside the usual.
        signed: Claims of identity tokens that differ from the right ones.
        status: What the token endpoint answers instead of doing its work; None for the work.
    """

    def __init__(self) -> None:
        self._keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.fetched = self.discovered = self.exchanged = 0
        self.client_secret: str | None = None
        self.code_lifetime = 60.0
        self.published: dict[str, Any] = {}
        self.signed: dict[str, Any] = {}
        self.status: int | None = None
        self._codes: dict[str, Code] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", issuer.authorize(dict(parse_qsl(query))))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif path == "/.well-known/openid-configuration":
                    issuer.discovered += 1
                    self.answer(200, issuer.discovery())
                else:
                    issuer.fetched += 1
                    self.answer(200, {"keys": [issuer._public(kid) for kid in issuer._keys]})

            def do_POST(self) -> None:
                issuer.exchanged += 1
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.answer(*issuer.exchange(dict(parse_qsl(body)), self.headers.get("Authorization")))

            def answer(self, status: int, document: Mapping[str, Any]) -> None:
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def config(self, **options: Any) -> OidcConfig:  # Any: arguments of `OidcConfig`
        """Return the configuration that accepts this provider's tokens."""
        return OidcConfig(issuer=self.url, audience=AUDIENCE, key_set_url=f"{self.url}/keys", **options)

    def discovery(self) -> dict[str, Any]:
        """Return what the provider publishes of itself."""
        endpoints = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token"}
        return {"issuer": self.url, **endpoints, **self.published}

    def authorize(self, asked: dict[str, str]) -> str:
        """Give a code for what a browser asks, and return where the browser is sent back to."""
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256" and asked["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self._codes[code] = Code(asked, time.monotonic())
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.url})}"

    def exchange(self, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        """Return status and document of the token endpoint; a code is good once."""
        if self.status is not None:
            return self.status, {"error": "server_error", "error_description": "code was " + form.get("code", "")}
        shown = form.get("client_secret")
        if authorization is not None:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            assert unquote_plus(pair[0]) == CLIENT
            shown = unquote_plus(pair[2])
        if shown != self.client_secret or form.get("client_id") != CLIENT:
            return 401, {"error": "invalid_client"}
        code = self._codes.pop(form.get("code", ""), None)
        verifier = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            form.get("grant_type") != "authorization_code"
            or code is None
            or time.monotonic() - code.given >= self.code_lifetime
            or code.asked["redirect_uri"] != form.get("redirect_uri")
            or code.asked["code_challenge"] != verifier
        ):
            return 400, {"error": "invalid_grant", "error_description": "code was " + form.get("code", "")}
        claims = {"aud": CLIENT, "nonce": code.asked["nonce"], **self.signed}
        token = self.token(**claims)
        return 200, {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token}

    def _public(self, kid: str) -> dict[str, str]:
        numbers = self._keys[kid].public_key().public_numbers()
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}

    def public_pem(self, kid: str = "one") -> bytes:
        """Return a public key as everybody may have it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._keys[kid].public_key().public_bytes(serialization.Encoding.PEM, form)

    def claims(self, **changes: Any) -> Claims:  # Any: JSON values
        """Return acceptable claims with some changed; None removes one."""
        now = int(time.time())
        base = {"iss": self.url, "aud": AUDIENCE, "sub": "ada@example.com", "iat": now - 5, "exp": now + 600}
        return {name: value for name, value in {**base, **changes}.items() if value is not None}

    def token(
        self, *, kid: str = "one", named: str | None = None, alg: str = "RS256", **changes: Any
    ) -> str:  # Any: JSON values
        """Return a token signed with the key `kid`; its header names `named` when given, and claims `alg`."""
        text = f"{encoded({'alg': alg, 'kid': named or kid, 'typ': 'JWT'})}.{encoded(self.claims(**changes))}"
        signature = self._keys[kid].sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{encoded(signature)}"

    def unsigned(self, alg: str = "none") -> str:
        """Return a token that says that it needs no signature, with one that is no signature."""
        return f"{encoded({'alg': alg, 'kid': 'one'})}.{encoded(self.claims())}.{encoded(b'x')}"

    def with_hmac(self, secret: bytes) -> str:
        """Return a token signed with HS256 under what everybody may know."""
        text = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(self.claims())}"
        return f"{text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    def stranger(self) -> Issuer:
        """Return another provider's key pair under the same names; it publishes nothing."""
        other = Issuer.__new__(Issuer)
        other._keys = {"one": rsa.generate_private_key(65537, 2048)}
        other.url = self.url
        return other


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run a provider."""
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.server.shutdown()
        issuer.server.server_close()
        thread.join()
