"""Recoveries on their way to the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

Run = Mapping[str, Any]  # Any: JSON values of mixed types

logger = logging.getLogger("scrollintel.recovery")


class Outbox:
    """While the engine's database is away, runs wait here, as they stand in the record.

    Arguments:
        submit: Gives a run to the engine; blocks until it is durable there.
    """

    def __init__(self, submit: Callable[[Run], None]) -> None:
        self._submit = submit
        self._waiting: dict[str, Run] = {}

    @property
    def waiting(self) -> set[str]:
        """Runs that the engine could not take yet; from any thread."""
        return set(self._waiting)

    def give(self, run: Run) -> None:
        """Give a run to the engine, now or as soon as it takes one."""
        try:
            self._submit(run)
        except Exception as error:
            if run["id"] not in self._waiting:
                logger.warning("recovery %s waits for its engine: %s", run["id"], type(error).__name__)
            self._waiting[run["id"]] = run
        else:
            self._waiting.pop(run["id"], None)

    def try_again(self) -> None:
        """Give what waits."""
        for run in list(self._waiting.values()):
            self.give(run)
