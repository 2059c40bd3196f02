"""All cases by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from . import calls, imports, many, memory, tasks, threads
from .candidate import Field
from .table import Table
from .timing import Run

CASES: dict[str, Callable[[Run, Field], list[Table]]] = {
    "breaker": calls.breaker,
    "breaker_async": calls.breaker_async,
    "reject": calls.reject,
    "reject_async": calls.reject_async,
    "retry": calls.retry,
    "retry_async": calls.retry_async,
    "combined": calls.combined,
    "faulty": calls.faulty,
    "combined_timeout": calls.combined_timeout,
    "combined_timeout_turn": calls.combined_timeout_turn,
    "manager": calls.manager,
    "threads": threads.threads,
    "threads_waiting": threads.threads_waiting,
    "tasks": tasks.tasks,
    "memory": memory.memory,
    "memory_used": memory.memory_used,
    "memory_rejections": memory.memory_rejections,
    # After what is weighed, because a hundred thousand circuits that have gone leave room behind.
    "keyed": many.keyed,
    "hosts": many.hosts,
    "memory_keyed": memory.memory_keyed,
    "imports": imports.imports,
}
