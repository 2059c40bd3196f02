"""The end of the run: the table of measured figures, and the same as JSON."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import scrollintel

from .arguments import Options
from .figures import Figure
from .stage import Stage

SCHEMA = 1


def broken(figures: Sequence[Figure]) -> list[Figure]:
    """Return the promises that were not kept."""
    return [figure for figure in figures if figure.is_promise and not figure.kept]


def table(figures: Sequence[Figure]) -> Table:
    """Return the table of all figures, scenario by scenario."""
    result = Table(box=SIMPLE_HEAD, title="measured figures", title_style="bold", pad_edge=False)
    result.add_column("")
    result.add_column("measured", justify="right", no_wrap=True)
    result.add_column("promised", no_wrap=True, style="dim")
    result.add_column("", no_wrap=True)
    last = ""
    for figure in figures:
        if figure.scenario != last:
            if last:
                result.add_section()
            result.add_row(Text(figure.scenario, style="bold cyan"))
            last = figure.scenario
        verdict = (
            Text("") if not figure.is_promise else Text("✔", "green") if figure.kept else Text("✘ broken", "bold red")
        )
        result.add_row(f"  {figure.title}", figure.measured(), figure.bound(), verdict)
    return result


def verdict(figures: Sequence[Figure]) -> Text:
    """Return the last words: all promises kept, or which were not."""
    promises = [figure for figure in figures if figure.is_promise]
    missed = broken(figures)
    if not missed:
        return Text(f"All {len(promises)} promises kept.", style="bold green")
    text = Text(f"{len(missed)} of {len(promises)} promises broken:", style="bold red")
    for figure in missed:
        text.append(
            f"\n  {figure.scenario}: {figure.title}: {figure.measured()}, promised {figure.bound()}", style="red"
        )
    return text


def print_report(console: Console, figures: Sequence[Figure]) -> None:
    """Print table and verdict."""
    console.print(table(figures))
    console.print(verdict(figures), soft_wrap=True)


def as_json(stage: Stage, options: Options, played: Sequence[dict[str, Any]], began: datetime) -> dict[str, Any]:
    """Return everything that was measured as JSON values; durations in seconds, shares from 0 to 1."""
    missed = broken(stage.figures)
    return {
        "schema": SCHEMA,
        "version": scrollintel.__version__,
        "started_at": began.isoformat(),
        "seconds": stage.timeline.now(),
        "options": {"seed": options.seed, "rate": options.rate, "duration": options.duration},
        "machine": {"python": platform.python_version(), "system": platform.system(), "release": platform.release()},
        "promises_kept": not missed,
        "broken": [figure.to_dict() for figure in missed],
        "scenarios": list(played),
        "timeline": [entry.to_dict() for entry in stage.timeline.entries],
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write the document in one step."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(_seen(document), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _seen(value: Any) -> Any:  # Any: JSON values, and numbers of what was never seen
    """Return a value with null for every number that is none: what was not seen has no time."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _seen(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_seen(item) for item in value]
    return value
