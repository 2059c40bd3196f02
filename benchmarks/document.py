"""The tables as Markdown, written between two markers of the documentation page."""

from __future__ import annotations

from pathlib import Path

from .candidate import Kind
from .table import Row, Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
WRITER = "python -m benchmarks --write-docs"
_END = "<!-- benchmarks: end -->"
_KEPT = {True: "kept", False: "**missed**", None: "–"}


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _name(row: Row) -> str:
    name = row.name.replace("|", "\\|")
    return f"**{name}**" if row.kind is Kind.OURS else f"*{name}*" if row.kind in (Kind.BARE, Kind.FLOOR) else name


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _section(table: Table) -> list[str]:
    added = table.over_bare and table.bare is not None
    header = ["", f"best, {table.unit}", "median"] + (["added to bare"] if added else []) + ["× fastest peer", "check"]
    lines = [
        f"### {table.title}",
        "",
        table.meaning,
        "",
        _cells(*header),
        _cells("---", *["---:"] * (len(header) - 2), "---"),
    ]
    for row in table.ordered():
        share = table.of_fastest_peer(row)
        ratio = "" if share is None else f"{share:.2f}"
        cells = [_name(row), _number(row.best), _number(row.median)]
        cells += [_number(table.figure(row))] if added else []
        lines.append(_cells(*cells, "" if row.kind is Kind.BARE and added else ratio, row.note))
    lines += ["", *[f"Left out: {reason}." for reason in table.left_out]] if table.left_out else []
    return [*lines, ""]


def markdown(tables: list[Table], machine: str, settings: str, command: str, versions: list[str]) -> str:
    """Return the generated part of the page."""
    lines = [
        "Made by:",
        "",
        f"```sh\n{command}\n```",
        "",
        f"{machine}. {settings}. Peers: {', '.join(versions) or 'none installed'}.",
        "",
        "### Targets",
        "",
        _cells("case", "variant", "target", "measured", ""),
        _cells("---", "---", "---", "---:", "---"),
    ]
    for table in tables:
        for verdict in table.verdicts:
            lines.append(_cells(table.title, verdict.row, verdict.target, verdict.measured, _KEPT[verdict.kept]))
    lines.append("")
    for table in tables:
        lines += _section(table)
    return "\n".join(lines)


def write(text: str, page: Path = PAGE, writer: str = WRITER) -> None:
    """Replace what stands between the markers, of which the first names the `writer`.

    Raises:
        ValueError: when the page lacks them.
    """
    opening = f"<!-- benchmarks: begin, written by {writer} -->"
    content = page.read_text(encoding="utf-8")
    head, begin, rest = content.partition(opening)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks the markers {opening} and {_END}")
    page.write_text(f"{head}{begin}\n\n{text}\n{end}{tail}", encoding="utf-8")
