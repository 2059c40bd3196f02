"""`python -m benchmarks.overload_http`: capacity falls for a while; what clients still get done, by policy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import document
from benchmarks.machine import describe
from scrollintel.simulation.run import simulate

from . import page
from .progress import Progress, tell
from .running import measure
from .scene import FULL, QUICK, Lengths, scene
from .variants import VARIANTS, Variant

PAGE = document.PAGE.with_name("benchmarks-overload.md")
WRITER = "python -m benchmarks.overload_http --write-docs"


def world(lengths: Lengths, *, cold: bool, variants: Sequence[Variant], seed: int) -> page.World:
    """Measure all variants with one kind of server, for real and in virtual time."""
    policies = {one.name: one.policy for one in VARIANTS if one.policy is not None}
    scenario = scene(lengths, cold=cold, policies=policies)
    measured = []
    for number, one in enumerate(variants, 1):
        progress = Progress(f"{scenario.name}, {one.name} ({number} of {len(variants)})", scenario, sys.stderr)
        measured.append(measure(scenario, one.name, seed, progress=progress))
    tell(f"{scenario.name}, in virtual time")
    known = [one.name for one in variants if one.policy is not None]
    runs = simulate(scenario, seed=seed, policies=known).runs if known else ()
    return page.World(scenario, measured, {run.policy: run for run in runs})


def chosen_variants(names: str | None, parser: argparse.ArgumentParser) -> list[Variant]:
    """Return the variants that were asked for and can run; say which cannot."""
    known = {one.name: one for one in VARIANTS}
    wanted = list(known) if names is None else [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            parser.error(f"--only: {name!r} is none of {', '.join(known)}")
        if known[name].missing:
            print(f"Left out: {name}, because {', '.join(known[name].missing)} is not installed.", file=sys.stderr)
    found = [known[name] for name in wanted if not known[name].missing]
    if not found:
        parser.error("--only: no variant is left")
    return found


def main() -> int:
    """Measure, print, and write the page when that is asked for; 130 after Ctrl-C."""
    try:
        return run()
    except KeyboardInterrupt:
        tell("")
        print("Broken off.", file=sys.stderr)
        return 130


def run() -> int:
    """Do what the arguments say, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload_http", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short phases, a warm server: a look of two minutes")
    parser.add_argument("--server", choices=("warm", "cold"), help="only this kind of server (default both)")
    parser.add_argument("--only", metavar="NAME,NAME", help="only these variants (see --list)")
    parser.add_argument("--seed", type=int, default=1, help="of the requests' times (default %(default)s)")
    parser.add_argument("--list", action="store_true", help="say what the variants are made of, and measure nothing")
    parser.add_argument("--write-docs", action="store_true", help=f"write docs/{PAGE.name} and its charts")
    chosen = parser.parse_args()
    if chosen.list:
        for one in VARIANTS:
            print(f"{one.name}: {one.about}")
        return 0
    if chosen.write_docs and (chosen.quick or chosen.server or chosen.only):
        parser.error("--write-docs needs a whole run, without --quick, --server and --only")
    variants = chosen_variants(chosen.only, parser)
    if chosen.write_docs and len(variants) < len(VARIANTS):
        parser.error("--write-docs needs every variant; `make bench-overload` installs what they need")
    servers = [chosen.server] if chosen.server else ["warm"] if chosen.quick else ["warm", "cold"]
    lengths = QUICK if chosen.quick else FULL
    worlds = [world(lengths, cold=kind == "cold", variants=variants, seed=chosen.seed) for kind in servers]
    tell("")
    print(page.text(worlds, describe(), chosen.seed, pictures=False))
    if not all(one.valid for each in worlds for one in each.measured):
        print("Not valid: the machine is too busy for the load itself; nothing is written.", file=sys.stderr)
        return 1
    if chosen.write_docs:
        for each in worlds:
            (PAGE.parent / "images" / each.picture).write_text(each.chart.to_svg(), encoding="utf-8")
        document.write(page.text(worlds, describe(), chosen.seed, pictures=True), PAGE, WRITER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
