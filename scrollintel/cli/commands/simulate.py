"""`scrollintel simulate`: what policies do in a scenario, in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...simulation.examples import EXAMPLES
from ..exit_codes import ExitCode
from ..output import Columns
from ..problems import CommandError
from ..program import Command
from ..session import Session

if TYPE_CHECKING:
    from ...simulation import Report, Run
    from ...simulation.chart import Chart

_SEEDS = re.compile(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", re.ASCII)
MAX_SEEDS = 1000


class SeedsType(click.ParamType[tuple[int, ...]]):
    """One or more seeds."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return whole numbers from a text such as `3`, `1-5` or `1,4,7-9`."""
        if not isinstance(value, str):
            return tuple(value)
        found: dict[int, None] = {}
        if _SEEDS.fullmatch(value):
            for part in value.split(","):
                first, _, last = part.partition("-")
                if int(last or first) - int(first) >= MAX_SEEDS:
                    break
                found.update(dict.fromkeys(range(int(first), int(last or first) + 1)))
        if not 0 < len(found) <= MAX_SEEDS:
            self.fail(f"{value!r} is neither a seed nor a range such as 1-5 of at most {MAX_SEEDS}", param, ctx)
        return tuple(found)


@click.command("simulate", cls=Command)
@click.argument("scenario", required=False, metavar="[SCENARIO]")
@click.option("--example", type=click.Choice(EXAMPLES), help="Run a scenario that ships instead of a file.")
@click.option("--show", is_flag=True, help="Print the example's file, to start from, and run nothing.")
@click.option("--seed", "--seeds", "seeds", type=SeedsType(), default="1", help="A number, or several: 1-5; default 1.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="Only this policy; may be repeated.")
@click.option("--chart", metavar="FILE", help="Write goodput over time as SVG to this file.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes at once; default: one for each processor.")
@click.pass_obj
def simulate(
    session: Session,
    scenario: str | None,
    example: str | None,
    show: bool,
    seeds: tuple[int, ...],
    policies: tuple[str, ...],
    chart: str | None,
    jobs: int | None,
) -> int:
    """Run policies in virtual time against a modelled service, and compare them.

    SCENARIO is a TOML file with requests, clients, a service, what befalls it, and policies. The real pipelines run,
    under a clock that jumps: minutes take seconds, and the same file and seed give the same output to the byte.
    No control plane is asked. Exit code 1 when a policy is not as the file expects ([expect.NAME]).
    """
    from ...simulation import example as shipped
    from ...simulation import load_scenario, shortfalls, simulate_many
    from ...simulation.chart import Chart
    from ...simulation.examples import example_text

    if (scenario is None) == (example is None):
        listed = ", ".join(EXAMPLES)
        raise CommandError("give either a file or --example", ExitCode.USAGE, "usage", f"examples: {listed}")
    if show:
        if example is None:
            raise CommandError("--show goes with --example", ExitCode.USAGE, "usage")
        session.output.raw(example_text(example))
        return ExitCode.OK
    picture_file = chart_file(chart)
    told = shipped(example) if example is not None else load_scenario(Path(str(scenario)).expanduser())
    with session.output.progress("simulating") as tell:
        try:
            reports = simulate_many(
                told,
                seeds=seeds,
                policies=policies or None,
                jobs=jobs,
                progress=lambda name, share: tell(name, round(1000 * share), 1000),
            )
        except BrokenProcessPool:
            hint = "if memory is short, --jobs 1 needs less"
            raise CommandError("a process that simulates was killed", code="process_killed", hint=hint) from None
    missed = shortfalls(told.expect, reports)
    code = ExitCode.FAILED if missed else ExitCode.OK
    picture = Chart.of(reports)
    if picture_file is not None:
        picture_file.write_text(picture.to_svg(), encoding="utf-8")
    if session.json:
        session.output.json(
            {
                "scenario": told.name,
                "reports": [report.to_dict() for report in reports],
                "shortfalls": [item.to_dict() for item in missed],
            }
        )
        return code
    session.output.say(told.name if told.about is None else f"{told.name}: {told.about}")
    draw(session, picture)
    session.output.raw("")
    _table(session, reports)
    if told.expect:
        session.output.say("")
        session.output.say("Not as expected:" if missed else "Everything is as expected.")
    for item in missed:
        session.output.say(f"  {item}")
    return code


def chart_file(given: str | None) -> Path | None:
    """Return where a chart goes; what has no folder is refused before minutes have been spent on it."""
    if given is None:
        return None
    file = Path(given).expanduser()
    if not file.parent.is_dir():
        raise CommandError(f"--chart: there is no folder {file.parent}", ExitCode.USAGE, "usage")
    return file


def draw(session: Session, picture: Chart) -> None:
    """Write a chart of blocks as wide as the terminal."""
    for line in picture.to_text(min(session.output.console().width, 100)):
        session.output.raw(line)


def _table(session: Session, reports: Sequence[Report]) -> None:
    rows = [{"runs": [report[run.policy] for report in reports]} for run in reports[0].runs]

    def over(cell: Callable[[Run], str | float | None], show: Callable[[float], str]) -> Callable[[Any], str]:
        return lambda row: _range([cell(run) for run in row["runs"]], show)

    columns: Columns = {
        "Policy": lambda row: row["runs"][0].policy,
        "Before": over(lambda run: run.before, _percent),
        "During": over(lambda run: run.during, _percent),
        "After": over(lambda run: run.after, _percent),
        "Recovery": over(lambda run: "never" if run.recovery is None else run.recovery, lambda value: f"{value:g} s"),
        "Attempts": over(lambda run: run.attempts_per_request, lambda value: f"{value:.2f}"),
        "At once": over(lambda run: run.most_running, lambda value: f"{value:.0f}"),
        "p50": over(lambda run: run.p50, _milliseconds),
        "p99": over(lambda run: run.p99, _milliseconds),
        "Refused by": lambda row: _refusals(row["runs"]),
    }
    session.output.table(rows, columns, "No policies.")
    many = "" if len(reports) == 1 else f"; lowest and highest of {len(reports)} seeds"
    session.output.say("")
    session.output.say(
        "Goodput before, during and after the trouble: requests that the service answered in the end. Recovery: from "
        f"the end of the trouble until goodput stays up. Attempts: that reached the service, for each request{many}."
    )


def _range(values: Sequence[str | float | None], show: Callable[[float], str]) -> str:
    """Return one value, or the lowest and the highest; texts, such as never, stand at the end."""
    numbers = sorted(value for value in values if isinstance(value, int | float))
    texts = list(dict.fromkeys(value for value in values if isinstance(value, str)))
    ends = list(dict.fromkeys(show(number) for number in numbers[:1] + numbers[-1:]))
    if len(ends) == 2 and ends[0].partition(" ")[2] == ends[1].partition(" ")[2]:
        ends[0] = ends[0].partition(" ")[0]  # the unit stands once
    return " – ".join(ends + texts) or "–"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def _refusals(runs: Sequence[Run]) -> str:
    """Return the share of all requests that each layer refused, by the code of its error."""
    offered = sum(run.offered for run in runs)
    counts: dict[str, int] = {}
    for run in runs:
        for code, count in run.refused.items():
            counts[code] = counts.get(code, 0) + count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {100 * count / offered:.1f} %" for code, count in ordered) or "–"
