"""Dry runs one after the other: whoever starts many of them takes the interpreter from nobody for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..control.dry_run import Bucket, Outcome, replay
from ..core.config.breaker import CircuitBreakerConfig


class DryRuns:
    """Replays what was recorded, in a thread and one at a time. On the event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def compare(
        self, proposed: CircuitBreakerConfig, present: CircuitBreakerConfig | None, recorded: Sequence[Bucket]
    ) -> tuple[Outcome, Outcome | None]:
        """Return what both configurations would have done; None for the present one when there is none."""
        async with self._turn:
            found = await asyncio.to_thread(replay, proposed, recorded)
            if present is None:
                return found, None
            return found, await asyncio.to_thread(replay, present, recorded)
