"""The audit log over the API: searched, exported, verified, and how persons are erased from it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from scrollintel.composition import file_keys
from scrollintel.security.audit_verify import verify_export
from scrollintel.security.checkpoints import CheckpointFile, SignedCheckpoint, sign_checkpoint
from scrollintel.security.signing_keys import SigningKey, VerifyingKey
from scrollintel.service.checkpoints import store_checkpoint
from scrollintel.service.housekeeping import Housekeeping
from scrollintel.service.plane import ControlPlane
from scrollintel.service.use_cases import CHECKPOINT_FILE as FILE
from scrollintel.storage.writer import WriterState
from scrollintel.testing import ManualClock
from tests.api.rig import Served, bearer, serving
from tests.servers.leading import other_leads

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
    assert CheckpointFile(kept).read()[-1].checkpoint.size == 2  # the key's introduction, and the change
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
        notes = (await served.client.post("/audit/verify")).json()["notes"]
        assert any(note.startswith("the file of checkpoints: ") for note in notes)


@pytest.mark.asyncio
async def test_erase_a_person_leaves_a_chain_that_verifies_and_no_name(tmp_path: Path, database_url: str) -> None:
    """Before, readers see who it was; afterwards "erased"; the name is in no file of the database."""
    async with serving(tmp_path, database_url=database_url) as served:
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


async def _serves(served: Served) -> None:
    """Wait until a control plane that stood by serves."""
    plane = served.use_cases.plane
    await asyncio.to_thread(lambda: _eventually(lambda: plane.serving and not plane.keys.incomplete))
    await served.use_cases.checkpoints.look()


def _eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.asyncio
async def test_hosts_of_one_database_sign_with_one_key_across_takeovers(tmp_path: Path, postgres_url: str) -> None:
    """After each takeover the log verifies, online and from an export with the key that the first host gave out."""
    host = {"database_url": postgres_url, "key_provider": file_keys(tmp_path / "shared")}
    async with contextlib.AsyncExitStack() as first_life:
        first = await first_life.enter_async_context(serving(tmp_path / "a", **host))
        trusted = VerifyingKey.from_pem((await first.client.get("/audit/key")).json()["pem"])
        async with serving(tmp_path / "b", **host) as second:
            assert second.use_cases.plane.writer.state is WriterState.STANDBY
            await _set(first.client, "by-the-first")
            await first.use_cases.checkpoints.sign()
            await first_life.aclose()
            await _serves(second)
            await _set(second.client, "by-the-second")
            await second.use_cases.checkpoints.sign()
            assert (await second.client.get("/audit/key")).json()["key_id"] == trusted.key_id
            verdict = (await second.client.post("/audit/verify")).json()
            assert verdict["ok"], verdict
    async with serving(tmp_path / "a", **host) as again:
        assert again.use_cases.checkpoints.broken is None
        await _set(again.client, "by-the-first-again")
        await again.use_cases.checkpoints.sign()
        assert (await again.client.post("/audit/verify")).json()["ok"]
        lines = (await again.client.get("/audit/export")).text.splitlines()
    kept = [*CheckpointFile(tmp_path / "a" / FILE).read(), *CheckpointFile(tmp_path / "b" / FILE).read()]
    report = verify_export(lines, checkpoints=kept, keys=[trusted], complete=False)
    assert report.ok and len({point.checkpoint.size for point in kept}) >= 3, report.problem
    assert sum('"audit.introduce_key"' in line for line in lines) == 1


@pytest.mark.asyncio
async def test_host_that_lost_and_regains_the_lead_looks_at_the_log_anew(tmp_path: Path, postgres_url: str) -> None:
    """What another host has signed meanwhile is not signed a second time, which the tables would refuse."""
    async with serving(tmp_path, database_url=postgres_url) as served:
        await _set(served.client, "one")
        await served.use_cases.loops.stop()
        plane, checkpoints = served.use_cases.plane, served.use_cases.checkpoints
        assert checkpoints.key is not None
        log = plane.ledger.log
        signed = sign_checkpoint(
            checkpoints.key,
            log_id=log.log_id,
            size=log.head.sequence,
            root=log.merkle().root(),
            head_hash=log.head.hash,
            at=plane.now,
        )
        await asyncio.to_thread(_lead_for_a_while, postgres_url, signed, plane)
        await asyncio.to_thread(_eventually, lambda: plane.serving)
        await checkpoints.look()
        await checkpoints.sign()
        assert checkpoints.broken is None
        assert (await served.client.post("/audit/verify")).json()["ok"]


def _lead_for_a_while(url: str, signed: SignedCheckpoint, plane: ControlPlane) -> None:
    """Take the lead from whoever has it, store a checkpoint, and give the lead back."""
    with other_leads(url) as other:
        _eventually(lambda: plane.writer.state is WriterState.STANDBY)
        point = signed.checkpoint
        values = (point.size, point.log_id, point.root.hex(), point.head_hash.hex(), point.at, point.key_id)
        other.execute(
            "INSERT INTO audit_checkpoints (size, log_id, root, head_hash, at, key_id, signature)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (*values, base64.b64encode(signed.signature).decode()),
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["database", "file"])
async def test_checkpoint_by_another_key_is_foreign(tmp_path: Path, place: str) -> None:
    """Whoever can write to the database or the file, but has not the log's key, is found; so is a wrong signature."""
    async with serving(tmp_path) as served:
        await _set(served.client, "one")
        await served.use_cases.loops.stop()
        log = served.use_cases.plane.ledger.log
        forged = sign_checkpoint(
            SigningKey.generate(),
            log_id=log.log_id,
            size=log.head.sequence,
            root=log.merkle().root(),
            head_hash=log.head.hash,
            at=served.use_cases.plane.now,
        )
        if place == "file":
            CheckpointFile(tmp_path / FILE).append(forged)
        else:
            await served.use_cases.plane.change(lambda tx: store_checkpoint(tx, forged))
        verdict = (await served.client.post("/audit/verify")).json()
        assert not verdict["ok"] and "key that is not trusted" in verdict["problem"]
        lines = (await served.client.get("/audit/export")).text.splitlines()
        key = VerifyingKey.from_pem((await served.client.get("/audit/key")).json()["pem"])
        assert verify_export(lines, keys=[key]).ok is (place == "file")
        kept = CheckpointFile(tmp_path / FILE).read() if place == "file" else None
        assert not verify_export(lines, keys=[key], checkpoints=kept, complete=False).ok
    async with serving(tmp_path) as served:
        broken = served.use_cases.checkpoints.broken
        assert (broken is not None and "not by the key of the log" in broken) is (place == "file")


