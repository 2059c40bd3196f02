"""For whom tokens were made: shown to readers, sealed in the database, gone with the person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from scrollintel.models.access_tables import ApiTokenRow
from scrollintel.security.kinds import TOKENS
from scrollintel.service.use_cases import UseCases
from scrollintel.storage.transaction import Transaction

from .rig import bearer, serving

PERSON = "ann@example.org"
MADE_FOR = {
    "name": "laptop",
    "subject": PERSON,
    "bindings": [{"role": role, "services": ["*"]} for role in ("admin", "auditor")],
}


def stored(use_cases: UseCases) -> list[str | None]:
    """Return for whom the tokens are, as the database has it."""
    with use_cases.plane.database.reader() as connection:
        return list(connection.scalars(select(ApiTokenRow.subject)))


@pytest.mark.asyncio
async def test_name_of_a_token_s_owner_is_shown_and_stored_sealed(tmp_path: Path, database_url: str) -> None:
    """Readers and the audit log have the name, also after uses were stored, a restart and a rotation of keys."""
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        made = (await client.post("/tokens", json=MADE_FOR)).json()
        assert (made["subject"], made["subject_id"][:4]) == (PERSON, "sub_")
        await client.get("/services", headers=bearer(made["token"]))
        await use_cases.tokens.flush_uses()
        (kept,) = stored(use_cases)
        assert kept is not None and kept.startswith(f"{made['subject_id']}:sip1:") and "ann" not in kept
        assert (await client.post("/keys/rotate", json={"what": "data_keys"})).is_success
        await use_cases.key_rotation.go_on()
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        (shown,) = (await client.get("/tokens")).json()["items"]
        assert (shown["subject"], shown["subject_id"]) == (PERSON, made["subject_id"])
        assert shown["last_used_at"] is not None
        answer = await client.put(
            "/configuration/key", json={"value": 1}, headers={"If-None-Match": "*", **bearer(made["token"])}
        )
        assert answer.status_code == 200
        (record,) = (await client.get("/audit", params={"action": "configuration.set"})).json()["items"]
        assert record["personal"]["subject"] == PERSON


@pytest.mark.asyncio
async def test_name_that_a_former_version_left_in_the_clear_is_sealed_at_the_next_start(
    tmp_path: Path, database_url: str
) -> None:
    """The token works as before, for the same person; that of a person who was erased loses the name."""
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        made = [(await client.post("/tokens", json={**MADE_FOR, "subject": name})).json() for name in (PERSON, "bob")]
        erased = await client.post(f"/subjects/{made[1]['subject_id']}/erase", json={"reason": "asked"})
        assert erased.status_code == 200

        def write_in_the_clear(tx: Transaction) -> None:
            for token, name in zip(made, (PERSON, "bob"), strict=True):
                record = tx.get(TOKENS, token["id"])
                assert record is not None
                tx.put(TOKENS, replace(record, subject=name))

        await use_cases.plane.change(write_in_the_clear)
        assert sorted(map(str, stored(use_cases))) == [PERSON, "bob"]
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        await use_cases.plane.change(lambda tx: None)  # what was begun at the start has ended before
        assert sorted(str(name)[:36] for name in stored(use_cases)) == ["None", made[0]["subject_id"]]
        shown = {item["id"]: item for item in (await client.get("/tokens")).json()["items"]}
        assert shown[made[0]["id"]]["subject"] == PERSON
        assert (await client.get("/services", headers=bearer(made[0]["token"]))).status_code == 200


@pytest.mark.asyncio
async def test_erased_person_s_tokens_lose_the_name_and_none_is_made_again(tmp_path: Path, database_url: str) -> None:
    """The token is revoked and names nobody; another one for the same name is a conflict, as it is for roles."""
    async with serving(tmp_path, database_url=database_url) as (client, use_cases):
        made = (await client.post("/tokens", json=MADE_FOR)).json()
        path = f"/subjects/{made['subject_id']}/erase"
        assert (await client.post(path, json={"reason": "asked"})).status_code == 200
        (shown,) = (await client.get("/tokens")).json()["items"]
        assert (shown["subject"], shown["subject_id"], shown["state"]) == (None, None, "revoked")
        assert stored(use_cases) == [None]
        assert (await client.post("/tokens", json=MADE_FOR)).status_code == 409
