"""Secrets that are planted through the API of a real server are found nowhere: files, logs, errors, exports."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
import pytest

from tests.api.issuer import AUDIENCE, Issuer, issuing
from tests.api.rig import bearer
from tests.servers.program import Program

PROVIDER = "https://identity.example"
CREATE = {"If-None-Match": "*"}
MARK = "pl4nted"
WEBHOOK = f"https://hooks.example/services/{MARK}-webhook-7f1c"
CREDENTIAL = f"{MARK}-credential-\u00e9-22aa"
WRONG_TOKEN = f"sit_{MARK}wrongtoken0000000000000000000000000000"
PERSON = f"{MARK}.person@example.org"
ADDRESS = "203.0.113.77"
LABEL = "a-circuit-label"


class Planted(NamedTuple):
    """A server that has been told secrets, what they were, and the errors that it has answered."""

    server: Program
    secrets: dict[str, str]
    errors: list[httpx2.Response]
    export: str
    shown: list[httpx2.Response]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return an identity provider."""
    with issuing() as running:
        yield running


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Planted]:
    """Plant every kind of secret, make every kind of error, read all there is to read, and end the server hard."""
    folder = tmp_path_factory.mktemp("planted")
    keys = folder / "keys.json"
    keys.write_text(json.dumps({"keys": [issuer._public("one")]}))
    settings: dict[str, dict[str, Any]] = {
        "server": {"trusted_proxies": ["127.0.0.1"]},
        "access": {
            "enabled": True,
            "oidc_issuer": PROVIDER,
            "oidc_audience": AUDIENCE,
            "oidc_jwks_file": str(keys),
            "oidc_grants": {"sre": [{"role": "admin", "services": ["*"]}]},
        },
        "audit": {"checkpoint_records": 1, "checkpoint_interval": 1.0},
        "logging": {"level": "debug", "format": "json"},
    }
    with Program(folder / "server", settings) as server:
        story = Story(server, issuer)
        story.plant()
        story.fail()
        story.read()
        yield Planted(server, story.secrets, story.errors, story.export, story.shown)


