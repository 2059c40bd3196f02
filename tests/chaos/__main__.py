"""Runs a campaign and writes its page: `python -m tests.chaos --help`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from .campaign import keep, kept, planned, play
from .report import page

RESULTS = Path("reports/chaos.jsonl")
PAGE = Path("docs/recovery-benchmark.md")


def main() -> int:
    """Run what is not in the results yet; then write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="C01", help="scenarios; all by default")
    parser.add_argument("--often", type=int, default=10, help="runs per arm of C01, C02, C04 and C12 (default 10)")
    parser.add_argument("--seldom", type=int, default=5, help="runs of the others (default 5)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31), help="random by default")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"where runs are kept (default {RESULTS})")
    parser.add_argument("--fresh", action="store_true", help="begin anew")
    parser.add_argument("--no-page", action="store_true", help=f"do not write {PAGE}")
    options = parser.parse_args()
    if options.fresh:
        options.results.unlink(missing_ok=True)
    done = kept(options.results)
    known = {(run.scenario, run.arm, run.run) for run in done}
    wanted = list(planned(options.only, options.often, options.seldom))
    left = [item for item in wanted if (item[0].name, item[1], item[2]) not in known]
    for number, (scenario, arm, run) in enumerate(left, 1):
        began = time.monotonic()
        result = play(scenario, arm, run, options.seed)
        keep(options.results, result)
        done.append(result)
        took = f"{result.total:.2f} s" if result.total is not None else "no outage" if result.recovered else "not back"
        harm = f"; {'; '.join(result.breaches)}" if result.breaches else ""
        print(
            f"[{number}/{len(left)}] {scenario.name} {arm} run {run}: {took}{harm} ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
    if not options.no_page:
        PAGE.write_text(page(done))
        print(f"wrote {PAGE}")
    return 1 if any(run.breaches for run in done if run.arm == "ours") else 0


if __name__ == "__main__":
    sys.exit(main())
