"""Tokens over the API: made, used, revoked, expired; what nobody may learn stays where it is."""

from __future__ import annotations

import io
import logging
import stat
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import inspect, text

from scrollintel.service.bootstrap import Bootstrap
from scrollintel.storage.engine import Database
from scrollintel.testing import ManualClock
from tests.api.rig import bearer, serving

ADMIN = [{"role": "admin", "services": ["*"]}]


@pytest.mark.asyncio
async def test_token_revoked_is_refused_at_once(api: httpx2.AsyncClient) -> None:
    """The request after the revocation is answered with 401."""
    made = (await api.post("/tokens", json={"name": "ci", "bindings": ADMIN})).json()
    assert (await api.get("/roles", headers=bearer(made["token"]))).status_code == 200
    assert (await api.delete(f"/tokens/{made['id']}")).status_code == 204
    assert (await api.get("/roles", headers=bearer(made["token"]))).status_code == 401


@pytest.mark.asyncio
async def test_token_past_its_end_is_refused(tmp_path: Path, database_url: str) -> None:
    """A token ends by itself at the second it was made for."""
    clock = ManualClock()
    async with serving(tmp_path, database_url=database_url, clock=clock) as served:
        body = {"name": "short", "bindings": ADMIN, "expires_in": 60}
        token = (await served.client.post("/tokens", json=body)).json()["token"]
        assert (await served.client.get("/roles", headers=bearer(token))).status_code == 200
        clock.advance(61)
        assert (await served.client.get("/roles", headers=bearer(token))).status_code == 401


@pytest.mark.asyncio
async def test_list_tokens_shows_neither_text_nor_digest(api: httpx2.AsyncClient) -> None:
    """Whoever reads the list can use nothing of it."""
    made = (await api.post("/tokens", json={"name": "ci", "bindings": ADMIN})).json()
    listed = (await api.get("/tokens")).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "token" not in listed[0] and "digest" not in listed[0]


@pytest.mark.asyncio
async def test_create_token_beyond_what_the_caller_holds_is_refused(api: httpx2.AsyncClient) -> None:
    """An operator of one service has no permission to make tokens, and a longer life than 366 days is refused."""
    bindings = [{"role": "operator", "services": ["orders"]}]
    token = (await api.post("/tokens", json={"name": "op", "bindings": bindings})).json()["token"]
    refused = await api.post("/tokens", json={"name": "x", "bindings": ADMIN}, headers=bearer(token))
    assert refused.status_code == 403
    long = await api.post("/tokens", json={"name": "x", "bindings": ADMIN, "expires_in": 367 * 86400})
    assert long.status_code == 422


