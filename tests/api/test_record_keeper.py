"""What could not be written goes to the journal, and from there to the database: all of it, once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from scrollintel.control.incidents import INCIDENTS, IncidentRecord, IncidentState
from scrollintel.control.recovery_notes import Act, Note
from scrollintel.service.automation.record_keeper import FILE_NAME, RecordKeeper
from scrollintel.storage.errors import StoreUnavailableError

from .recovery_rig import NOW
from .rig import serving


def note(number: int) -> Note:
    """Return a note of an incident."""
    incident = IncidentRecord(
        id=f"inc_{number}", target="a", service="a", group=None, failure_type="exited", state=IncidentState.OPEN,
        severity=3, root=None, attempts=0, relapses=0, recovery=None, detected_at=NOW, declared_at=NOW,
    )  # fmt: skip
    act = Act(action="incident.open", target_kind="incident", target=incident.id, service="a")
    return Note(puts=(incident,), acts=(act,))


async def journalled(use_cases: Any, *numbers: int) -> RecordKeeper:
    """Write notes while the database cannot be trusted, and return the keeper once it can again."""
    keeper: RecordKeeper = use_cases.automation.keeper
    use_cases.plane.distrust = "not now"
    for number in numbers:
        await asyncio.to_thread(keeper.save, note(number))
    use_cases.plane.distrust = None
    return keeper


@pytest.mark.asyncio
async def test_notes_that_come_while_two_write_the_journal_are_not_lost(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The return of the database and the loop may both want to write it; each note reaches the database once."""
    async with serving(tmp_path / "data", database_url=database_url) as (client, use_cases):
        await use_cases.loops.stop()
        keeper = await journalled(use_cases, 1, 2, 3)
        real, later = use_cases.plane.change, iter([(4, 5), (6,)])

        async def change(*arguments: Any, **options: Any) -> Any:
            result = await real(*arguments, **options)
            for number in next(later, ()):
                await asyncio.to_thread(keeper.save, note(number))
            return result

        monkeypatch.setattr(use_cases.plane, "change", change)
        await asyncio.gather(keeper.flush(), keeper.flush())
        monkeypatch.undo()
        await keeper.flush()
        assert (keeper.waiting, (tmp_path / "data" / FILE_NAME).exists()) == (0, False)
        found = {record.id for record in use_cases.plane.records.values(INCIDENTS)}
        assert found == {f"inc_{number}" for number in range(1, 7)}
        audited = (await client.get("/audit", params={"action": "incident.open"})).json()["items"]
        assert sorted(item["target"] for item in audited) == sorted(found)


@pytest.mark.asyncio
async def test_journal_that_cannot_be_rewritten_is_written_to_the_database_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full just then: nothing is lost, and nothing comes twice when there is room again."""
    async with serving(tmp_path / "data") as (client, use_cases):
        await use_cases.loops.stop()
        keeper = await journalled(use_cases, 1, 2)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", _full)
            with pytest.raises(StoreUnavailableError):
                await keeper.flush()
        assert keeper.waiting == 2
        await asyncio.to_thread(keeper.save, note(3))
        await keeper.flush()
        assert keeper.waiting == 0
        audited = (await client.get("/audit", params={"action": "incident.open"})).json()["items"]
        assert sorted(item["target"] for item in audited) == ["inc_1", "inc_2", "inc_3"]


def _full(self: Path, **_: object) -> None:
    raise OSError(28, "No space left on device")
