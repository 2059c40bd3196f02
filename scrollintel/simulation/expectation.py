"""What is expected of a policy in a scenario, so that a run can fail: a check before deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from ..core.config.base import Config, InvalidValue, Rule, number
from ..core.errors import ConfigError, Violation

if TYPE_CHECKING:
    from .report import Report, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation(Config):
    """Bounds that a policy has to keep under every seed; what is None is not looked at.

    Arguments:
        before: Least goodput before the trouble.
        during: Least goodput during the trouble.
        after: Least goodput after the trouble.
        recovery: Longest time from the end of the trouble until goodput stays up.
        attempts: Most attempts that reach the service, for each request.
        at_once: Most calls that run at once.
        p50: Longest median response time.
        p99: Longest response time of 99 in 100 answered requests.
    """

    before: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    during: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    after: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    recovery: float | None = field(default=None, metadata=number(unit="seconds", optional=True))
    attempts: float | None = field(default=None, metadata=number(optional=True))
    at_once: float | None = field(default=None, metadata=number(unit="calls", optional=True))
    p50: float | None = field(default=None, metadata=number(unit="seconds", optional=True))
    p99: float | None = field(default=None, metadata=number(unit="seconds", optional=True))


def expectations() -> dict[str, Rule]:
    """Accept a mapping of names of policies to what is expected of them."""

    def convert(value: object) -> dict[str, Expectation]:
        if not isinstance(value, Mapping):
            raise InvalidValue
        found: dict[str, Expectation] = {}
        wrong: list[Violation] = []
        for name, table in value.items():
            try:
                found[str(name)] = table if isinstance(table, Expectation) else Expectation.from_dict(table)
            except ConfigError as error:
                wrong.extend(Violation(f"{name}.{v.field}", v.value, v.allowed) for v in error.violations)
        if wrong:
            raise ConfigError("expect", wrong)
        return found

    def dump(found: Mapping[str, Expectation]) -> dict[str, Any]:  # Any: JSON values
        return {name: item.to_dict() for name, item in found.items()}

    return {"rule": Rule(convert, "tables [expect.NAME], each for a policy", dump=dump)}


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A bound that a policy did not keep.

    Attributes:
        policy: Its name.
        seed: Under which seed.
        figure: The field of the expectation.
        expected: The bound.
        found: What came of it; None for never, or for nothing to tell.
    """

    policy: str
    seed: int
    figure: str
    expected: float
    found: float | None

    def __str__(self) -> str:
        word = "at least" if self.figure in _LEAST else "at most"
        found = "never" if self.found is None and self.figure == "recovery" else _shown(self.found)
        return f"{self.policy}, seed {self.seed}: {self.figure} is {found}, expected {word} {_shown(self.expected)}"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as JSON values."""
        names = ("policy", "seed", "figure", "expected", "found")
        return {name: getattr(self, name) for name in names}


_LEAST = ("before", "during", "after")


def shortfalls(expected: Mapping[str, Expectation], reports: Sequence[Report]) -> tuple[Shortfall, ...]:
    """Return the bounds that were not kept, by seed and policy; policies that did not run are passed over."""
    return tuple(
        Shortfall(run.policy, report.seed, figure, bound, found)
        for report in reports
        for run in report.runs
        if run.policy in expected
        for figure, bound, found in _broken(expected[run.policy], run)
    )


def _broken(expected: Expectation, run: Run) -> Iterator[tuple[str, float, float | None]]:
    figures = {
        "before": run.before, "during": run.during, "after": run.after, "recovery": run.recovery,
        "attempts": run.attempts_per_request, "at_once": float(run.most_running), "p50": run.p50, "p99": run.p99,
    }  # fmt: skip
    for figure, found in figures.items():
        bound = getattr(expected, figure)
        if bound is None:
            continue
        kept = (
            (found is not None and found >= bound) if figure in _LEAST else (inf if found is None else found) <= bound
        )
        if not kept:
            yield figure, bound, found


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
