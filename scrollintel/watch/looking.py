"""What every check does alike: time itself, bound itself, and say in one sentence what it found."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ..core.errors import ScrollIntelError
from ..recovery.symptom import Depth, FailureType, Look
from ..recovery.target import Check, Target

MAX_DETAIL = 300
"""Characters of a detail."""


class Bad(Exception):
    """A look found something wrong.

    Arguments:
        failure_type: What.
        detail: One sentence.
    """

    def __init__(self, failure_type: str, detail: str) -> None:
        super().__init__(detail)
        self.failure_type = failure_type


class CheckProbe:
    """What the probes of all checks have: whose they are, and how they tell what they found.

    Arguments:
        target, check: What is looked at, and how.
    """

    def __init__(self, target: Target, check: Check) -> None:
        self.target = target
        self.check = check

    async def close(self) -> None:
        """Hold nothing, unless a check overrides this."""

    def found(
        self,
        failure_type: str | None,
        detail: str,
        latency: float | None,
        *,
        conclusive: bool = False,
        facts: Mapping[str, Any] | None = None,  # Any: JSON values
    ) -> Look:
        """Return the look."""
        return Look(
            target=self.target.name,
            check=self.check.name,
            depth=self.check.depth,
            good=failure_type is None,
            failure_type=failure_type,
            detail=f"{self.check.name}: {detail}"[:MAX_DETAIL],
            at=time.monotonic(),
            latency=latency,
            conclusive=conclusive,
            facts=facts or {},
        )

    @property
    def silent(self) -> str:
        """What silence stands for at the depth of the check."""
        return FailureType.UNRESPONSIVE if self.check.depth is Depth.ALIVE else self.wrong

    @property
    def wrong(self) -> str:
        """What a wrong answer stands for at the depth of the check."""
        return {Depth.ALIVE: FailureType.UNRESPONSIVE, Depth.READY: FailureType.NOT_READY}.get(
            self.check.depth, FailureType.INCORRECT
        )


class LookingProbe(CheckProbe):
    """A probe whose `find` says what it found; everything else is here."""

    @abstractmethod
    async def find(self) -> str:
        """Look once and return what is good, one sentence.

        Raises:
            Bad: with what is wrong.
            OSError, TimeoutError: when the thing cannot be reached.
        """

    async def look(self) -> Look:
        """Look once, bounded by the check's timeout."""
        began, failure_type, detail = time.monotonic(), None, ""
        try:
            async with asyncio.timeout(self.check.timeout):
                detail = await self.find()
        except TimeoutError:
            failure_type, detail = self.silent, f"no answer within {self.check.timeout:g} s"
        except Bad as error:
            failure_type, detail = error.failure_type, str(error)
        except (ConnectionError, OSError) as error:
            failure_type, detail = self._unreachable(error)
        except Exception as error:  # whatever a check does, it is a result
            failure_type, detail = self.wrong, self._said(error)
        return self.found(failure_type, detail, time.monotonic() - began)

    @staticmethod
    def _unreachable(error: OSError) -> tuple[str, str]:
        said = error.strerror or type(error).__name__
        return FailureType.UNREACHABLE, f"cannot be reached: {said.lower()}"

    @staticmethod
    def _said(error: Exception) -> str:
        """Return what an error says, when that is our own text; others may hold passwords."""
        return str(error) if isinstance(error, ScrollIntelError) else type(error).__name__
