"""An identity provider for tests: real RSA keys, published over HTTP, and tokens in every state of wrongness."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from scrollintel.security.oidc import OidcConfig

AUDIENCE = "scrollintel"
Claims = dict[str, Any]  # Any: JSON values


def encoded(value: bytes | Mapping[str, Any]) -> str:
    """Return bytes or a JSON object as base64url without padding."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8))


class Issuer:
    """A provider that serves its key set on a free port of this machine.

    Attributes:
        fetched: How often the key set was asked for.
    """

    def __init__(self) -> None:
        self._keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.fetched = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched += 1
                content = json.dumps({"keys": [issuer._public(kid) for kid in issuer._keys]}).encode()
                self.send_response(200)
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
