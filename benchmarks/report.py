"""The tables as text for a terminal."""

from __future__ import annotations

from .candidate import Kind
from .table import Table

_MARKS = {Kind.BARE: "=", Kind.FLOOR: "-", Kind.PEER: " ", Kind.OURS: "*"}
_KEPT = {True: "kept", False: "MISSED", None: "open"}


def console(table: Table) -> str:
    """Return one table with its verdicts. Marks: = bare, - floor, * ours."""
    lines = [
        f"\n## {table.name}: {table.title}",
        f"{'':46} {'best ' + table.unit:>14} {'median':>12} {'over bare':>11} {'x peer':>7}  note",
    ]
    for row in table.ordered():
        over = f"{row.best - table.bare.best:,.0f}" if table.bare and not row.highest else ""
        share = table.of_fastest_peer(row)
        ratio = "" if share is None else f"{share:.2f}"
        lines.append(
            f"{_MARKS[row.kind]} {row.name:44} {row.best:14,.1f} {row.median:12,.1f} {over:>11} {ratio:>7}  {row.note}"
        )
    lines += [f"  left out: {reason}" for reason in table.left_out]
    for verdict in table.verdicts:
        lines.append(f"  {_KEPT[verdict.kept]:6} {verdict.row}: {verdict.measured} (target {verdict.target})")
    return "\n".join(lines)


def summary(tables: list[Table]) -> str:
    """Return all verdicts in one list, and how many targets were missed."""
    verdicts = [(table, verdict) for table in tables for verdict in table.verdicts]
    lines = ["\n## Targets"]
    for table, verdict in verdicts:
        lines.append(
            f"{_KEPT[verdict.kept]:6} {table.name:22} {verdict.row:44} {verdict.measured:>18}  target {verdict.target}"
        )
    missed = sum(verdict.kept is False for _, verdict in verdicts)
    lines.append(f"{len(verdicts)} targets, {missed} missed")
    return "\n".join(lines)