class Story:
    """What somebody does with the server who has many secrets and makes many mistakes."""

    def __init__(self, server: Program, issuer: Issuer) -> None:
        self._server = server
        self._first = server.first_token
        (server.data / "first-admin-token").unlink()  # as its reader is told to
        self._client = httpx2.Client(base_url=server.api, headers=bearer(self._first))
        self._oidc = issuer.token(iss=PROVIDER, sub=PERSON, groups=["sre"])
        self.secrets = {
            "first token": self._first,
            "provider's token": self._oidc,
            "signature of the provider's token": self._oidc.rsplit(".", 1)[1],
            "wrong token": WRONG_TOKEN,
            "webhook": WEBHOOK,
            "credential": CREDENTIAL,
            "person": PERSON,
            "address": ADDRESS,
        }
        self.errors: list[httpx2.Response] = []
        self.shown: list[httpx2.Response] = []
        self.export = ""

    def plant(self) -> None:
        """Tell the server secrets, in every way that it takes them."""
        client = self._client
        for key, value in (("webhook", WEBHOOK), ("credential", {"password": CREDENTIAL})):
            body: dict[str, Any] = {"value": value, "secret": True, "description": "a secret"}
            client.put(f"/configuration/{key}", json=body, headers=CREATE).raise_for_status()
        body = {"value": [WEBHOOK, CREDENTIAL], "secret": True}
        client.put("/configuration/webhook", json=body, headers={"If-Match": '"1"'}).raise_for_status()
        client.put("/configuration/gone", json=body, headers=CREATE).raise_for_status()
        client.delete("/configuration/gone").raise_for_status()
        wanted = {"name": "robot", "subject": PERSON, "bindings": [{"role": "admin", "services": ["*"]}]}
        once = {"Idempotency-Key": "once"}
        made = client.post("/tokens", json=wanted, headers=once)
        self.secrets["token"] = token = made.json()["token"]
        assert client.post("/tokens", json=wanted, headers=once).json()["token"] == token
        revoked = client.post("/tokens", json=wanted).json()
        self.secrets["revoked token"] = revoked["token"]
        client.delete(f"/tokens/{revoked['id']}").raise_for_status()
        binding = {"kind": "person", "subject": PERSON, "role": "viewer", "services": ["*"]}
        client.post("/role-bindings", json=binding).raise_for_status()
        for author in (token, self._oidc):
            headers = {**bearer(author), "X-Forwarded-For": ADDRESS, **CREATE}
            answer = client.put(f"/configuration/by-{author[-4:]}", json={"value": 1}, headers=headers)
            assert answer.status_code == 200, answer.text
        breaker = {"configuration": {"name": LABEL}}
        client.post("/circuit-breakers", json=breaker, headers=bearer(self._oidc)).raise_for_status()

    def fail(self) -> None:
        """Make mistakes of every kind, with secrets in all places where they could be by mistake."""
        token = self.secrets["token"]
        anonymous = httpx2.Client(base_url=self._server.api, headers={"X-Forwarded-For": ADDRESS})
        secret = {"value": CREDENTIAL, "secret": True}
        attempts: list[tuple[int, httpx2.Response]] = [
            (401, anonymous.get("/configuration")),
            (401, anonymous.get("/configuration", headers=bearer(WRONG_TOKEN))),
            (401, anonymous.get("/configuration", headers=bearer(self.secrets["revoked token"]))),
            (401, anonymous.get("/configuration", headers=bearer(self._oidc[:-8] + "AAAAAAAA"))),
            (401, anonymous.get("/configuration", headers={"Authorization": f"Basic {CREDENTIAL!a}"})),
            (401, anonymous.get(f"/configuration?access_token={token}")),
        ]
        viewer = {"name": "viewer", "bindings": [{"role": "viewer", "services": ["orders"]}]}
        reader = self._client.post("/tokens", json=viewer).json()["token"]
        self.secrets["viewer's token"] = reader
        put = self._client.put
        attempts += [
            (403, put("/configuration/new", json=secret, headers={**bearer(reader), **CREATE})),
            (404, self._client.get("/configuration/nothing")),
            (404, self._client.get("/nothing", params={"token": token})),
            (405, self._client.patch("/configuration", json=secret)),
            (409, put("/configuration/webhook", json=secret, headers=CREATE)),
            (412, put("/configuration/webhook", json=secret, headers={"If-Match": '"7"'})),
            (428, put("/configuration/webhook", json=secret)),
            (
                415,
                put("/configuration/new", content=f'{{"value": "{WEBHOOK}"}}', headers={"content-type": "text/plain"}),
            ),
            (400, put("/configuration/new", content=f'{{"value": "{WEBHOOK}"', headers=_json())),
            (400, put("/configuration/new", content=f'{{"value":"{WEBHOOK}","value":1}}', headers=_json())),
            (400, put("/configuration/new", content=f'{{"value":{"[" * 30}"{WEBHOOK}"{"]" * 30}}}', headers=_json())),
            (413, put("/configuration/new", json={"value": WEBHOOK * 40_000}, headers=CREATE)),
            (422, put("/configuration/new", json={"value": WEBHOOK, "secret": WEBHOOK}, headers=CREATE)),
            (422, put("/configuration/new", json={**secret, WEBHOOK: CREDENTIAL}, headers=CREATE)),
            (422, put("/configuration/new", json={**secret, "value": [CREDENTIAL] * 9_000}, headers=CREATE)),
            (422, self._client.post("/tokens", json={**viewer, "expires_in": self._first})),
            (422, self._client.post("/tokens", json={**viewer, "bindings": [{"role": token, "services": [token]}]})),
            (422, self._client.post("/tokens", json=viewer, headers={"Idempotency-Key": "once"})),
            (422, self._client.post("/circuit-breakers", json={"configuration": {"name": "x", "fallback": 1}})),
            (422, self._client.get("/audit", params={"limit": token})),
            (400, self._client.get("/audit", params={"cursor": token})),
            (421, self._client.get("/configuration", headers={"Host": "elsewhere.example"})),
        ]
        for _ in range(70):
            anonymous.get("/configuration", headers=bearer(WRONG_TOKEN))
        attempts.append((429, anonymous.get("/configuration", headers=bearer(WRONG_TOKEN))))
        anonymous.close()
        self.errors = [answer for _, answer in attempts]
        wrong = [(status, got.status_code, got.text) for status, got in attempts if got.status_code != status]
        assert wrong == []

    def read(self) -> None:
        """Read everything that the server shows, and let it store what it keeps in the background."""
        client = self._client
        with self._server.client() as admin:
            self.export = admin.get("/audit/export").text
        for path in ("configuration", "configuration/webhook", "keys", "health", "health/summary", "roles"):
            self.shown.append(client.get(f"/{path}"))
        self.shown.append(client.get("/metrics/history", params={"circuit": LABEL}))
        self.shown.append(client.get("/retry-statistics"))
        self.shown.append(client.get("/audit/checkpoints"))
        self.shown.append(client.post("/audit/verify"))
        self.shown.append(client.get("http://" + self._server.url.partition("://")[2] + "/openapi.json"))
        with client.stream("GET", "/events", headers={"Last-Event-ID": "0-1"}, timeout=10.0) as stream:
            first = next(stream.iter_bytes())
            self.shown.append(httpx2.Response(stream.status_code, content=first, request=stream.request))
        client.close()


