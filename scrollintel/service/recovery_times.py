"""How long services have taken to come back, at hand without the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from ..control.recovery_statistics import IncidentTimes
from ..storage.errors import StoreUnavailableError
from ..storage.recovery_statistics import incident_times
from .plane import ControlPlane
from .recovery_history import AWAY

SPAN = timedelta(days=30)


class RecoveryTimes:
    """Times from detection to proven health over `SPAN`, read beside requests. On the event loop.

    Arguments:
        plane: The control plane.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._sums: dict[str, tuple[int, float]] = {}  # service → recoveries and their seconds

    async def load(self) -> None:
        """Read them anew; what is known stays while the database is away."""
        if self._plane.writer.state in AWAY:
            return
        since = self._plane.now - SPAN
        with suppress(StoreUnavailableError):
            self._sums = _sums(await asyncio.to_thread(incident_times, self._plane.database, None, since, None))

    def mean(self, sees: Callable[[str], bool]) -> float | None:
        """Return the mean in seconds over the services that `sees` tells; None without any."""
        seen = [found for service, found in self._sums.items() if sees(service)]
        number = sum(count for count, _ in seen)
        return round(sum(seconds for _, seconds in seen) / number, 3) if number else None


def _sums(times: list[IncidentTimes]) -> dict[str, tuple[int, float]]:
    sums: dict[str, tuple[int, float]] = {}
    for one in times:
        if one.validated_at is not None:
            count, seconds = sums.get(one.service, (0, 0.0))
            sums[one.service] = count + 1, seconds + max(0.0, (one.validated_at - one.detected_at).total_seconds())
    return sums
