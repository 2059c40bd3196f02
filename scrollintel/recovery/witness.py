"""Who watches a recovery: told of each step, and able to end it between two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from .strategy import Step, StepResult


class Witness(Protocol):
    """Watches one recovery, in the thread of the runner.

    Whatever a method raises ends the recovery where it is: no further step begins and nothing is undone, so that what
    was written down is what was done.
    """

    def began(self, strategy: str, step: Step, started_at: datetime) -> None:
        """Take note that a step begins, before it does anything; raise to keep it from beginning."""

    def ended(self, result: StepResult) -> None:
        """Take note of how the step ended that began last."""

    def wait(self, seconds: float) -> None:
        """Wait between two looks at the service; raise to end the recovery at once."""


class Unwitnessed:
    """Nobody watches.

    Arguments:
        sleep: Waits for a number of seconds.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def began(self, strategy: str, step: Step, started_at: datetime) -> None:
        """Do nothing."""

    def ended(self, result: StepResult) -> None:
        """Do nothing."""

    def wait(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)
