"""The cases with many of a kind behind one call: circuits by key, and the hosts of a pool."""

from __future__ import annotations

import gc
from itertools import cycle
from typing import Any

from . import operations, promises
from .calls import table_of, timed
from .candidate import Candidate, Field, Form
from .table import Table
from .timing import PLAIN, Run

HOSTS = tuple(f"host-{number}:443" for number in range(10))


def keys(number: int) -> list[str]:
    """Return names as they come from a request: those of tenants or hosts."""
    return [f"tenant-{name:06}.example" for name in range(number)]


def keyed(run: Run, field: Field) -> list[Table]:
    """Time a call whose circuit is that of its key, among few and many."""
    return [table for number in run.keys for table in _keyed(run, field, number)]


def _keyed(run: Run, field: Field, number: int) -> list[Table]:
    table = table_of(
        f"keyed_{number}",
        f"A circuit for each of {number:,} keys, closed, success",
        "Keys come in random order, each of them was called before. Libraries without keys have a circuit in a "
        "dictionary for each, and so has the second row of ours.",
    )

    def wrap(candidate: Candidate) -> Any:
        call = candidate.build(operations.echo_of, number)
        names = keys(number)
        run.random.shuffle(names)
        for name in names:
            call(name, 1)
        gc.freeze()  # else each sample would begin with a search for garbage among millions of objects
        turns = cycle(names)
        return lambda x: call(next(turns), x)

    try:
        return timed(run, field, Form.KEYED, PLAIN, wrap, lambda run, one: promises.opens_by_key(one), table)
    finally:
        gc.unfreeze()


def hosts(run: Run, field: Field) -> list[Table]:
    """Time a call to one host of a pool, the choice included."""
    table = table_of(
        "hosts",
        "One of ten hosts, chosen and called",
        "The pool takes the less busy of two hosts, counts what becomes of its call, and takes sick ones out; none of "
        "the other libraries chooses hosts.",
    )
    return timed(
        run,
        field,
        Form.HOSTS,
        PLAIN,
        lambda candidate: candidate.build(operations.echo_of, HOSTS),
        lambda run, candidate: promises.takes_out(candidate, HOSTS),
        table,
    )
