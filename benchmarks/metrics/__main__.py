"""`python -m benchmarks.metrics`: what a scrape costs, and that a protected call costs the same with metrics."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.timing import Run

from . import processes, servers
from .figures import CALL_HEAD, SCRAPE_HEAD, Call, Scrape

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-metrics.md"


def page(scrapes: list[Scrape], call: Call) -> str:
    """Return the page that tells what was measured."""
    rows = "\n".join(scrape.row() for scrape in scrapes)
    return f"""# What metrics cost

`make bench-metrics` measures it. Every circuit is called or reported anew between two scrapes, so that nothing can be
at hand from the last one.

{describe()}

## A scrape

A process is asked by `exposition` or through `prometheus_client`, which makes an object of every sample and is told of
without a promise; a control plane is a process of its own on SQLite that is asked over HTTP on this machine. The
promise is about the median.

{SCRAPE_HEAD}
{rows}

## A call

CPU time of a call of a function that does nothing, as in [the benchmarks of the library](benchmarks.md). Both run in
turn in the same rounds; with metrics, the manager is scraped before every slice of calls. Nothing is done on the way of
a call, so the ratio shows how exact the measurement is.

{CALL_HEAD}
{call.row()}
"""


def main() -> int:
    """Measure, print, and write the page when that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--circuits", type=int, default=1000, help="circuits (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="scrapes of each kind (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="few rounds: a look, not a measurement")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks-metrics.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a promise is not kept")
    chosen = parser.parse_args()
    if chosen.write_docs and (chosen.quick or chosen.circuits != 1000):
        parser.error("--write-docs needs a whole run, without --quick and --circuits")
    rounds = 5 if chosen.quick else chosen.rounds
    run = Run(rounds=10 if chosen.quick else 60, slice_ms=4.0, seed=1, instances=0, rejections=0, threads=(), tasks=())
    call = processes.call(run)
    scrapes = processes.scrapes(chosen.circuits, rounds)
    for replicas in (1, 4):
        scrapes += servers.scrapes(chosen.circuits, replicas, rounds)
    text = page(scrapes, call)
    print(text)
    if chosen.write_docs:
        PAGE.write_text(text, encoding="utf-8")
    kept = call.met and all(scrape.met for scrape in scrapes)
    return 1 if chosen.strict and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
