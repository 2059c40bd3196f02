"""Runs a scenario under several seeds, on all processors: each run is a process's own and the same anywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context

from .report import Report, Run
from .run import chosen, run_one
from .scenario import Scenario

Told = Callable[[str, float], object]
"""Is told what was done last or is being done, and which share of everything is done."""


def simulate_many(
    scenario: Scenario,
    *,
    seeds: Sequence[int] = (1,),
    policies: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Told | None = None,
) -> tuple[Report, ...]:
    """Run a scenario under several seeds and return one report for each, in their order.

    With several jobs a program that calls this needs the usual `if __name__ == "__main__":`, because fresh processes
    import it; `jobs=1` needs nothing.

    Arguments:
        scenario: What happens, and the policies to compare.
        seeds: Whole numbers.
        policies: Names of the policies to run; all by default.
        jobs: Processes that compute at once; by default as many as there are processors, and none beside this one when
            there is one run only.
        progress: Is told how far it is, 0 to 1.

    Raises:
        ConfigError: when a name is unknown.
        BrokenProcessPool: when one of the processes was killed.
    """
    names = chosen(scenario, policies)
    todo = [(name, seed) for seed in seeds for name in names]
    tell = progress or (lambda what, share: None)
    most = min(len(todo), jobs or os.cpu_count() or 1)
    done: dict[tuple[str, int], Run] = {}
    if most <= 1:
        for name, seed in todo:
            done[name, seed] = run_one(scenario, name, seed, _part(tell, len(done), len(todo)))
    else:
        with _pool(most) as pool:
            running = {pool.submit(run_one, scenario, name, seed): (name, seed) for name, seed in todo}
            for future in as_completed(running):
                done[running[future]] = future.result()
                tell(running[future][0], len(done) / len(todo))
    return tuple(Report.of(scenario, seed, tuple(done[name, seed] for name in names)) for seed in seeds)


def _part(tell: Told, before: int, runs: int) -> Told:
    return lambda name, share: tell(name, (before + share) / runs)


def _end_quietly() -> None:
    """Let Ctrl-C, which every process of a terminal gets, end this one without a word: the first one tells."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of fresh processes, whose work ends with the block also when that ends in an error."""
    # Fresh ones, because a process with threads must not be forked.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_quietly)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
