"""Carries the answers of people to the recoveries that wait for them, until they have arrived."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ...control.incidents import ApprovalRecord
from ...durable.performing import Engine
from ...storage.engine import Database
from ...storage.errors import StoreUnavailableError
from ...storage.incident_history import ApprovalFilter, approvals

RECENT = 500
"""Questions of the life before that are looked at; far more than can wait at once."""

logger = logging.getLogger("scrollintel.recovery")


class Answers:
    """An answer is on record before it is sent, and a crash or an outage may come in between. On the event loop.

    The same answer may be sent twice: a recovery takes the first one.

    Arguments:
        engine: Runs the recoveries.
        database: Knows the answers of the life before.
    """

    def __init__(self, engine: Engine, database: Database) -> None:
        self._engine = engine
        self._database = database
        self._unsent: dict[str, ApprovalRecord] = {}
        self._is_recalled = False
        self._carrying: set[asyncio.Task[None]] = set()

    def take(self, question: ApprovalRecord) -> None:
        """Send an answer that is on record now."""
        self._unsent[question.id] = question
        carrying = asyncio.get_running_loop().create_task(self._send(question))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)

    async def carry(self) -> None:
        """Send what has not arrived, answers of the life before included."""
        if self._is_recalled and not self._unsent:
            return
        unfinished = await asyncio.to_thread(self._engine.unfinished)
        if unfinished is None:
            return
        if not self._is_recalled:
            with suppress(StoreUnavailableError):
                await self._recall()
        for question in list(self._unsent.values()):
            if question.recovery in unfinished:
                await self._send(question)
            else:
                del self._unsent[question.id]

    async def _recall(self) -> None:
        for question in await asyncio.to_thread(approvals, self._database, ApprovalFilter(answered=True), RECENT):
            if question.decision in ("approved", "refused"):
                self._unsent.setdefault(question.id, question)
        self._is_recalled = True

    async def _send(self, question: ApprovalRecord) -> None:
        message = {"approved": question.decision == "approved", "digest": question.digest, "by": question.decided_by}
        try:
            await asyncio.to_thread(self._engine.send, question.recovery, f"approval:{question.id}", message)
        except Exception as error:  # the engine's database is away; `carry` tries again
            logger.warning("the answer to %s has not reached its recovery: %s", question.id, type(error).__name__)
        else:
            self._unsent.pop(question.id, None)
