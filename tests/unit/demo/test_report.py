"""The end of the demo: which promises were broken, said with measured value and bound."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

from rich.console import Console

from demo import report
from demo.figures import Figure, Unit
from demo.report import write_json

KEPT = Figure("retry", "answered", "answered with protection", 1.0, Unit.SHARE, at_least=0.99)
BROKEN = Figure("retry", "p99", "wait with protection, p99", 3.0, Unit.SECONDS, at_most=2.5)
UNSEEN = Figure("recovery", "killed_recover", "killed → recovered", math.nan, Unit.SECONDS, at_most=6.0)
PLAIN = Figure("retry", "control", "answered without", 0.7, Unit.SHARE)


def printed(*figures: Figure) -> str:
    """Return the report as text of 100 columns."""
    console = Console(file=io.StringIO(), width=100)
    report.print_report(console, figures)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_report_broken_promises_are_named_with_value_and_bound() -> None:
    """Whoever reads the last lines knows which promise broke, and by how much."""
    text = printed(KEPT, BROKEN, PLAIN, UNSEEN)
    assert report.broken([KEPT, BROKEN, PLAIN, UNSEEN]) == [BROKEN, UNSEEN]
    assert "2 of 3 promises broken:" in text
    assert "retry: wait with protection, p99: 3 s, promised ≤ 2.5 s" in text
    assert "recovery: killed → recovered: not seen, promised ≤ 6 s" in text


def test_report_without_a_broken_promise_says_so() -> None:
    """Figures without a bound are shown and judged by nobody."""
    text = printed(KEPT, PLAIN)
    assert report.broken([KEPT, PLAIN]) == []
    assert "All 1 promises kept." in text
    assert "70.0 %" in text


def test_figures_of_what_was_never_seen_are_null(tmp_path: Path) -> None:
    """A run that breaks promises leaves a report as well, and no number that is none."""
    write_json(tmp_path / "figures.json", {"seconds": math.nan, "all": [1.5, math.inf]})
    assert json.loads((tmp_path / "figures.json").read_text()) == {"seconds": None, "all": [1.5, None]}
