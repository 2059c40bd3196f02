"""How far a measurement is: one line that changes on a terminal, a line for each phase anywhere else."""

from __future__ import annotations

import sys
from typing import TextIO

from scrollintel.simulation.scenario import Scenario

_CLEAR = "\r\x1b[K"


class Progress:
    """Tells whoever watches how far one run is.

    Arguments:
        what: The run.
        scenario: How long it takes, and when capacity is low.
        stream: Where it is told.
    """

    def __init__(self, what: str, scenario: Scenario, stream: TextIO) -> None:
        self._what = what
        self._stream = stream
        self._duration = scenario.duration
        (dip,) = scenario.service.changes
        self._dip = dip
        self._told = ""

    def __call__(self, done: float) -> None:
        """Tell that a share of the time is over."""
        phase = self._phase(done * self._duration)
        if self._stream.isatty():
            tell(f"{self._what}, {phase}: {done:.0%}", self._stream)
        elif phase != self._told:
            tell(f"{self._what}, {phase}", self._stream)
        self._told = phase

    def _phase(self, at: float) -> str:
        dip = self._dip
        assert dip.until is not None
        return "before the dip" if at < dip.at else "in the dip" if at < dip.until else "after the dip"


def tell(what: str, stream: TextIO | None = None) -> None:
    """Say what goes on now, on standard error unless told otherwise; an empty text clears the line of a terminal."""
    stream = stream or sys.stderr
    if stream.isatty():
        stream.write(f"{_CLEAR}{what}")
    elif what:
        stream.write(f"{what}\n")
    stream.flush()