@pytest.mark.asyncio
async def test_log_cut_off_at_its_end_is_told_at_the_next_start(tmp_path: Path) -> None:
    """The newest checkpoint outside the database vouches for more records than there are."""
    async with serving(tmp_path) as served:
        for name in ("one", "two", "three"):
            await _set(served.client, name)
    await asyncio.to_thread(_cut, tmp_path / "control.db")
    async with serving(tmp_path) as served:
        assert "a checkpoint vouches for" in (served.use_cases.checkpoints.broken or "")
        assert (await served.client.get("/health")).json()["platform"]["status"] != "healthy"
        verdict = (await served.client.post("/audit/verify")).json()
        assert not verdict["ok"] and verdict["first_bad"] is not None


def _cut(file: Path) -> None:
    """Remove the last two records and every checkpoint, as somebody with the file in his hands could."""
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM audit_records WHERE sequence > (SELECT max(sequence) - 2 FROM audit_records)")
        connection.execute("DELETE FROM audit_checkpoints")


@pytest.mark.asyncio
async def test_records_replaced_under_a_checkpoint_are_told_at_the_next_start(tmp_path: Path) -> None:
    """A chain that was recomputed as a whole fits itself, and not what was signed before."""
    async with serving(tmp_path) as served:
        await _set(served.client, "one")
        await _set(served.client, "two")
    file = CheckpointFile(tmp_path / FILE)
    with contextlib.closing(sqlite3.connect(tmp_path / "control.db")) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit_records SET hash = ? WHERE sequence = 2", ("ab" * 32,))
        connection.execute("DELETE FROM audit_checkpoints")
    assert file.read()
    async with serving(tmp_path) as served:
        assert "are not those that a checkpoint vouches for" in (served.use_cases.checkpoints.broken or "")


