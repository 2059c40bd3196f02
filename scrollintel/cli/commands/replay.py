"""`scrollintel replay`: what recorded calls would have come to under other policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..exit_codes import ExitCode
from ..output import Columns
from ..problems import CommandError
from ..program import Command
from ..session import Session
from ..values import DURATION
from .simulate import chart_file, draw

if TYPE_CHECKING:
    from ...simulation import Replay, ReplayBucket
    from ...simulation.chart import Chart

_UNIX = 1e9
"""Seconds from which a time is told as one of the day: those since 1970-01-01 UTC, from 2001 on."""


@click.command("replay", cls=Command)
@click.argument("recording")
@click.argument("policies")
@click.option("--policy", "names", multiple=True, metavar="NAME", help="Only this policy; may be repeated.")
@click.option("--bucket", type=DURATION, default=60.0, help="Time for one figure of goodput; default 60s.")
@click.option("--seed", type=click.IntRange(0), default=1, help="What jitter comes from; default 1.")
@click.option("--chart", metavar="FILE", help="Write goodput over time as SVG to this file.")
@click.pass_obj
def replay(
    session: Session,
    recording: str,
    policies: str,
    names: tuple[str, ...],
    bucket: float,
    seed: int,
    chart: str | None,
) -> int:
    """Replay recorded calls against other policies, in virtual time.

    RECORDING has one JSON object a line: at, duration, outcome (success, failure, timeout, refused), and where known
    key, error, call and attempt; `scrollintel.simulation.record` writes it. POLICIES is a TOML file with policies, such
    as a scenario or `scrollintel.toml`. What is assumed is told.
    """
    from ...simulation import load_recording
    from ...simulation import replay as run
    from ...simulation.contender import policies_of
    from ...simulation.examples import read_toml
    from ...simulation.replay import ASSUMPTIONS

    if bucket <= 0.0:
        raise CommandError("--bucket must be above 0", ExitCode.USAGE, "usage")
    known = policies_of(read_toml(Path(policies).expanduser(), "policies"))
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = f"policies: {', '.join(known)}"
        raise CommandError(f"there is no policy {unknown[0]!r} in {policies}", ExitCode.USAGE, "usage", hint)
    picture_file = chart_file(chart)
    chosen = {name: policy for name, policy in known.items() if not names or name in names}
    found = run(load_recording(Path(recording).expanduser()), chosen, bucket=bucket, seed=seed)
    picture = _chart(found)
    if picture_file is not None:
        picture_file.write_text(picture.to_svg(), encoding="utf-8")
    if session.json:
        session.output.json({"replays": [item.to_dict() for item in found], "assumptions": list(ASSUMPTIONS)})
        return ExitCode.OK
    draw(session, picture)
    session.output.raw("")
    session.output.table([{"replay": item} for item in found], _columns(), "No policies.")
    session.output.raw("")
    for item in found:
        session.output.say(_sentence(item))
    session.output.raw("\nAssumed:")
    for sentence in ASSUMPTIONS:
        session.output.say(f"  {sentence}")
    return ExitCode.OK


def _chart(found: Sequence[Replay]) -> Chart:
    from ...simulation.chart import Chart

    lines = {"as recorded": [bucket.goodput_then for bucket in found[0].buckets]}
    lines.update({item.policy: [bucket.goodput for bucket in item.buckets] for item in found})
    return Chart("goodput over time", found[0].bucket, None, lines)


def _columns() -> Columns:
    def of(cell: Callable[[ReplayBucket], object]) -> Callable[[Any], object]:
        return lambda row: cell(row["replay"].total)

    return {
        "Policy": lambda row: row["replay"].policy,
        "Calls": of(lambda total: total.calls),
        "Goodput then": of(lambda total: _percent(total.goodput_then)),
        "Goodput": of(lambda total: _percent(total.goodput)),
        "Attempts then": of(lambda total: total.recorded_attempts),
        "Attempts": of(lambda total: total.attempts),
        "Refused": of(lambda total: total.refused),
        "failed then": of(lambda total: total.avoided),
        "succeeded then": of(lambda total: total.lost),
        "Refused by": lambda row: _refusals(row["replay"].refusals),
    }


def _sentence(item: Replay) -> str:
    worst = item.worst
    return (
        f"With {item.policy!r}, goodput at {_moment(worst.start)} would have been {_percent(worst.goodput)} "
        f"instead of {_percent(worst.goodput_then)}."
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at >= _UNIX else f"{at:g} s"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _refusals(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {count}" for code, count in ordered) or "–"
