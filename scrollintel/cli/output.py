"""What a command shows: tables for people, the API's JSON for programs, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .problems import CommandError, UnexpectedAnswerError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Cell = Callable[[Mapping[str, Any]], object]  # Any: JSON values
"""Gives what a column shows of an item."""
Columns = Mapping[str, str | Cell]
"""Headings and, for each, the name of a field or what gives the cell."""

STYLES = {
    "closed": "green", "ok": "green", "healthy": "green", "none": "green", "succeeded": "green", "fresh": "green",
    "open": "red", "isolated": "red", "fail": "red", "failed": "red", "unhealthy": "red", "severe": "red",
    "critical": "red", "half_open": "yellow", "warn": "yellow", "degraded": "yellow", "minimal": "yellow",
    "moderate": "yellow", "stale": "yellow", "running": "cyan", "shedding": "red", "panics": "red", "cold": "yellow",
    "suspected": "yellow", "releasing": "yellow", "refusing": "yellow", "reduced": "yellow", "ejected": "yellow",
    "full": "yellow", "empty": "yellow",
}  # fmt: skip
_WIDE = 10_000


def plain(value: object) -> str:
    """Return a value as one line of text; characters that could steer a terminal are shown as escapes."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def ago(value: object, now: datetime | None = None) -> str:
    """Return how long a moment (RFC 3339) is ago, or how long it is ahead, in the largest unit that fits."""
    try:
        moment = datetime.fromisoformat(str(value))
        seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    except (ValueError, TypeError):
        return plain(value)
    text = span(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def age_of(name: str, missing: str = "–") -> Cell:
    """Return a cell that shows how long the moment in a field is ago, or `missing` when there is none."""
    return lambda item: ago(item[name]) if item.get(name) else missing


def part(item: Mapping[str, Any], name: str) -> dict[str, Any]:  # Any: JSON values
    """Return the object in a field of an answer, or an empty one when nothing of the kind is there."""
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def parts(item: Mapping[str, Any], name: str) -> list[dict[str, Any]]:  # Any: JSON values
    """Return the objects in a list of an answer, or none when nothing of the kind is there."""
    found = item.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def span(seconds: float) -> str:
    """Return a duration in the largest unit that fits, such as `3 min`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.0f} ms"


def _cell(item: object, cell: str | Cell) -> object:
    """Return what a column shows; an item of another shape than the API's is not taken for a mistake of ours."""
    if not isinstance(item, dict):
        raise UnexpectedAnswerError("the answer lists something that is no object; is this a control plane?")
    if isinstance(cell, str):
        return item.get(cell)
    try:
        return cell(item)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UnexpectedAnswerError("the answer has another shape than this version knows") from None


class Output:
    """Writes to standard output and standard error.

    Arguments:
        as_json: Whether programs read it.
        color: False for no colours at all; True leaves it to the terminal.
    """

    def __init__(self, *, as_json: bool = False, color: bool = True) -> None:
        self.as_json = as_json
        self._color = color

    def console(self, *, error: bool = False) -> Console:
        """Return a Rich console; what is not a terminal gets no colours and lines that are never cut."""
        from rich.console import Console

        stream = sys.stderr if error else sys.stdout
        width = None if stream.isatty() else _WIDE
        return Console(file=stream, no_color=not self._color or None, highlight=False, width=width, soft_wrap=False)

    def _print(self, table: Table) -> None:
        """Write a table; what fills the width of its last column is left out, which in a pipe would be most of it."""
        console = self.console()
        with console.capture() as captured:
            console.print(table)
        self.raw("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def raw(self, text: str) -> None:
        """Write text as it is, with a line end."""
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()

    def json(self, value: object) -> None:
        """Write a value as JSON."""
        self.raw(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def say(self, sentence: str) -> None:
        """Write one sentence for people; programs do not need it."""
        if not self.as_json:
            self.raw(plain(sentence))

    def note(self, sentence: str) -> None:
        """Write a remark to standard error; programs get it as `{"note": ...}`."""
        text = json.dumps({"note": sentence}, ensure_ascii=False) if self.as_json else plain(sentence)
        sys.stderr.write(f"{text}\n")

    def table(self, items: Sequence[Mapping[str, Any]], columns: Columns, empty: str) -> None:
        """Write items as a table.

        Arguments:
            items: JSON objects.
            columns: What is shown of each.
            empty: The sentence that stands for a table without rows.
        """
        if not items:
            self.raw(empty)
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        for heading in columns:
            table.add_column(heading, overflow="fold")
        for item in items:
            texts = [plain(_cell(item, cell)) for cell in columns.values()]
            table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in texts))
        self._print(table)

    def facts(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Write names and values below each other."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False, show_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            text = plain(value)
            table.add_row(Text(name), Text(text, style=STYLES.get(text, "")))
        self._print(table)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str, int, int], None]]:
        """Give what shows how far a long work is: called with what is done now, how much of it, and how much there is.

        The bar appears on a terminal only, on standard error.
        """
        if self.as_json or not sys.stderr.isatty():
            yield lambda part, done, total: None
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, console=self.console(error=True), transient=True) as bar:
            task = bar.add_task(what, total=None)

            def tell(part: str, done: int, total: int) -> None:
                bar.update(task, description=f"{what} {plain(part)}", completed=done, total=total or None, refresh=True)

            yield tell

    def failure(self, error: CommandError) -> None:
        """Write what went wrong to standard error."""
        if self.as_json:
            sys.stderr.write(json.dumps(error.document(), ensure_ascii=False, default=str) + "\n")
            return
        first, *rest = error.lines()
        try:
            from rich.text import Text
        except ModuleNotFoundError:  # that it is missing may be what is to be told
            sys.stderr.write("".join(f"{line}\n" for line in (f"Error: {plain(first)}", *map(plain, rest))))
            return
        console = self.console(error=True)
        console.print(Text("Error: ", style="bold red").append(plain(first), style="not bold default"))
        for line in rest:
            console.print(Text(plain(line)))
