"""Many asyncio tasks at once through one combined policy."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from . import operations
from .candidate import Field, Form
from .table import Row, Table
from .timing import COROUTINE, Run, cpu_ns


async def _crowd(call: Any, count: int) -> float:
    """Return CPU nanoseconds per task of `count` tasks started at once, with their creation."""

    async def one() -> Any:
        return await call(1)

    start = cpu_ns()
    await asyncio.gather(*[one() for _ in range(count)])
    return (cpu_ns() - start) / count


def tasks(run: Run, field: Field) -> list[Table]:
    """Measure tasks that all wait at the same time."""
    calls: dict[str, Any] = {}
    tables = []
    for count in run.tasks:
        table = Table(
            f"tasks_{count}",
            f"{count:,} concurrent tasks through one breaker + retry + fallback",
            "Each task suspends once, so that all are in flight together; creation of the task included.",
            "ns",
            [],
            over_bare=False,
        )
        for candidate in field.of(Form.COMBINED):
            try:
                if candidate.name not in calls:
                    make = partial(candidate.build, operations.echo_after_a_turn, operations.stand_in)
                    calls[candidate.name] = COROUTINE.wrap(run, make)
                COROUTINE.once(run, calls[candidate.name])
                table.rows.append(Row(candidate.name, candidate.kind))
            except Exception as error:
                table.left_out.append(f"{candidate.name}: {type(error).__name__}: {error}")

        def measure(row: Row, count: int = count) -> None:
            row.samples.append(run.loop.run(_crowd(calls[row.name], count)))

        run.interleave(table.rows, measure, rounds=max(4, run.rounds // 4))
        tables.append(table)
    return tables
