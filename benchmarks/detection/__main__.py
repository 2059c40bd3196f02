"""`python -m benchmarks.detection`: how fast failures are noticed and repaired, and how often wrongly."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe

from .calm import CALM_HEAD, COST_HEAD, Calm, Cost, healthy, many
from .figures import HEAD, Times
from .recoveries import recoveries
from .speed import connections, exits, hangs, silences
from .subjects import burners
from .watching import INTERVAL, TIMEOUT

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-detection.md"
BURNERS = 4
BUSY = f"{BURNERS} CPU burners"


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was measured."""

    times: list[Times]
    calm: list[Calm]
    cost: Cost
    repaired: list[Times]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(times.met for times in self.times + self.repaired) and not any(calm.declared for calm in self.calm)


def measure(runs: int, seconds: float) -> Found:
    """Measure everything; `runs` failures of each kind, and healthy targets for `seconds`."""
    measurements = (exits, connections, silences, hangs)
    times = [measured("idle", runs, progress) for measured in measurements]
    repaired = recoveries(min(runs, 60), progress)
    cost = many(1000, min(20.0, seconds), progress)
    calm = [healthy("idle", min(60.0, seconds), progress)]
    with burners(BURNERS):
        times += [measured(BUSY, max(5, runs // 2), progress) for measured in measurements]
        calm.append(healthy(BUSY, seconds, progress))
    return Found(times, calm, cost, repaired)


def progress(what: str, done: int, of: int) -> None:
    """Say on a terminal how far it is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what}: {done} of {of}")
        sys.stderr.flush()


def page(found: Found) -> str:
    """Return the page that tells what was measured."""
    return f"""# How fast failures are noticed

`make bench-detection` measures it on real processes that are killed, stopped or left alone, with the watcher that
`scrollintel serve` runs. Checks run every {INTERVAL:g} s with a timeout of {TIMEOUT:g} s; two bad looks, the second
one fresh, declare a failure. Below, load means busy loops beside watcher and services, on the same cores.

{describe()}

## From failure to declaration

{HEAD}
{_lines(found.times)}

A hang takes at most an interval and two timeouts to declare: one look that gets no answer, and the fresh one that
confirms it. An exit and the end of a held connection are told by the kernel.

## What is healthy stays healthy

Five each of: a process, a held connection, an HTTP server, a program that beats (every 0.15 s, timeout 0.6 s). A
suspicion leads to a fresh look and to nothing else; a declaration would lead to a repair.

{CALM_HEAD}
{_lines(found.calm)}

## From failure to proven health

`scrollintel serve` with `mode = "recover"` on SQLite, and a web server as its child that is killed with SIGKILL; each
moment is read from the record of the recovery. Healthy means three good looks in a row at everything.

{HEAD}
{_lines(found.repaired)}

## What watching costs

{COST_HEAD}
{found.cost.row()}
"""


def _lines(rows: list[Times] | list[Calm]) -> str:
    return "\n".join(row.row() for row in rows)


def main() -> int:
    """Measure, tell, and fail when a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="failures of each kind (default 100)")
    parser.add_argument("--seconds", type=float, default=600.0, help="time of healthy targets under load (default 600)")
    parser.add_argument("--quick", action="store_true", help="the same in about a minute, and no page")
    chosen = parser.parse_args()
    found = measure(8, 10.0) if chosen.quick else measure(chosen.runs, chosen.seconds)
    text = page(found)
    progress("done", 1, 1)
    print(text)
    if not chosen.quick:
        PAGE.write_text(text, encoding="utf-8")
    return 0 if found.kept else 1


if __name__ == "__main__":
    sys.exit(main())
