"""The audit log over the API: searched, exported, verified, and how persons are erased from it."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from scrollintel.security.audit_verify import verify_export
from scrollintel.security.checkpoints import CheckpointFile
from tests.api.rig import bearer, serving

PERSON = {
    "name": "ann",
    "subject": "ann@example.org",
    "bindings": [{"role": "admin", "services": ["*"]}, {"role": "auditor", "services": ["*"]}],
}


async def _set(client: httpx2.AsyncClient, key: str, headers: dict[str, str] | None = None) -> None:
    given = {"If-None-Match": "*", **(headers or {})}
    answer = await client.put(f"/configuration/{key}", json={"value": 1}, headers=given)
    assert answer.status_code == 200, answer.text


@pytest.mark.asyncio
async def test_search_by_page_returns_each_record_once_newest_first(api: httpx2.AsyncClient) -> None:
    """Pages follow each other without gap or repetition, and filters hold on each."""
    for number in range(5):
        await _set(api, f"key-{number}")
    targets: list[str] = []
    query: dict[str, str | int] = {"action": "configuration.set", "limit": 2}
    while True:
        page = (await api.get("/audit", params=query)).json()
        targets += [item["target"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert targets == [f"key-{number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.asyncio
async def test_reading_the_log_is_recorded_once_a_minute(api: httpx2.AsyncClient) -> None:
    """Several reads of one identity within a minute make one record."""
    for _ in range(2):
        await api.get("/audit")
    found = (await api.get("/audit", params={"action": "audit.read"})).json()["items"]
    assert 1 <= len(found) <= 2  # a minute may end in between


@pytest.mark.asyncio
async def test_export_verifies_offline_and_holds_its_own_record(api: httpx2.AsyncClient) -> None:
    """An auditor needs nothing but the file; a part of the log verifies too."""
    await _set(api, "one")
    lines = (await api.get("/audit/export")).text.splitlines()
    assert verify_export(lines).ok and "audit.export" in lines[-1]
    second = (await api.get("/audit/2")).json()["at"]
    part = (await api.get("/audit/export", params={"from": second})).text.splitlines()
    assert len(part) > 1 and verify_export(part, complete=False).ok


@pytest.mark.asyncio
async def test_stop_signs_a_checkpoint_that_shows_a_truncated_log(tmp_path: Path) -> None:
    """A database without the records that a checkpoint outside vouches for is noticed at the next start."""
    kept = tmp_path / "outside.jsonl"
    async with serving(tmp_path / "a", checkpoint_file=kept) as served:
        await _set(served.client, "one")
    assert CheckpointFile(kept).read()[-1].checkpoint.size == 1
    async with serving(tmp_path / "a", checkpoint_file=kept) as served:
        assert served.use_cases.checkpoints.broken is None
        assert (await served.client.post("/audit/verify")).json()["ok"]
    async with serving(tmp_path / "b", checkpoint_file=kept) as served:
        assert "of the log" in (served.use_cases.checkpoints.broken or "")
        assert not (await served.client.post("/audit/verify")).json()["ok"]


@pytest.mark.asyncio
async def test_checkpoint_file_that_cannot_be_written_hurts_nobody(tmp_path: Path) -> None:
    """The error is told, and changes go on."""
    (tmp_path / "file").write_text("")
    async with serving(tmp_path / "a", checkpoint_file=tmp_path / "file" / "audit.jsonl") as served:
        await _set(served.client, "one")
        await served.use_cases.checkpoints.sign()
        assert served.use_cases.checkpoints.last_error is not None
        await _set(served.client, "two")


@pytest.mark.asyncio
async def test_erase_a_person_leaves_a_chain_that_verifies_and_no_name(tmp_path: Path) -> None:
    """Before, readers see who it was; afterwards "erased"; the name is in no file of the database."""
    async with serving(tmp_path) as served:
        client = served.client
        made = (await client.post("/tokens", json=PERSON)).json()
        await _set(client, "one", bearer(made["token"]))
        query = {"action": "configuration.set"}
        shown = (await client.get("/audit", params=query)).json()["items"][0]["personal"]
        assert (shown["subject"], shown["address"]) == ("ann@example.org", "127.0.0.1")
        erased = await client.post(f"/subjects/{made['subject_id']}/erase", json={"reason": "asked for it"})
        assert erased.status_code == 200
        shown = (await client.get("/audit", params=query)).json()["items"][0]["personal"]
        assert (shown["state"], shown["subject"]) == ("erased", None)
        assert (await client.post("/audit/verify")).json()["ok"]
        assert (await client.get("/roles", headers=bearer(made["token"]))).status_code == 401
        assert "ann@example.org" not in (await client.get("/tokens")).text + (await client.get("/audit/export")).text
