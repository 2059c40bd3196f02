"""Places of probes, which are lent for a time."""

from __future__ import annotations

from math import inf

from .answers import Probe


class Leases:
    """The probes of a circuit that are out.

    Attributes:
        end: No lease ends before, so that most calls need not look at all that are out.
    """

    __slots__ = ("_probes", "end")

    def __init__(self) -> None:
        self._probes: dict[Probe, None] = {}
        self.end = inf

    def __len__(self) -> int:
        return len(self._probes)

    def lend(self, era: int, end: float) -> Probe:
        """Lend a place until `end`."""
        probe = Probe(era, end)
        self._probes[probe] = None
        self.end = min(self.end, end)
        return probe

    def move(self, probe: Probe, end: float) -> None:
        """Let a lease end at `end` instead; one that is not out any more says so and no more."""
        probe.lease_end = end
        if probe in self._probes:
            self.end = min(self.end, end)

    def take_back(self, probe: Probe) -> None:
        """Take a place back; no later result of its probe counts."""
        probe.spend()
        self._probes.pop(probe, None)

    def first_end(self) -> float:
        """Look when the first lease ends; infinite without any."""
        self.end = min((probe.lease_end for probe in self._probes), default=inf)
        return self.end

    def ended(self, now: float) -> list[Probe]:
        """Return the probes whose leases have ended, in the order of their ends."""
        return sorted((probe for probe in self._probes if probe.lease_end <= now), key=lambda probe: probe.lease_end)


NO_LEASES = Leases()
"""No probe is ever lent from these: they are those of every circuit that has none out."""
