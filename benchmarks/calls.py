"""The cases that time single calls on one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import operations, promises
from .candidate import Candidate, Field, Form, Kind
from .table import Row, Table
from .timing import COROUTINE, PLAIN, Colour, Run

Wrap = Callable[[Candidate], Any]
"""Gives a candidate what it wraps. Any: peers are not typed."""
Check = Callable[[Run, Candidate], str]


def _unchecked(run: Run, candidate: Candidate) -> str:
    return ""


def _opens(colour: Colour) -> Check:
    return lambda run, candidate: promises.opens(run, candidate, colour, colour is COROUTINE)


def _tries_again(colour: Colour) -> Check:
    return lambda run, candidate: promises.tries_again(run, candidate, colour, colour is COROUTINE)


def _does_all(run: Run, candidate: Candidate) -> str:
    return promises.does_all(run, candidate, COROUTINE)


def _admitted(run: Run, field: Field, form: Form, check: Check, table: Table) -> list[tuple[Candidate, Row]]:
    """Return the candidates that keep their promises; the others are named in the table."""
    admitted = []
    for candidate in field.of(form):
        try:
            note = check(run, candidate) if candidate.promises else ""
        except Exception as error:
            table.left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")
            continue
        row = Row(candidate.name, candidate.kind, note)
        admitted.append((candidate, row))
        table.rows.append(row)
    return admitted


def timed(run: Run, field: Field, form: Form, colour: Colour, wrap: Wrap, check: Check, table: Table) -> list[Table]:
    entries = []
    for candidate, row in _admitted(run, field, form, check, table):
        try:
            call = colour.wrap(run, partial(wrap, candidate))
            entries.append((row, call, run.count(colour.timed(run, call, 200))))
        except Exception as error:
            table.left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")

    def measure(entry: tuple[Row, Any, int]) -> None:
        row, call, count = entry
        row.samples.append(colour.timed(run, call, count))

    run.interleave(entries, measure)
    return [table]


def table_of(name: str, title: str, meaning: str, *, over_bare: bool = True) -> Table:
    return Table(name, title, meaning, "ns", [], over_bare)


def breaker(run: Run, field: Field) -> list[Table]:
    """Time a success through a closed circuit."""
    table = table_of(
        "breaker",
        "Circuit breaker, closed, success",
        "A plain function that returns at once, behind a healthy circuit: what every good call pays.",
    )
    return timed(run, field, Form.PLAIN_BREAKER, PLAIN, lambda c: c.build(operations.echo), _opens(PLAIN), table)


def breaker_async(run: Run, field: Field) -> list[Table]:
    """Time the same for a coroutine function."""
    table = table_of(
        "breaker_async",
        "Circuit breaker, closed, success, async",
        "The same with a coroutine function that does not suspend.",
    )
    return timed(
        run,
        field,
        Form.COROUTINE_BREAKER,
        COROUTINE,
        lambda c: c.build(operations.echo_async),
        _opens(COROUTINE),
        table,
    )


def retry(run: Run, field: Field) -> list[Table]:
    """Time a retry that succeeds at once."""
    table = table_of("retry", "Retry, success at once", "A retry policy of three attempts that needs only the first.")
    return timed(run, field, Form.PLAIN_RETRY, PLAIN, lambda c: c.build(operations.echo), _tries_again(PLAIN), table)


def retry_async(run: Run, field: Field) -> list[Table]:
    """Time the same for a coroutine function."""
    table = table_of("retry_async", "Retry, success at once, async", "The same with a coroutine function.")
    return timed(
        run,
        field,
        Form.COROUTINE_RETRY,
        COROUTINE,
        lambda c: c.build(operations.echo_async),
        _tries_again(COROUTINE),
        table,
    )


def combined(run: Run, field: Field) -> list[Table]:
    """Time breaker, retry and fallback together."""
    table = table_of(
        "combined",
        "Breaker + retry + fallback, async, success",
        "All three around one coroutine function that succeeds.",
    )
    return timed(
        run,
        field,
        Form.COMBINED,
        COROUTINE,
        lambda c: c.build(operations.echo_async, operations.stand_in),
        _does_all,
        table,
    )


def combined_timeout(run: Run, field: Field) -> list[Table]:
    """Time the same with a timeout per attempt."""
    table = table_of(
        "combined_timeout",
        "Breaker + retry + fallback + timeout, async, success",
        "The same with a timeout of 30 s for each attempt; the operation does not suspend.",
    )
    return timed(
        run,
        field,
        Form.COMBINED_TIMEOUT,
        COROUTINE,
        lambda c: c.build(operations.echo_async, operations.stand_in),
        _does_all,
        table,
    )


def combined_timeout_turn(run: Run, field: Field) -> list[Table]:
    """Time the same with an operation that suspends once."""
    table = table_of(
        "combined_timeout_turn",
        "The same, and the operation suspends once",
        "One turn of the event loop per call, in the bare call too; here a lazily armed timer must be armed.",
    )
    return timed(
        run,
        field,
        Form.COMBINED_TIMEOUT,
        COROUTINE,
        lambda c: c.build(operations.echo_after_a_turn, operations.stand_in),
        _unchecked,
        table,
    )


def faulty(run: Run, field: Field) -> list[Table]:
    """Time the combined policy while every fifth attempt fails."""
    table = table_of(
        "faulty",
        "Breaker + retry + fallback, async, 20 % failures",
        "Every fifth attempt fails and is tried again without a pause; the bare call has no failures.",
    )

    def wrap(candidate: Candidate) -> Any:
        failing = operations.echo_async if candidate.kind is Kind.BARE else operations.flaky()
        return candidate.build(failing, operations.stand_in)

    return timed(run, field, Form.COMBINED, COROUTINE, wrap, _unchecked, table)


def manager(run: Run, field: Field) -> list[Table]:
    """Time the keyword form that takes its configurations in each call."""
    table = table_of(
        "manager",
        "execute_with_fault_tolerance, configurations passed in each call",
        "Breaker, retry, 30 s timeout and fallback around a coroutine function, looked up by name in each call.",
    )
    return timed(
        run, field, Form.MANAGER, COROUTINE, lambda c: c.build(operations.echo_async), _opens(COROUTINE), table
    )


def _rejected(run: Run, field: Field, form: Form, colour: Colour, failing: Any, table: Table) -> list[Table]:
    """Time rejections on a fresh circuit each round, because some peers grow with every rejection."""
    entries = _admitted(run, field, form, _opens(colour), table)
    entries = [entry for entry in entries if entry[0].promises or entry[0].kind is Kind.BARE]
    table.rows = [row for _, row in entries]

    def measure(entry: tuple[Candidate, Row]) -> None:
        candidate, row = entry
        call = colour.wrap(run, lambda: candidate.build(failing))
        colour.timed_caught(run, call, 2 * operations.THRESHOLD)
        count = run.count(colour.timed_caught(run, call, 50))
        row.samples.append(colour.timed_caught(run, call, min(count, 5000)))

    run.interleave(entries, measure)
    return [table]


def reject(run: Run, field: Field) -> list[Table]:
    """Time a rejection by an open circuit."""
    table = table_of(
        "reject",
        "Rejection by an open circuit",
        "The whole of one rejection, raised and caught; the bare call raises and catches an empty error.",
        over_bare=False,
    )
    return _rejected(run, field, Form.PLAIN_BREAKER, PLAIN, operations.fail, table)


def reject_async(run: Run, field: Field) -> list[Table]:
    """Time the same for a coroutine function."""
    table = table_of(
        "reject_async", "Rejection by an open circuit, async", "The same with a coroutine function.", over_bare=False
    )
    return _rejected(run, field, Form.COROUTINE_BREAKER, COROUTINE, operations.fail_async, table)
