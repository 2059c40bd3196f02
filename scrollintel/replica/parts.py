"""Parts of a process that keep it within its capacity: what reports tell of each kind, and how replicas add up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from ..core.context import Criticality

MAX_HOSTS = 100
"""Ejected hosts of one pool that a report names."""


class Together(Enum):
    """How a figure of several replicas is one."""

    COUNT = "count"
    """The sum of what never falls."""
    SUM = "sum"
    LEAST = "least"
    MOST = "most"
    MEAN = "mean"


class PartKind(NamedTuple):
    """What there is to tell of one kind of part.

    Attributes:
        states: The states that it can be in, the worst first.
        calm: Those in which it neither acts on calls nor needs anybody.
        figures: Its figures by name, and how those of several replicas are one.
    """

    states: tuple[str, ...]
    calm: frozenset[str]
    figures: Mapping[str, Together]

    def rank(self, state: str) -> int:
        """Return the place of a state, the worst first; one that only a newer version knows comes before all."""
        return self.states.index(state) if state in self.states else -1

    @property
    def counts(self) -> tuple[str, ...]:
        """Names of the figures that never fall."""
        return tuple(name for name, together in self.figures.items() if together is Together.COUNT)


class PartReport(NamedTuple):
    """How one part of a replica stands, in the order of its row.

    Attributes:
        name: The policy, server or pool.
        kind: One of `PART_KINDS`.
        member: Which of several within it: a fallback or a host; None for the whole.
        state: One of the kind's; None when there is no such part any more.
        reason: Why, in a sentence without its full stop; empty when there is nothing to say.
        figures: Numbers by name; what is not known is left out.
    """

    name: str
    kind: str
    member: str | None
    state: str | None
    reason: str
    figures: Mapping[str, float]


SERVED: Final = tuple(f"served_{one.value}" for one in Criticality)
SHED: Final = tuple(f"shed_{one.value}" for one in Criticality)
"""Figures of an admission: requests that were let in, and those refused, by class, the most critical one first."""
_C, _S, _L, _M, _A = Together.COUNT, Together.SUM, Together.LEAST, Together.MOST, Together.MEAN

PART_KINDS: Final[Mapping[str, PartKind]] = MappingProxyType(
    {
        "metastability": PartKind(
            ("shedding", "releasing", "suspected", "learning", "normal"), frozenset({"learning", "normal"}),
            {"share": _L, "rejections": _C, "running": _S, "goodput": _A, "usual_goodput": _A, "rate": _S,
             "usual_rate": _S, "attempts": _A, "usual_attempts": _A, "usual_running": _S},
        ),
        "fallback": PartKind(
            ("cold", "warm"), frozenset({"warm"}),
            {"runs": _C, "worked": _C, "failed": _C, "late": _C, "compared": _C, "agreed": _C, "last_worked": _M},
        ),
        "admission": PartKind(
            ("shedding", "serving"), frozenset({"serving"}),
            {"limit": _S, "running": _S, "waiting": _S, "threshold": _M, "expired": _C,
             **dict.fromkeys((*SERVED, *SHED), _C)},
        ),
        "pool": PartKind(
            ("panics", "reduced", "whole"), frozenset({"whole"}), {"hosts": _M, "ejected": _M, "ejections": _C}
        ),
        "host": PartKind(
            ("ejected",), frozenset(), {"returns_in": _M, "ejections": _S, "calls": _S, "failures": _S, "running": _S}
        ),
    }
)  # fmt: skip
"""The kinds of parts that reports have rows for."""
