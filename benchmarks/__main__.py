"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path

from . import document, floors, machine, peers, report
from .candidate import Field, Kind
from .cases import CASES
from .table import Table
from .targets import judge
from .timing import Run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Cost of a protected call, beside peers.")
    parser.add_argument("--cases", default=",".join(CASES), help="comma-separated; default: all")
    parser.add_argument("--only", default="", help="peers and floors whose name contains one of these words, and ours")
    parser.add_argument("--rounds", type=int, default=30, help="rounds per case (default %(default)s)")
    parser.add_argument("--slice-ms", type=float, default=4.0, help="CPU time of a candidate per round")
    parser.add_argument("--seed", type=int, default=1, help="of the random order")
    parser.add_argument("--quick", action="store_true", help="few rounds and small counts: a look, not a measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--list", action="store_true", help="list the cases and who takes part")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.cases.split(",")) - set(CASES))
    if unknown:
        parser.error(f"unknown cases: {', '.join(unknown)}; known: {', '.join(CASES)}")
    if arguments.write_docs and (arguments.quick or arguments.only or arguments.cases != ",".join(CASES)):
        parser.error("--write-docs needs a whole run, without --quick, --cases and --only")
    return arguments


def _field(only: str) -> Field:
    """Return everybody who takes part."""
    field = Field()
    floors.enlist(field)
    peers.enlist(field)
    words = [word for word in only.split(",") if word]
    if words:
        for form, candidates in field.candidates.items():
            field.candidates[form] = [
                candidate
                for candidate in candidates
                if candidate.kind is Kind.BARE or any(word in candidate.name for word in words)
            ]
        field.imports = {name: line for name, line in field.imports.items() if any(word in name for word in words)}
    try:
        from . import ours
    except ImportError as error:
        print(f"scrollintel takes no part: {error}", file=sys.stderr)
    else:
        ours.enlist(field)
    return field


def _run(arguments: argparse.Namespace) -> Run:
    quick = arguments.quick
    return Run(
        rounds=min(arguments.rounds, 6) if quick else arguments.rounds,
        slice_ms=min(arguments.slice_ms, 2.0) if quick else arguments.slice_ms,
        seed=arguments.seed,
        instances=1000 if quick else 10_000,
        rejections=50_000 if quick else 1_000_000,
        threads=(64,) if quick else (2, 8, 64),
        tasks=(10_000,) if quick else (1000, 10_000),
        keys=(1000, 10_000) if quick else (1000, 100_000),
    )


def _list(field: Field) -> None:
    print("cases: " + ", ".join(CASES))
    for form, candidates in field.candidates.items():
        print(f"{form.value}: " + ", ".join(candidate.name for candidate in candidates))


def _write(arguments: argparse.Namespace, run: Run, field: Field, tables: list[Table]) -> None:
    settings = f"{run.rounds} rounds of {run.slice_ms:g} ms CPU time per candidate, seed {run.seed}"
    if arguments.json:
        content = {
            "machine": machine.describe(),
            "settings": settings,
            "versions": field.versions,
            "missing": field.missing,
            "cases": [table.to_dict() for table in tables],
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if arguments.write_docs:
        extra = "".join(
            f" --{name} {value}"
            for name, value, usual in (
                ("rounds", run.rounds, 30),
                ("slice-ms", run.slice_ms, 4.0),
                ("seed", run.seed, 1),
            )
            if value != usual
        )
        command = f'make bench ARGS="--write-docs{extra}"'
        document.write(document.markdown(tables, machine.describe(), settings, command, field.versions))


def main() -> int:
    arguments = _arguments()
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    field = _field(arguments.only)
    if field.missing:
        print(f"not installed and left out: {', '.join(field.missing)}", file=sys.stderr)
    if arguments.list:
        _list(field)
        return 0
    run = _run(arguments)
    print(f"{machine.describe()}; {run.rounds} rounds x {run.slice_ms:g} ms, seed {run.seed}")
    print("peers: " + ", ".join(field.versions))
    tables: list[Table] = []
    with run.loop:
        for name in arguments.cases.split(","):
            for table in CASES[name](run, field):
                table.rows = [row for row in table.rows if row.samples]
                judge(table)
                tables.append(table)
                print(report.console(table), flush=True)
    print(report.summary(tables))
    _write(arguments, run, field, tables)
    missed = any(verdict.kept is False for table in tables for verdict in table.verdicts)
    return 1 if arguments.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
