"""Parameters of the detector of metastable failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from .base import Config, boolean, integer, number


@dataclass(frozen=True, slots=True)
class MetastabilityConfig(Config):
    """When an overload is taken to keep itself alive, and how many calls pass until it ends.

    A failure is metastable when its trigger is gone and it stays: offered calls are as many as usual, few of them
    succeed, and what they leave behind, retries and queues, is the load that makes the next ones fail.

    Arguments:
        interval: Seconds of one judgement at least; default 1. It becomes longer until `min_calls` have come, up to ten
            times.
        min_calls: Calls that a judgement needs; default 10.
        learning: Seconds of traffic that are watched before anything is judged; default 30.
        memory: Seconds over which what is usual follows what is seen in good times; default 300.
        low_goodput: Share of the usual goodput below which it is low; default 0.5.
        normal_load: Times the usual rate of calls up to which load is back to normal; at least 1, default 1.25.
        high_retries: Attempts per call more than usual from which retries are high; default 0.5.
        high_queue: Times the usual number of calls in flight from which queues are long; at least 1, default 3.
        minimum_duration: Seconds for which all of that must hold before calls are shed; it is suspected after half of
            them. Default 10.
        sheds: Whether calls are shed; default True. False only tells.
        shed_to: Share of the calls that pass at first, the most critical ones; above 0, below 1, default 0.1.
        growth: Factor by which that share grows with each judgement that is good; at least 1.1, default 1.5. One
            that is bad halves it.

    Raises:
        ConfigError: with every violation.

    Source: Bronson et al., "Metastable Failures in Distributed Systems", HotOS 2021; Huang et al., "Metastable Failures
    in the Wild", OSDI 2022. The figures are this library's own.
    """

    interval: float = field(default=1.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    min_calls: int = field(default=10, metadata=integer(minimum=1, maximum=1_000_000, unit="calls"))
    learning: float = field(default=30.0, metadata=number(unit="seconds"))
    memory: float = field(default=300.0, metadata=number(above=True, unit="seconds"))
    low_goodput: float = field(default=0.5, metadata=number(above=True, maximum=1.0))
    normal_load: float = field(default=1.25, metadata=number(minimum=1.0, maximum=10.0))
    high_retries: float = field(default=0.5, metadata=number(above=True, maximum=100.0, unit="attempts"))
    high_queue: float = field(default=3.0, metadata=number(minimum=1.0, maximum=1000.0))
    minimum_duration: float = field(default=10.0, metadata=number(above=True, unit="seconds"))
    sheds: bool = field(default=True, metadata=boolean())
    shed_to: float = field(default=0.1, metadata=number(above=True, maximum=1.0))
    growth: float = field(default=1.5, metadata=number(minimum=1.1, maximum=10.0))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse the share that sheds nothing."""
        if "shed_to" not in broken and self.shed_to == 1.0:
            yield Violation("shed_to", self.shed_to, "below 1")