def _json() -> dict[str, str]:
    return {"content-type": "application/json", **CREATE}


def spellings(secret: str) -> set[bytes]:
    """Return a secret as it could be written: plain, as JSON, in a URL, in hexadecimal or base64."""
    plain = secret.encode()
    escaped = json.dumps(secret)[1:-1].encode()
    encoded = {base64.b64encode(plain[shift:])[:-4] for shift in range(3)}
    return {plain, escaped, quote(secret, safe="").encode(), plain.hex().encode(), *encoded}


def found_in(content: bytes, secrets: dict[str, str]) -> list[str]:
    """Return which secrets a text holds, in any spelling."""
    return [name for name, secret in secrets.items() if any(spelling in content for spelling in spellings(secret))]


def test_planted_secrets_are_found_by_the_search_itself() -> None:
    """The search finds each spelling, also in the middle of something, so that finding nothing means something."""
    for text in (WEBHOOK, CREDENTIAL, PERSON):
        for written in (text, json.dumps({"x": text}), quote(text, safe=""), text.encode().hex()):
            assert found_in(b"..." + written.encode() + b"...", {"it": text}) == ["it"]
        for shift in range(3):
            assert found_in(base64.b64encode(b"." * shift + text.encode()), {"it": text}) == ["it"]


def test_planted_secrets_are_in_no_error(planted: Planted) -> None:
    """No problem document repeats what it was sent in the wrong place."""
    wrong = {answer.request.url.path: found_in(answer.content, planted.secrets) for answer in planted.errors}
    assert not any(wrong.values()), wrong
    headers = [str(answer.headers).encode() for answer in planted.errors]
    assert not any(found_in(text, planted.secrets) for text in headers)


def test_planted_secrets_are_in_no_log(planted: Planted) -> None:
    """The log at its most talkative names no secret; that it talks shows in what it says of the errors."""
    assert planted.server.said
    assert found_in(planted.server.said.encode(), planted.secrets) == []


def test_planted_secrets_are_in_no_answer_that_shows_the_rest(planted: Planted) -> None:
    """Lists, metrics, health, checkpoints, the description and the event stream show none of them."""
    assert all(answer.status_code == 200 for answer in planted.shown), [a.status_code for a in planted.shown]
    wrong = {str(answer.request.url): found_in(answer.content, planted.secrets) for answer in planted.shown}
    assert not any(wrong.values()), wrong


def test_planted_secrets_are_not_in_the_export(planted: Planted) -> None:
    """An export holds keyed hashes of secrets, and persons sealed."""
    assert '"configuration.set"' in planted.export and "sealed" in planted.export
    assert found_in(planted.export.encode(), planted.secrets) == []


def test_planted_secrets_are_in_no_file_not_even_after_a_crash(planted: Planted) -> None:
    """Database, write-ahead log, checkpoints, keys: neither while the server runs, nor killed, nor after recovery."""
    data = planted.server.data

    def look() -> dict[str, list[str]]:
        files = [path for path in data.rglob("*") if path.is_file()]
        names = {path.name for path in files}
        assert {"control.db", "audit-checkpoints.jsonl"} <= names
        return {path.name: found for path in files if (found := found_in(path.read_bytes(), planted.secrets))}

    assert (data / "control.db-wal").stat().st_size > 0
    assert look() == {}
    planted.server.kill()
    assert look() == {}
    with Program(planted.server.data.parent, {"access": {"enabled": True}}) as again, again.client() as admin:
        assert admin.get("/configuration/webhook").json()["secret"] is True
        again.stop()
    assert look() == {}