@pytest.mark.asyncio
async def test_first_start_with_access_enforced_leaves_the_token_in_a_private_file(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log names the file, never the token; the last admin's token cannot be revoked; a restart makes no other."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "first-admin-token"
    async with serving(tmp_path, database_url=database_url, enforced=True) as served:
        token = file.read_text().strip()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert str(file) in caplog.text and token not in caplog.text
        listed = (await served.client.get("/tokens", headers=bearer(token))).json()["items"]
        refused = await served.client.delete(f"/tokens/{listed[0]['id']}", headers=bearer(token))
        assert refused.status_code == 409
    file.unlink()
    async with serving(tmp_path, database_url=database_url, enforced=True) as served:
        assert not file.exists()
        assert len((await served.client.get("/tokens", headers=bearer(token))).json()["items"]) == 1


@pytest.mark.parametrize("role", ["viewer", "admin"])
@pytest.mark.asyncio
async def test_first_token_is_made_though_others_who_are_no_administrators_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    """A viewer's token, or an administrator's of one service, made while access was off locks nobody out."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    file = tmp_path / "first-admin-token"
    async with serving(tmp_path) as served:
        bindings = [{"role": role, "services": ["orders"]}]
        assert (await served.client.post("/tokens", json={"name": "early", "bindings": bindings})).status_code == 201
        assert not file.exists()
    async with serving(tmp_path, enforced=True) as served:
        admin = bearer(file.read_text().strip())
        assert (await served.client.post("/tokens", json={"name": "x", "bindings": ADMIN}, headers=admin)).is_success


@pytest.mark.asyncio
async def test_first_token_is_made_again_once_no_administrator_has_a_valid_one(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the only administrator's token, however it comes, is not the end of administration."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    clock, file = ManualClock(), tmp_path / "first-admin-token"
    async with serving(tmp_path, database_url=database_url, enforced=True, clock=clock) as served:
        first = file.read_text()
        file.unlink()
        clock.advance(89 * 86_400.0)
        assert not await Bootstrap(served.use_cases.plane, file).first_token()
        clock.advance(2 * 86_400.0)
        assert await Bootstrap(served.use_cases.plane, file).first_token()
        assert file.read_text() != first
        assert (await served.client.get("/tokens", headers=bearer(file.read_text().strip()))).status_code == 200


@pytest.mark.parametrize(("role", "services", "made"), [("admin", ["*"], False), ("admin", ["orders"], True),
                                                        ("viewer", ["*"], True)])  # fmt: skip
@pytest.mark.asyncio
async def test_first_token_is_not_made_where_a_person_is_bound_as_administrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, services: list[str], made: bool
) -> None:
    """Whoever the identity provider lets in as an administrator of everything needs no token; others do."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    async with serving(tmp_path) as served:
        bound = {"kind": "group", "subject": "platform", "role": role, "services": services}
        answer = await served.client.post("/role-bindings", json=bound)
        assert answer.status_code == 201, answer.text
        plane = served.use_cases.plane
        # Without a provider nobody can log in, whatever is bound.
        with_provider, without = (Bootstrap(plane, tmp_path / "token", people=people) for people in (True, False))
        assert await with_provider.first_token() is made
        assert await without.first_token() is (not made)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.asyncio
async def test_first_token_with_a_terminal_is_shown_there_and_in_no_file(tmp_path: Path) -> None:
    """Where somebody looks on, the token is on the terminal alone."""
    terminal = _Terminal()
    async with serving(tmp_path) as served:
        bootstrap = Bootstrap(served.use_cases.plane, tmp_path / "token", terminal=terminal)
        assert await bootstrap.first_token()
        token = next(word for word in terminal.getvalue().split() if word.startswith("sit_"))
        assert (await served.client.get("/roles", headers=bearer(token))).status_code == 200
        assert not (tmp_path / "token").exists()


def _every_row(database: Database) -> str:
    """Return all that the tables hold."""
    with database.reader() as connection:
        tables = inspect(connection).get_table_names()
        return "".join(repr(connection.execute(text(f'SELECT * FROM "{name}"')).all()) for name in tables)


@pytest.mark.asyncio
async def test_planted_secrets_are_in_no_file_log_export_or_answer(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A token's text and a secret value leave the request that carries them in no readable form."""
    caplog.set_level(logging.DEBUG)
    marker = "planted-marker-4711"
    async with serving(tmp_path, database_url=database_url) as served:
        client = served.client
        key = {"Idempotency-Key": "once"}
        token = (await client.post("/tokens", json={"name": "ci", "bindings": ADMIN}, headers=key)).json()["token"]
        body = {"value": marker, "secret": True}
        answers = [(await client.put("/configuration/hook", json=body, headers={"If-None-Match": "*"})).text]
        for path in ("/configuration", "/configuration/hook", "/audit", "/audit/export", "/tokens", "/keys"):
            answers.append((await client.get(path)).text)
        stored = _every_row(served.use_cases.plane.database)
        assert "hook" in stored
        files = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    files += b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (token, marker):
        assert secret.encode() not in files
        assert secret not in stored
        assert secret not in caplog.text
        assert all(secret not in answer for answer in answers)


@pytest.mark.asyncio
async def test_guessing_is_slowed_down_and_hinders_nobody_else(tmp_path: Path) -> None:
    """After some bad tokens an address is told when to come back; good tokens pass, and a minute later all is new."""
    clock = ManualClock()
    async with serving(tmp_path, enforced=True, clock=clock, bad_tokens_per_minute=3) as served:
        good = bearer((tmp_path / "first-admin-token").read_text().strip())
        bad = bearer("sit_" + "0" * 49)

        async def guess() -> httpx2.Response:
            return await served.client.get("/services", headers=bad)

        assert [(await guess()).status_code for _ in range(3)] == [401] * 3
        clock.advance(20)
        slowed = await guess()
        assert (slowed.status_code, slowed.json()["code"], slowed.headers["Retry-After"]) == (429, "rate_limited", "40")
        assert (await served.client.get("/services", headers=good)).status_code == 200
        clock.advance(40)
        assert (await guess()).status_code == 401
