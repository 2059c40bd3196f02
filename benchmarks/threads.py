"""Many threads behind one circuit: calls per second by the wall clock."""

from __future__ import annotations

import threading
import time
from itertools import repeat
from typing import Any

from . import operations
from .candidate import Field, Form, Kind
from .table import Row, Table
from .timing import Run

_SLICE = 0.08  # seconds of one sample


def _throughput(call: Any, threads: int, count: int) -> float:
    """Return calls per second of `threads` threads that call `count` times each, all starting together."""
    start_line = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def work() -> None:
        start_line.wait()
        try:
            for _ in repeat(None, count):
                call(1)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start_line.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - start
    if errors:
        raise errors[0]
    return threads * count / seconds


def _calibrated(call: Any, threads: int) -> int:
    """Return how many calls per thread fill `_SLICE`, found by trying more and more."""
    count = 2
    while True:
        rate = _throughput(call, threads, count)
        if threads * count >= rate * _SLICE / 4:
            return max(2, int(rate * _SLICE / threads))
        count *= 4


def _tables(run: Run, field: Field, name: str, title: str, meaning: str, body: Any) -> list[Table]:
    """Measure every candidate with each number of threads."""
    calls: dict[str, Any] = {}
    left_out: list[str] = []
    kinds: dict[str, Kind] = {}
    for candidate in field.of(Form.PLAIN_BREAKER):
        if candidate.kind is not Kind.BARE and not candidate.promises:
            continue
        try:
            calls[candidate.name] = candidate.build(body)
            _throughput(calls[candidate.name], 1, 20)
            kinds[candidate.name] = candidate.kind
        except Exception as error:
            left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")
    tables = []
    for threads in run.threads:
        rows = [Row(row, kind, highest=True) for row, kind in kinds.items()]
        table = Table(
            f"{name}_{threads}", f"{threads} {title}", meaning, "calls/s", rows, over_bare=False, left_out=left_out
        )

        counts = {row.name: _calibrated(calls[row.name], threads) for row in rows}

        def measure(row: Row, threads: int = threads, counts: dict[str, int] = counts) -> None:
            row.samples.append(_throughput(calls[row.name], threads, counts[row.name]))

        run.interleave(rows, measure, rounds=max(3, run.rounds // 4))
        tables.append(table)
    return tables


def threads(run: Run, field: Field) -> list[Table]:
    """Measure with an operation that does nothing, so that the circuit is all there is to fight over."""
    meaning = "An operation that does nothing: throughput when the circuit is all there is to fight over."
    return _tables(run, field, "threads", "threads on one circuit, empty body", meaning, operations.echo)


def threads_waiting(run: Run, field: Field) -> list[Table]:
    """Measure with an operation that waits a millisecond and lets other threads run meanwhile."""
    meaning = "An operation that waits 1 ms without the interpreter's lock: throughput near to that of real use."
    return _tables(
        run,
        field,
        "threads_waiting",
        "threads on one circuit, body waits 1 ms",
        meaning,
        operations.wait_a_millisecond,
    )
