"""Sign-in at a provider as far as it needs no network: what is sent there, and what is made of the answers."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.security.code_flow import (
    LASTS,
    OidcClient,
    SignIn,
    authorization_url,
    discovery_url,
    endpoints_of,
    id_token_of,
    token_request,
)
from scrollintel.security.errors import ProviderUnavailableError

CLIENT = OidcClient(client_id="dash board")
BACK = "https://example.com/return"
ISSUER = "https://issuer.example.com"


def test_sign_in_derives_what_it_needs_from_the_cookie_alone() -> None:
    """The same again from the same cookie, each value another, and none of them leads to the next."""
    begun = SignIn.begin(1000.0)
    resumed = SignIn.resume(begun.cookie, 1100.0)
    assert resumed == begun
    values = [begun.state, begun.nonce, begun.verifier, begun.challenge]
    assert len({*values, begun.cookie}) == 5
    assert all(len(value) == 43 for value in values)
    assert begun.has_state(begun.state) and not begun.has_state(begun.nonce)
    other = SignIn.begin(1000.0)
    assert not {*values} & {other.state, other.nonce, other.verifier, other.challenge}
    assert begun.cookie not in repr(begun)


def test_sign_in_challenge_is_the_hash_of_the_verifier() -> None:
    """RFC 7636, section 4.2, S256."""
    begun = SignIn.begin(1000.0)
    hashed = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest())
    assert begun.challenge == hashed.rstrip(b"=").decode()


@pytest.mark.parametrize("now", [1000.0 + LASTS + 1.0, 998.0, 0.0])
def test_sign_in_does_not_resume_late_or_from_the_future(now: float) -> None:
    """Ten minutes, not more."""
    assert SignIn.resume(SignIn.begin(1000.0).cookie, now) is None


@pytest.mark.parametrize("cookie", ["", "x", "1000", "1000.", "1000." + "a" * 42, "a." + "a" * 43, "1e3." + "a" * 43])
def test_sign_in_does_not_resume_from_something_else(cookie: str) -> None:
    """Whatever a browser sends."""
    assert SignIn.resume(cookie, 1000.0) is None


def test_sign_in_with_a_changed_moment_is_another_one() -> None:
    """Whoever makes the cookie younger has another state than the provider was told."""
    begun = SignIn.begin(1000.0)
    changed = SignIn.resume(begun.cookie.replace("1000.", "2000.", 1), 2000.0)
    assert changed is not None and not changed.has_state(begun.state)


def test_authorization_url_asks_for_a_code_with_pkce_state_and_nonce() -> None:
    """The endpoint's own query stays."""
    begun = SignIn.begin(1000.0)
    url = urlsplit(authorization_url(f"{ISSUER}/go?tenant=a%20b", CLIENT, BACK, begun))
    assert (url.scheme, url.netloc, url.path, url.fragment) == ("https", "issuer.example.com", "/go", "")
    assert dict(parse_qsl(url.query)) == {
        "tenant": "a b",
        "response_type": "code",
        "client_id": "dash board",
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": begun.challenge,
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("secret", [None, "s:e c+&ü"])
@pytest.mark.parametrize("in_body", [False, True])
def test_token_request_proves_client_and_browser(secret: str | None, in_body: bool) -> None:
    """The verifier always; the secret in a header encoded as RFC 6749 wants it, or in the body, and never in both."""
    begun = SignIn.begin(1000.0)
    body, headers = token_request(CLIENT, secret, BACK, begun, "the code", secret_in_body=in_body)
    form = dict(parse_qsl(body.decode()))
    expected = {
        "grant_type": "authorization_code", "code": "the code", "redirect_uri": BACK, "client_id": "dash board",
        "code_verifier": begun.verifier,
    }  # fmt: skip
    assert form == (expected if secret is None or not in_body else {**expected, "client_secret": secret})
    if secret is None or in_body:
        assert "Authorization" not in headers
    else:
        shown = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
        assert shown == "dash+board:s%3Ae+c%2B%26%C3%BC"


def published(**changes: Any) -> bytes:
    """Return a discovery document with some fields changed."""
    usual = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
    }
    return json.dumps({**usual, **changes}).encode()


def test_endpoints_are_read_from_the_issuer() -> None:
    """A slash at the end of the issuer is not doubled; the secret goes into the body only where a header is refused."""
    assert discovery_url("https://a.example.com/x/") == "https://a.example.com/x/.well-known/openid-configuration"
    found = endpoints_of(published(), ISSUER)
    assert (found.authorization, found.token, found.secret_in_body) == (f"{ISSUER}/authorize", f"{ISSUER}/token", False)
    for methods, in_body in (
        (["client_secret_post"], True), (["client_secret_post", "client_secret_basic"], False), (["none"], False),
        ("client_secret_post", False), (7, False),
    ):  # fmt: skip
        assert endpoints_of(published(token_endpoint_auth_methods_supported=methods), ISSUER).secret_in_body is in_body


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"no json", b"[" * 100_000, published(issuer="https://evil.example.com"), published(issuer=None),
        published(token_endpoint=None), published(authorization_endpoint=["x"]),
        published(token_endpoint="http://issuer.example.com/token"), published(authorization_endpoint="file:///x"),
        published(authorization_endpoint="https://user:pass@issuer.example.com/"),
    ],
)  # fmt: skip
def test_endpoints_that_cannot_be_trusted_are_refused(content: bytes) -> None:
    """Of another issuer, without TLS, or none."""
    with pytest.raises(ProviderUnavailableError):
        endpoints_of(content, ISSUER)


@pytest.mark.parametrize(
    ("answer", "token"),
    [({"id_token": "a.b.c"}, "a.b.c"), ({}, None), ({"id_token": 7}, None), ({"id_token": "a.b"}, None)],
)
def test_identity_token_is_taken_from_the_answer(answer: dict[str, Any], token: str | None) -> None:
    """Where there is one."""
    assert id_token_of(json.dumps(answer).encode()) == token


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"authorization_url": f"{ISSUER}/a"}, "token_url"),
        ({"authorization_url": "http://issuer.example.com/a", "token_url": f"{ISSUER}/t"}, "authorization_url"),
        ({"redirect_url": "javascript:alert(1)"}, "redirect_url"),
        ({"scope": "profile"}, "scope"),
    ],
)
def test_client_that_cannot_work_is_refused(wrong: dict[str, Any], field: str) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError) as caught:
        OidcClient(**{"client_id": "dashboard", **wrong})
    assert [violation.field for violation in caught.value.violations] == [field]
