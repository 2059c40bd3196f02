"""What this library promises, case by case, and how each promise is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .names import DEFAULT, GOODPUT, NO_TIMES, WINDOWED
from .table import Row, Table, Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """A promise about one row: the words, the figure, and whether it is kept (None: nothing to compare with)."""

    words: str
    judge: Callable[[Table, Row], tuple[str, bool | None]]

    def verdict(self, table: Table, row: Row) -> Verdict:
        measured, kept = self.judge(table, row)
        return Verdict(row.name, self.words, measured, kept)


def of_fastest_peer(limit: float, *, over_bare: bool = True) -> Target:
    """At most `limit` times the fastest peer, in what is added to the bare call or in all."""

    def judge(table: Table, row: Row) -> tuple[str, bool | None]:
        fastest = table.fastest_peer
        if fastest is None:
            return "no peer measured", None
        ratio = table.figure(row, over_bare) / table.figure(fastest, over_bare)
        return f"{ratio:.2f} ×", ratio <= limit

    return Target(f"≤ {limit:g} × fastest peer", judge)


def of_bare(limit: float, *, at_least: bool = False) -> Target:
    """A share of the bare call, both in all: at most, or (for rates) at least."""

    def judge(table: Table, row: Row) -> tuple[str, bool | None]:
        if table.bare is None:
            return "no bare call measured", None
        ratio = row.best / table.bare.best
        if at_least:
            return f"{100 * ratio:.1f} %", ratio >= limit
        return f"{ratio:.2f} ×", ratio <= limit

    return Target(f"≥ {100 * limit:.3g} % of bare" if at_least else f"≤ {limit:g} × bare", judge)


def at_most(limit: float, unit: str) -> Target:
    """An absolute limit on the figure of the case."""

    def judge(table: Table, row: Row) -> tuple[str, bool | None]:
        figure = table.figure(row)
        return f"{figure:,.0f} {unit}", figure <= limit

    return Target(f"≤ {limit:,.0f} {unit}", judge)


def over_row(other: str, limit: float, unit: str, words: str = "with response times off") -> Target:
    """At most `limit` more than another row."""

    def judge(table: Table, row: Row) -> tuple[str, bool | None]:
        base = table.row(other)
        if base is None:
            return "nothing to compare with", None
        return f"{row.best - base.best:,.0f} {unit} more", row.best - base.best <= limit

    return Target(f"≤ {limit:g} {unit} more than {words}", judge)


_TIMES = over_row(NO_TIMES, 250, "ns")

TARGETS: dict[str, dict[str, tuple[Target, ...]]] = {
    "breaker": {
        NO_TIMES: (of_fastest_peer(0.2),),
        DEFAULT: (of_fastest_peer(0.7),),
        WINDOWED: (of_fastest_peer(1.2),),
    },
    "breaker_async": {
        NO_TIMES: (of_fastest_peer(0.3),),
        DEFAULT: (of_fastest_peer(0.7),),
        WINDOWED: (of_fastest_peer(1.2),),
    },
    "reject": {NO_TIMES: (of_fastest_peer(1.0, over_bare=False),), DEFAULT: (of_fastest_peer(1.0, over_bare=False),)},
    "reject_async": {
        NO_TIMES: (of_fastest_peer(1.0, over_bare=False),),
        DEFAULT: (of_fastest_peer(1.0, over_bare=False),),
    },
    "retry": {NO_TIMES: (of_fastest_peer(0.7),), DEFAULT: (of_fastest_peer(0.7),)},
    "retry_async": {NO_TIMES: (of_fastest_peer(0.7),), DEFAULT: (_TIMES,)},
    "combined": {NO_TIMES: (of_fastest_peer(0.6),), DEFAULT: (_TIMES,)},
    "faulty": {NO_TIMES: (of_fastest_peer(0.7),), DEFAULT: (_TIMES,)},
    "combined_timeout": {
        NO_TIMES: (of_fastest_peer(0.25),),
        DEFAULT: (of_fastest_peer(0.25), _TIMES),
        GOODPUT: (over_row(DEFAULT, 1500, "ns", "without limit, throttle and budget"),),
    },
    "keyed_1000": {DEFAULT: (of_fastest_peer(0.8),)},
    "keyed_100000": {DEFAULT: (of_fastest_peer(0.8),)},
    "manager": {DEFAULT: (at_most(2000, "ns"),)},
    "threads_64": {NO_TIMES: (of_bare(1.5 / 16, at_least=True),)},
    "threads_waiting_64": {
        NO_TIMES: (of_bare(0.95, at_least=True),),
        DEFAULT: (of_bare(0.95, at_least=True),),
    },
    "tasks_10000": {NO_TIMES: (of_bare(1.5),), DEFAULT: (of_bare(1.5),)},
    "memory": {DEFAULT: (at_most(1024, "B"),)},
    "memory_used": {DEFAULT: (at_most(4096, "B"),)},
    "memory_rejections": {
        DEFAULT: (at_most(1024, "B"),),
        f"{DEFAULT}, async": (at_most(1024, "B"),),
    },
    "imports": {DEFAULT: (at_most(60, "ms"),)},
}


def judge(table: Table) -> None:
    """Fill in the verdicts of a table."""
    for name, targets in TARGETS.get(table.name, {}).items():
        row = table.row(name)
        if row is not None:
            table.verdicts += [target.verdict(table, row) for target in targets]
