"""A control plane that is stopped at the very moment at which it has read a new database."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.composition import wire
from scrollintel.storage.writer import WriterState


@pytest.mark.asyncio
async def test_stop_while_a_new_database_is_read_ends_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys cannot be written any more; the writer ends in order all the same, and lets go of the database."""
    use_cases = wire(directory=tmp_path)
    plane = use_cases.plane
    load = plane.keys.load

    def load_and_be_stopped() -> None:
        load()
        with pytest.raises(RuntimeError):  # a thread cannot wait for itself
            plane.writer.stop()

    monkeypatch.setattr(plane.keys, "load", load_and_be_stopped)
    await use_cases.start()
    await use_cases.stop()
    assert plane.writer.state is WriterState.STOPPED
    assert not plane.database.is_leader
