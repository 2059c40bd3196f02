"""The control plane of a process that mounts the router: it starts again after a start that came to nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrollintel.api.mounting import Embedded
from scrollintel.composition import wire
from scrollintel.service.use_cases import UseCases


class StartError(Exception):
    """What the first start ends with."""


def test_start_that_failed_on_an_event_loop_that_has_ended_is_tried_again(tmp_path: Path) -> None:
    """The error of the first start is heard once; the next event loop begins anew."""
    starts: list[int] = []
    made = wire(directory=tmp_path)

    async def start() -> UseCases:
        starts.append(len(starts))
        if len(starts) == 1:
            raise StartError
        return made

    embedded = Embedded(start)
    with pytest.raises(StartError):
        asyncio.run(embedded.use_cases())
    assert asyncio.run(embedded.use_cases()) is made


def test_start_that_was_cut_off_is_tried_again(tmp_path: Path) -> None:
    """A start that its event loop cancelled at the end leaves nothing that later requests stumble over."""
    made = wire(directory=tmp_path)
    started: list[int] = []

    async def start() -> UseCases:
        started.append(len(started))
        if len(started) == 1:
            await asyncio.get_running_loop().create_future()
        return made

    embedded = Embedded(start)

    async def cut_off() -> None:
        request = asyncio.create_task(embedded.use_cases())
        while not started:
            await asyncio.sleep(0)
        request.cancel()

    asyncio.run(cut_off())
    assert asyncio.run(embedded.use_cases()) is made


def test_requests_at_once_on_a_new_event_loop_share_one_start(tmp_path: Path) -> None:
    """While what the former event loop left lets go of the database, every request waits for the same start."""
    starts: list[UseCases] = []

    async def start() -> UseCases:
        starts.append(wire(directory=tmp_path))
        return starts[-1]

    embedded = Embedded(start)

    async def ask_twice() -> tuple[UseCases, UseCases]:
        return await asyncio.gather(embedded.use_cases(), embedded.use_cases())

    asyncio.run(embedded.use_cases())
    first, second = asyncio.run(ask_twice())
    assert first is second
    assert len(starts) == 2
