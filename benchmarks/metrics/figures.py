"""Figures of a scrape and of a call, as rows of tables."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

SCRAPE_PROMISE = 0.05
"""Seconds that a scrape of a thousand circuits may take."""
CALL_PROMISE = 0.05
"""Share by which a call may become dearer."""

SCRAPE_HEAD = (
    "| What is scraped | Format | Series | Size | Median | p95 | Maximum | Promise | |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
CALL_HEAD = "| Call | Without metrics | With metrics | Ratio | Promise | |\n| --- | --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class Scrape:
    """How long scrapes of one kind took.

    Arguments:
        what, form: What was scraped, and how it was written.
        series: Samples in a scrape.
        size_bytes: Of the answer.
        seconds: Of each scrape.
        promised: Whether the promise is about it.
    """

    what: str
    form: str
    series: int
    size_bytes: int
    seconds: tuple[float, ...]
    promised: bool = True

    @property
    def met(self) -> bool:
        """Whether the median keeps the promise."""
        return not self.promised or statistics.median(self.seconds) < SCRAPE_PROMISE

    def row(self) -> str:
        """Return a row of a table."""
        ordered = sorted(self.seconds)
        late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        promise = f"{SCRAPE_PROMISE * 1000:.0f} ms" if self.promised else "–"
        verdict = "–" if not self.promised else "kept" if self.met else "**missed**"
        return (
            f"| {self.what} | {self.form} | {self.series:,} | {self.size_bytes / 1e6:.1f} MB | "
            f"{statistics.median(ordered) * 1000:.1f} ms | {late * 1000:.1f} ms | {ordered[-1] * 1000:.1f} ms | "
            f"{promise} | {verdict} |"
        )


@dataclass(frozen=True, slots=True)
class Call:
    """What a call costs without and with metrics, in nanoseconds of each round."""

    what: str
    without: tuple[float, ...]
    with_metrics: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median over the rounds of the ratio within a round."""
        return statistics.median(b / a for a, b in zip(self.without, self.with_metrics, strict=True))

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio <= 1.0 + CALL_PROMISE

    def row(self) -> str:
        """Return a row of a table."""
        without, scraped = statistics.median(self.without), statistics.median(self.with_metrics)
        return (
            f"| {self.what} | {without:.0f} ns | {scraped:.0f} ns | "
            f"{self.ratio:.3f} | at most {1 + CALL_PROMISE:.2f} | {'kept' if self.met else '**missed**'} |"
        )
