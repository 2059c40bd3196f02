"""What a circuit weighs, at rest and in use, and whether rejections leave anything behind."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

from . import operations
from .candidate import Candidate, Field, Form, Kind
from .many import keys
from .names import DEFAULT
from .table import Row, Table
from .timing import COROUTINE, PLAIN, Colour, Run

MOST_KEYS = 10_000
"""Keys that are weighed at most: each weighs the same, and tracing takes its time."""


def _weigh(candidate: Candidate, count: int) -> float:
    """Return bytes per object, everything that only it keeps alive included."""
    candidate.build(0)
    kept: list[Any] = [None] * count
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            kept[number] = candidate.build(number + 1)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()


def _weights(field: Field, form: Form, count: int, table: Table) -> list[Table]:
    for candidate in field.of(form):
        try:
            table.rows.append(Row(candidate.name, candidate.kind, samples=[_weigh(candidate, count)]))
        except Exception as error:
            table.left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")
    return [table]


def memory(run: Run, field: Field) -> list[Table]:
    """Weigh circuits that have not been used."""
    table = Table(
        "memory",
        "Memory of a circuit at rest",
        f"Bytes per circuit breaker, over {run.instances:,} of them, by tracemalloc; lasier keeps no state of its own.",
        "B",
        [],
        over_bare=False,
    )
    return _weights(field, Form.CIRCUIT, run.instances, table)


def memory_used(run: Run, field: Field) -> list[Table]:
    """Weigh circuits with a time window and response times after a thousand calls."""
    table = Table(
        "memory_used",
        "Memory of a circuit in use",
        "Bytes per circuit with a 30 s window and response times after 1,000 calls of 1 to 100 ms, less what the "
        "case itself brings along.",
        "B",
        [],
    )
    return _weights(field, Form.USED_CIRCUIT, max(10, run.instances // 50), table)


def memory_keyed(run: Run, field: Field) -> list[Table]:
    """Weigh what a key adds to a policy with many of them."""
    number = min(MOST_KEYS, run.keys[-1])
    table = Table(
        "memory_keyed",
        "Memory of a key",
        f"Bytes for each of {number:,} keys after one call with each, by tracemalloc; their texts are not counted.",
        "B",
        [],
        over_bare=False,
    )
    names = keys(number)
    for candidate in field.of(Form.KEYED):
        if candidate.kind is not Kind.BARE:
            table.rows.append(Row(candidate.name, candidate.kind, samples=[_weigh_keys(candidate, names)]))
    return [table]


def _weigh_keys(candidate: Candidate, names: list[str]) -> float:
    """Return bytes for each key."""
    call = candidate.build(operations.echo_of, len(names))
    call("another", 1)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for name in names:
            call(name, 1)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / len(names)
    finally:
        tracemalloc.stop()


def _growth(run: Run, candidate: Candidate, colour: Colour, failing: Any, count: int) -> float:
    """Return bytes that `count` rejections leave behind, after a first thousand that may fill caches."""
    call = colour.wrap(run, lambda: candidate.build(failing))
    colour.timed_caught(run, call, 1000)
    gc.collect()
    tracemalloc.start()
    try:
        colour.timed_caught(run, call, 1000)
        before = tracemalloc.get_traced_memory()[0]
        colour.timed_caught(run, call, count)
        gc.collect()
        return max(0.0, float(tracemalloc.get_traced_memory()[0] - before))
    finally:
        tracemalloc.stop()


def memory_rejections(run: Run, field: Field) -> list[Table]:
    """Measure growth over many rejections; peers get fewer, scaled up, because some leave much behind."""
    table = Table(
        "memory_rejections",
        "Growth over a million rejections",
        "Bytes that stay allocated after a million rejections, by tracemalloc; peers: 20,000 rejections, scaled.",
        "B",
        [],
        over_bare=False,
    )
    sides = (
        (Form.PLAIN_BREAKER, PLAIN, operations.fail, ""),
        (Form.COROUTINE_BREAKER, COROUTINE, operations.fail_async, ", async"),
    )
    for form, colour, failing, suffix in sides:
        for candidate in field.of(form):
            ours = candidate.name == DEFAULT
            if not ours and candidate.kind is not Kind.PEER:
                continue
            count = run.rejections if ours else min(run.rejections, 20_000)
            try:
                growth = _growth(run, candidate, colour, failing, count) * 1_000_000 / count
            except Exception as error:
                table.left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")
                continue
            table.rows.append(Row(candidate.name + suffix, candidate.kind, samples=[growth]))
    return [table]
