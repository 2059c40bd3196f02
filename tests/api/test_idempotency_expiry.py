"""Idempotency keys that are let go while they are used again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from scrollintel.control.records import IDEMPOTENCY
from scrollintel.service.caller import SYSTEM
from scrollintel.service.housekeeping import Housekeeping
from scrollintel.service.plane import Answer, OnceOnly
from scrollintel.testing import ManualClock

from .rig import serving


@pytest.mark.asyncio
async def test_key_that_is_used_again_while_it_is_let_go_keeps_its_new_answer(tmp_path: Path) -> None:
    """An old answer is deleted, not the one that a request has just left under the same key."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (_, use_cases):
        plane = use_cases.plane
        await use_cases.loops.stop()
        made: list[int] = []

        def ask() -> asyncio.Task[Answer]:
            def decide(tx: object) -> Answer:
                made.append(len(made))
                return Answer(201, b"{}")

            return asyncio.create_task(plane.answer(SYSTEM, decide, OnceOnly("key", "same")))

        await ask()
        clock.advance(timedelta(hours=25).total_seconds())
        again, expiry = ask(), asyncio.create_task(Housekeeping(plane).expire_idempotency())
        await asyncio.gather(again, expiry)
        assert len(plane.records.values(IDEMPOTENCY)) == 1
        await ask()
        assert len(made) == 2
