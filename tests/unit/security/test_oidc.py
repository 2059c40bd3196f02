"""Tokens of an identity provider, with real keys and a real key server on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from scrollintel.core.errors import ConfigError
from scrollintel.security.access import Binding, IdentityKind, Permission, Role
from scrollintel.security.errors import KeySetUnavailableError, TokenRefusedError, UnknownSigningKeyError
from scrollintel.security.oidc import ALGORITHMS, OidcConfig, OidcVerifier, looks_like_jwt
from scrollintel.testing import ManualClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER = "https://id.example.com/realm"
SUBJECT_KEY = bytes(range(32))
GRANTS = {
    "sre": (Binding(Role.OPERATOR, ("orders",)), Binding(Role.VIEWER, ("*",))),
    "audit": (Binding(Role.AUDITOR, ("*",)),),
}
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
RSA_NEXT = RSAKey.generate_key(2048, {"kid": "rsa-2", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
FOREIGN = RSAKey.generate_key(2048, {"kid": "rsa-1"})


def public(*keys: Key) -> dict[str, Any]:
    """Return the key set that a provider publishes."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims(**changes: Any) -> dict[str, Any]:
    """Return acceptable claims with some changed; None removes one."""
    base = {
        "iss": ISSUER,
        "aud": "scrollintel",
        "sub": "ada@example.com",
        "iat": SECONDS - 10,
        "nbf": SECONDS - 10,
        "exp": SECONDS + 600,
        "groups": ["sre", "staff"],
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def signed(
    key: Key = RSA,
    *,
    algorithm: str = "RS256",
    header: Mapping[str, Any] | None = None,
    payload: Any = None,
    **changes: Any,
) -> str:
    """Return a token signed with `key`; the header names its id unless told otherwise."""
    registry = jws.JWSRegistry(algorithms=list(jws.JWSRegistry.algorithms), strict_check_header=False)
    registry.max_header_length = 8192
    whole = {"alg": algorithm, "kid": key.kid, **(header or {})}
    whole = {name: value for name, value in whole.items() if value is not None}
    body = json.dumps(claims(**changes) if payload is None else payload)
    with warnings.catch_warnings(category=SecurityWarning, action="ignore"):  # signing with "EdDSA" warns
        return jws.serialize_compact(whole, body, key, registry=registry)


def part(value: Any) -> str:
    """Return a JSON value as one part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class KeyServer:
    """A real HTTP server that publishes a key set; `answer` may be replaced at any time."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer = json.dumps(public(RSA)).encode()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys?realm=1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def publish(self, *keys: Key) -> None:
        """Replace the key set."""
        self.answer = json.dumps(public(*keys)).encode()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """Return a running key server."""
    server = KeyServer()
    yield server
    server.close()


def from_file(tmp_path: Path, key_set: object, **options: Any) -> OidcVerifier:
    """Return a verifier that has read a key set from a file."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(key_set))
    options = {"grants": GRANTS, "algorithms": ("RS256", "ES256", "EdDSA"), **options}
    config = OidcConfig(issuer=ISSUER, audience="scrollintel", key_set_file=file, **options)
    verifier = OidcVerifier(config, subject_key=SUBJECT_KEY)
    verifier.refresh()
    return verifier


@pytest.fixture
def verifier(tmp_path: Path) -> OidcVerifier:
    """Return a verifier that knows three keys of three kinds."""
    return from_file(tmp_path, public(RSA, EC, ED))


def refusal(verifier: OidcVerifier, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(TokenRefusedError) as caught:
        verifier.verify(token, NOW)
    assert str(caught.value) == "the token is not accepted" or isinstance(caught.value, UnknownSigningKeyError)
    assert caught.value.details == {}
    return caught.value.reason


@pytest.mark.parametrize("key, algorithm", [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_verify_good_token_grants_what_its_groups_grant(verifier: OidcVerifier, key: Key, algorithm: str) -> None:
    """A token of each kind of key stands for its person, with the bindings of the known groups."""
    identity = verifier.verify(signed(key, algorithm=algorithm), NOW)
    assert identity.kind is IdentityKind.OIDC
    assert identity.subject == "ada@example.com"
    assert identity.allows(Permission.CIRCUITS_OPERATE, "orders")
    assert identity.allows(Permission.CIRCUITS_READ, "billing")
    assert not identity.allows(Permission.CIRCUITS_OPERATE, "billing")
    assert identity.expires_at == NOW + timedelta(seconds=660)


def test_verify_identity_id_is_stable_and_shows_no_person(verifier: OidcVerifier) -> None:
    """The id in audit records is the same for each login and says nothing about who it is."""
    one, two = verifier.verify(signed(), NOW), verifier.verify(signed(EC, algorithm="ES256"), NOW)
    assert one.id == two.id
    assert one.id.startswith("oidc_") and len(one.id) == 37
    assert verifier.verify(signed(sub="bob@example.com"), NOW).id != one.id


@pytest.mark.parametrize("groups", [None, [], ["staff"], [1, None, {}], {"sre": True}, 7, ["sre"] * 1001])
def test_verify_without_a_known_group_grants_nothing(verifier: OidcVerifier, groups: object) -> None:
    """A known person without a grant may do nothing; odd shapes of the claim are no grant either."""
    identity = verifier.verify(signed(groups=groups), NOW)
    assert not any(identity.may(permission) for permission in Permission)


def test_verify_claims_by_configured_names(tmp_path: Path) -> None:
    """Other providers call subject and groups differently, and may send one group as a text."""
    verifier = from_file(tmp_path, public(RSA), subject_claim="upn", groups_claim="roles")
    identity = verifier.verify(signed(upn="u1", roles="audit"), NOW)
    assert identity.subject == "u1"
    assert identity.may(Permission.AUDIT_EXPORT) and not identity.may(Permission.CIRCUITS_OPERATE)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"iss": "https://id.example.com"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"iss": [ISSUER]}, "wrong_issuer"),
        ({"aud": "other"}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": ["other"]}, "wrong_audience"),
        ({"aud": {"scrollintel": 1}}, "wrong_audience"),
        ({"exp": SECONDS - 60}, "expired"),
        ({"exp": None}, "without_exp"),
        ({"exp": True}, "bad_exp"),
        ({"exp": str(SECONDS + 60)}, "bad_exp"),
        ({"exp": float("nan")}, "bad_exp"),
        ({"exp": float("inf")}, "bad_exp"),
        ({"exp": 10**400}, "bad_exp"),
        ({"nbf": SECONDS + 61}, "not_yet_valid"),
        ({"nbf": "soon"}, "bad_nbf"),
        ({"iat": SECONDS + 61}, "not_yet_valid"),
        ({"iat": None}, "without_iat"),
        ({"sub": None}, "bad_subject"),
        ({"sub": ""}, "bad_subject"),
        ({"sub": 7}, "bad_subject"),
        ({"sub": "a\nb"}, "bad_subject"),
    ],
)
def test_verify_wrong_claims_are_refused(verifier: OidcVerifier, changes: dict[str, Any], reason: str) -> None:
    """Issuer, audience, times and subject are all checked, in value and in type."""
    assert refusal(verifier, signed(**changes)) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": SECONDS - 59},
        {"nbf": SECONDS + 60, "iat": SECONDS + 60},
        {"nbf": None},
        {"aud": ["other", "scrollintel"]},
        {"exp": SECONDS + 60.5},
    ],
)
def test_verify_claims_at_their_limits_are_accepted(verifier: OidcVerifier, changes: dict[str, Any]) -> None:
    """Clocks may differ by a minute, `nbf` may be missing, and the audience may be one of several."""
    assert verifier.verify(signed(**changes), NOW).subject == "ada@example.com"


def test_verify_public_key_used_as_a_shared_secret_is_refused(verifier: OidcVerifier) -> None:
    """A token signed by HMAC with the published key, in each form that it is published in, gets nowhere."""
    for secret in (
        RSA.as_pem(private=False),
        RSA.as_der(private=False),
        json.dumps(RSA.as_dict(private=False)).encode(),
    ):
        start = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{part(claims())}"
        signature = hmac.new(secret, start.encode(), hashlib.sha256).digest()
        token = f"{start}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert refusal(verifier, token) == "wrong_algorithm"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "HS256", "RS384", "", "RS256 "])
def test_verify_algorithm_that_is_not_configured_is_refused(verifier: OidcVerifier, name: str) -> None:
    """Only the configured names count, to the letter; an unsigned token is none of them."""
    for signature in ("", "AAAA"):
        token = f"{part({'alg': name, 'kid': 'rsa-1'})}.{part(claims())}.{signature}"
        assert refusal(verifier, token) in ("wrong_algorithm", "malformed")


def test_verify_algorithm_of_another_kind_of_key_is_refused(verifier: OidcVerifier) -> None:
    """A key verifies only with algorithms of its own kind, even when both are configured."""
    assert refusal(verifier, signed(EC, algorithm="ES256", header={"kid": "rsa-1"})) == "unknown_key"


def test_verify_foreign_signature_under_a_known_key_id_is_refused(verifier: OidcVerifier) -> None:
    """Knowing the id of a key does not help."""
    assert refusal(verifier, signed(FOREIGN)) == "bad_signature"


def test_verify_key_that_the_token_brings_along_is_ignored(verifier: OidcVerifier, server: KeyServer) -> None:
    """An embedded key or the address of one does not verify anything, and no address is fetched."""
    server.publish(FOREIGN)
    recommended = {"jwk": FOREIGN.as_dict(private=False), "jku": server.url, "x5u": server.url, "x5c": ["AAAA"]}
    assert refusal(verifier, signed(FOREIGN, header=recommended)) == "bad_signature"
    assert refusal(verifier, signed(FOREIGN, header={**recommended, "kid": "mine"})) == "unknown_key"
    assert verifier.verify(signed(RSA, header=recommended), NOW).subject == "ada@example.com"
    assert server.requests == []


@pytest.mark.parametrize("header", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}])
def test_verify_critical_extension_is_refused(verifier: OidcVerifier, header: dict[str, Any]) -> None:
    """A token that demands an extension is not accepted without it."""
    token = f"{part({'alg': 'RS256', 'kid': 'rsa-1', **header})}.{part(claims())}.AAAA"
    assert refusal(verifier, token) == "critical_extension"


@pytest.mark.parametrize("noise", ["\n\n\n\n", "!!!!", "===="])
def test_verify_characters_that_some_decoders_skip_are_refused(verifier: OidcVerifier, noise: str) -> None:
    """Two readers of one token never see two different headers."""
    token = signed()
    assert refusal(verifier, token[:10] + noise + token[10:]) == "malformed"


def test_verify_header_with_unknown_fields_is_accepted(verifier: OidcVerifier) -> None:
    """What is not understood and not critical is ignored, as RFC 7515 says."""
    assert verifier.verify(signed(header={"nonce": "x", "typ": "at+jwt"}), NOW).kind is IdentityKind.OIDC


def test_verify_token_without_key_id_needs_a_single_fitting_key(tmp_path: Path, verifier: OidcVerifier) -> None:
    """Without an id there must be no choice; with two keys of the kind the token is refused."""
    assert verifier.verify(signed(header={"kid": None}), NOW).subject == "ada@example.com"
    two = from_file(tmp_path, public(RSA, RSA_NEXT))
    assert refusal(two, signed(header={"kid": None})) == "unknown_key"


@given(st.data())
def test_verify_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    """No part of a token can be altered, not even in its unused bits or to another payload."""
    verifier, token = SHARED
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09-_.=+ ").filter(lambda character: character != token[at]))
    with pytest.raises(TokenRefusedError):
        verifier.verify(token[:at] + other + token[at + 1 :], NOW)


@given(st.one_of(st.text(max_size=60), st.builds("eyJ{}.{}.{}".format, *[st.text("AZaz09-_", max_size=30)] * 3)))
def test_verify_any_text_is_refused_without_another_error(text: str) -> None:
    """Whatever a header holds is refused in the one way that the API translates."""
    with pytest.raises(TokenRefusedError):
        SHARED[0].verify(text, NOW)
    looks_like_jwt(text)


@pytest.mark.parametrize("payload", [[], "text", 7, {"deep": "x" * 20_000}])
def test_verify_payload_that_is_no_small_object_is_refused(verifier: OidcVerifier, payload: object) -> None:
    """A correctly signed payload of another shape or size is refused as malformed."""
    assert refusal(verifier, signed(payload=payload)) == "malformed"


def test_verify_key_id_of_another_type_is_refused(verifier: OidcVerifier) -> None:
    """A list as key id is refused before anything is looked up."""
    assert refusal(verifier, f"{part({'alg': 'RS256', 'kid': ['rsa-1']})}.{part(claims())}.AAAA") == "malformed"
    nested = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 9000).rstrip(b"=").decode()
    assert refusal(verifier, f"{nested}.AAAA.AAAA") == "malformed"


def test_keys_that_may_not_verify_are_left_out(tmp_path: Path) -> None:
    """Encryption keys, shared secrets, weak and damaged keys in the set are not used and do not spoil the others."""
    good = RSA.as_dict(private=False)
    bad: list[dict[str, Any]] = [
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": "ops", "key_ops": ["encrypt"]},
        {**good, "kid": "ops-type", "key_ops": "verify"},
        {**good, "kid": "alg", "alg": "RS512"},
        {**good, "kid": "alg-type", "alg": ["RS256"]},
        {**good, "kid": 7},
        {**good, "kid": "broken", "n": "!"},
        {**good, "kid": "typed", "n": 5},
        {**good, "kid": "short", "n": "AQAB" * 40 + "AQ"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "AKP", "kid": "future"},
        {"kty": ["RSA"], "kid": "kind"},
        OctKey.import_key(b"x" * 32, {"kid": "shared"}).as_dict(private=True),
    ]
    verifier = from_file(tmp_path, {"keys": [*bad, good]})
    assert verifier.verify(signed(), NOW).subject == "ada@example.com"
    for key in bad:
        assert refusal(verifier, signed(header={"kid": str(key.get("kid"))})) == "unknown_key"


def test_keys_published_with_private_parts_are_used_as_public(tmp_path: Path) -> None:
    """A private key in a file by mistake does no harm here."""
    verifier = from_file(tmp_path, {"keys": [RSA.as_dict(private=True)]})
    assert verifier.verify(signed(), NOW).subject == "ada@example.com"


def online(server: KeyServer, clock: ManualClock) -> OidcVerifier:
    """Return a verifier that asks the key server."""
    config = OidcConfig(issuer=ISSUER, audience="scrollintel", key_set_url=server.url, grants=GRANTS)
    return OidcVerifier(config, subject_key=SUBJECT_KEY, monotonic=clock.monotonic)


def test_refresh_fetches_at_the_start_and_every_five_minutes(server: KeyServer, clock: ManualClock) -> None:
    """Verifying alone never fetches; a refresh does when it is due and not otherwise."""
    verifier = online(server, clock)
    assert refusal(verifier, signed()) == "unknown_key"
    assert server.requests == []
    assert verifier.refresh()
    assert not verifier.refresh()
    clock.advance(299)
    assert not verifier.is_refresh_due()
    clock.advance(1)
    assert verifier.is_refresh_due()
    assert verifier.refresh()
    assert server.requests == ["/keys?realm=1"] * 2


def test_rotation_at_the_provider_is_followed_without_a_gap(server: KeyServer, clock: ManualClock) -> None:
    """Two keys are valid at once; a token under a new key brings the new set; the withdrawn key ends."""
    verifier = online(server, clock)
    assert verifier.authenticate(signed(), NOW).subject == "ada@example.com"
    server.publish(RSA, RSA_NEXT)
    with pytest.raises(UnknownSigningKeyError):
        verifier.authenticate(signed(RSA_NEXT), NOW)  # the last fetch was just now
    clock.advance(30)
    assert verifier.authenticate(signed(RSA_NEXT), NOW).subject == "ada@example.com"
    assert verifier.authenticate(signed(RSA), NOW).subject == "ada@example.com"
    server.publish(RSA_NEXT)
    clock.advance(300)
    verifier.refresh()
    assert verifier.authenticate(signed(RSA_NEXT), NOW).subject == "ada@example.com"
    with pytest.raises(UnknownSigningKeyError):
        verifier.authenticate(signed(RSA), NOW)


def test_unknown_keys_cause_one_fetch_in_thirty_seconds(server: KeyServer, clock: ManualClock) -> None:
    """A flood of forged key ids does not become a flood of requests to the provider."""
    verifier = online(server, clock)
    verifier.refresh()
    for _ in range(60):
        clock.advance(1)
        with pytest.raises(UnknownSigningKeyError):
            verifier.authenticate(signed(header={"kid": os.urandom(4).hex()}), NOW)
    assert len(server.requests) == 1 + 2


def test_fetch_that_fails_keeps_the_former_keys(server: KeyServer, clock: ManualClock) -> None:
    """While the provider is away, known keys go on, and it is asked again after half a minute, not at once."""
    verifier = online(server, clock)
    verifier.refresh()
    server.status = 503
    clock.advance(300)
    with pytest.raises(KeySetUnavailableError, match="status 503"):
        verifier.refresh()
    assert verifier.authenticate(signed(), NOW).subject == "ada@example.com"
    assert not verifier.is_refresh_due()
    clock.advance(30)
    server.status = 200
    assert verifier.refresh()


def test_fetch_does_not_follow_redirects(server: KeyServer, clock: ManualClock) -> None:
    """A provider cannot send the server to another address."""
    server.status, server.headers = 302, {"Location": server.url.replace("keys", "elsewhere")}
    with pytest.raises(KeySetUnavailableError, match="status 302"):
        online(server, clock).refresh()
    assert server.requests == ["/keys?realm=1"]


@pytest.mark.parametrize(
    "answer, problem",
    [
        (b"x" * (256 * 1024 + 1), "more than 262144 bytes"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "list"),
        (b'{"keys": {}}', "list"),
        (b'{"keys": [1]}', "list"),
        (b'{"keys": []}', "no key"),
        (json.dumps({"keys": [{}] * 101}).encode(), "more than 100 keys"),
    ],
)
def test_fetch_of_something_else_is_refused(
    server: KeyServer, clock: ManualClock, tmp_path: Path, answer: bytes, problem: str
) -> None:
    """Floods and other documents are refused alike from a server and from a file."""
    server.answer = answer
    with pytest.raises(KeySetUnavailableError, match=problem):
        online(server, clock).refresh()
    file = tmp_path / "keys.json"
    file.write_bytes(answer)
    config = OidcConfig(issuer=ISSUER, audience="scrollintel", key_set_file=file)
    with pytest.raises(KeySetUnavailableError, match=problem):
        OidcVerifier(config, subject_key=SUBJECT_KEY).refresh()


def test_fetch_from_nowhere_is_an_error_of_ours(clock: ManualClock, tmp_path: Path) -> None:
    """A refused connection, a server without TLS and a missing file are reported in the same way."""
    server = KeyServer()
    plain = server.url.replace("http:", "https:")
    with pytest.raises(KeySetUnavailableError, match="SSL"):
        OidcVerifier(OidcConfig(issuer=ISSUER, audience="a", key_set_url=plain), subject_key=SUBJECT_KEY).refresh()
    server.close()
    with pytest.raises(KeySetUnavailableError, match="request failed"):
        online(server, clock).refresh()
    config = OidcConfig(issuer=ISSUER, audience="a", key_set_file=tmp_path / "none")
    with pytest.raises(KeySetUnavailableError, match="cannot be read"):
        OidcVerifier(config, subject_key=SUBJECT_KEY).refresh()


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/keys",
        "http://169.254.169.254/keys",
        "http://localhost.example.com/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "https://user:hunter2@id.example.com/",
        "https:///keys",
        "https://id.example.com/a b",
        "https://id.example.com/\r\nX: y",
        "https://id.example.com:x/",
        "https://id.example.com/#f",
        "https://[::1",
        "",
    ],
)
def test_config_refuses_an_unsafe_key_set_url(url: str) -> None:
    """Only https, or http to this machine; the URL is not repeated, because it may hold a password."""
    with pytest.raises(ConfigError) as caught:
        OidcConfig(issuer=ISSUER, audience="a", key_set_url=url)
    assert [violation.field for violation in caught.value.violations] == ["key_set_url"]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("algorithms", [(), "RS256", ("none",), ("HS256",), ("RS256", "HS512")])
def test_config_refuses_algorithms_that_are_not_public_key_signatures(algorithms: Any) -> None:
    """Neither unsigned nor shared-secret tokens can be allowed by configuration."""
    with pytest.raises(ConfigError, match="algorithms"):
        OidcConfig(issuer=ISSUER, audience="a", key_set_file="x", algorithms=algorithms)
    assert not any(name == "none" or name.startswith("HS") for name in ALGORITHMS)


def test_config_reports_every_mistake_at_once() -> None:
    """Blank names and both sources of keys are listed together."""
    with pytest.raises(ConfigError) as caught:
        OidcConfig(issuer="", audience=" ", key_set_url="https://a/", key_set_file="x", algorithms=("none",))
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["issuer", "audience", "key_set_url", "algorithms"]


def test_verifier_with_a_short_subject_key_is_refused_at_the_start() -> None:
    """The mistake shows when the server starts and not at the first login."""
    with pytest.raises(ValueError, match="32 bytes"):
        OidcVerifier(OidcConfig(issuer=ISSUER, audience="a", key_set_file="x"), subject_key=b"short")


def test_import_of_the_module_does_not_load_joserfc() -> None:
    """A server without an identity provider does not need the library."""
    code = "import sys, scrollintel.security.oidc; sys.exit('joserfc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _shared() -> tuple[OidcVerifier, str]:
    class Fixed:
        name = "fixed"

        def read(self) -> list[dict[str, Any]]:
            return public(RSA)["keys"]  # type: ignore[no-any-return]

    config = OidcConfig(issuer=ISSUER, audience="scrollintel", key_set_file="unused", grants=GRANTS)
    verifier = OidcVerifier(config, subject_key=SUBJECT_KEY)
    verifier._keys._source = Fixed()
    verifier.refresh()
    return verifier, signed()


SHARED = _shared()