@pytest.mark.asyncio
async def test_log_that_was_cut_off_is_told_at_every_start_also_when_it_has_grown_past_the_cut(tmp_path: Path) -> None:
    """What is signed after the cut vouches for nothing that was there before it."""
    async with serving(tmp_path) as served:
        for name in ("one", "two", "three"):
            await _set(served.client, name)
    await asyncio.to_thread(_cut, tmp_path / "control.db")
    async with serving(tmp_path) as served:
        for name in ("four", "five", "six"):
            await _set(served.client, name)
    async with serving(tmp_path) as served:
        assert "are not those that a checkpoint vouches for" in (served.use_cases.checkpoints.broken or "")
        assert not (await served.client.post("/audit/verify")).json()["ok"]


@pytest.mark.asyncio
async def test_checkpoint_file_that_cannot_be_read_is_told_until_it_can_be(tmp_path: Path) -> None:
    """That the next checkpoint could be added to it does not make up for it; once it is mended, it is compared."""
    async with serving(tmp_path) as served:
        await _set(served.client, "one")
    file = tmp_path / FILE
    text = file.read_text(encoding="ascii")
    file.write_text("damage\n" + text, encoding="ascii")
    async with serving(tmp_path) as served:
        checkpoints = served.use_cases.checkpoints
        await _set(served.client, "two")
        await checkpoints.sign()
        assert "line 1" in (checkpoints.last_error or "")
        file.write_text(file.read_text(encoding="ascii").removeprefix("damage\n"), encoding="ascii")
        await checkpoints.look()
        assert (checkpoints.last_error, checkpoints.broken) == (None, None)


@pytest.mark.asyncio
async def test_address_of_a_stranger_can_be_read_for_ninety_days(tmp_path: Path, database_url: str) -> None:
    """A refusal names the address, sealed under a key of its day; the key goes, the record stays and verifies."""
    clock = ManualClock()
    async with serving(tmp_path, database_url=database_url, clock=clock) as served:
        use_cases = served.use_cases
        await use_cases.loops.stop()
        assert (await served.client.get("/circuit-breakers", headers=bearer("sit_wrong"))).status_code == 401
        await use_cases.access.write_refusals()
        query = {"action": "access.refuse"}

        async def shown() -> tuple[str, str | None]:
            found = (await served.client.get("/audit", params=query)).json()["items"]
            return found[0]["personal"]["state"], found[0]["personal"]["address"]

        housekeeping = Housekeeping(use_cases.plane)
        clock.advance(89 * 86_400.0)
        await housekeeping.forget_strangers()
        assert await shown() == ("open", "127.0.0.1")
        clock.advance(86_400.0)
        await housekeeping.forget_strangers()
        assert await shown() == ("erased", None)
        assert (await served.client.post("/audit/verify")).json()["ok"]


@pytest.mark.asyncio
async def test_export_that_cannot_be_recorded_gives_nothing_out(tmp_path: Path) -> None:
    """Without its own record there is no export: 503, when to come again, and not one line of the log."""
    async with serving(tmp_path) as served:
        await _set(served.client, "one")
        await served.use_cases.loops.stop()
        file = tmp_path / "control.db"
        file.rename(tmp_path / "away.db")  # noticed by the writer, while readers keep their connections
        await asyncio.to_thread(_eventually, lambda: not served.use_cases.plane.serving)
        answer = await served.client.get("/audit/export")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "retry-after" in answer.headers and "configuration.set" not in answer.text
