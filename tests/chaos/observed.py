"""What the prober and the starts of processes say about one run; the only judges of "down" and "recovered"."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STEADY = 60
"""Good operations in a row that count as recovered: 3 s at 20 Hz, timed at the first of them."""


@dataclass(frozen=True)
class Operation:
    """One operation of the prober."""

    due: float
    good: bool
    took: float
    problem: str | None
    number: int


@dataclass(frozen=True)
class Start:
    """One start of a service's process."""

    service: str
    pid: int
    at: float
    monotonic: float


def operations(path: Path) -> list[Operation]:
    """Return what the prober has done so far, in the order in which it was due."""
    found = [Operation(**item) for item in _lines(path)]
    return sorted(found, key=lambda operation: operation.number)


def starts(path: Path) -> list[Start]:
    """Return the starts so far, oldest first."""
    return [Start(**item) for item in _lines(path)]


def _lines(path: Path) -> list[dict[str, object]]:
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # the last line is being written
            continue
    return found


@dataclass(frozen=True)
class Outage:
    """What users lived through after a fault.

    Arguments:
        failed_at: First failed operation after the fault, monotonic; NaN when none failed.
        recovered_at: First of `STEADY` good operations in a row after that; infinity when that did not come.
        failures: Failed operations from the fault on.
    """

    failed_at: float
    recovered_at: float
    failures: int

    @property
    def total(self) -> float:
        """Seconds from the first failure to the recovery, as users see it; 0 when nobody noticed."""
        return 0.0 if math.isnan(self.failed_at) else self.recovered_at - self.failed_at


def outage(found: Sequence[Operation], fault_at: float) -> Outage:
    """Return the outage after a fault; later relapses belong to it, so the last recovery counts."""
    after = [operation for operation in found if operation.due >= fault_at]
    bad = [operation for operation in after if not operation.good]
    if not bad:
        return Outage(math.nan, fault_at, 0)
    last = bad[-1].number
    tail = [operation for operation in after if operation.number > last]
    recovered = tail[0].due if len(tail) >= STEADY else math.inf
    return Outage(bad[0].due, recovered, len(bad))
