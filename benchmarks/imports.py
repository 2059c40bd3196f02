"""What an import costs, in fresh interpreters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .candidate import Field, Kind
from .names import DEFAULT
from .table import Row, Table, Verdict
from .timing import Run

_ROOT = Path(__file__).resolve().parent.parent

_PROBE = """
import sys, time
before, start = set(sys.modules), time.process_time_ns()
{statement}
spent = time.process_time_ns() - start
import json
print(json.dumps([spent / 1e6, sorted(set(sys.modules) - before - {{"json"}})]))
"""

_BLOCKING_USE = """
import scrollintel
circuit = scrollintel.CircuitBreaker(scrollintel.CircuitBreakerConfig("import"))
config = scrollintel.CircuitBreakerConfig("import", timeout=None)
guarded = scrollintel.protect("import", breaker=config, retry=scrollintel.RetryConfig())
assert circuit(lambda x: x)(1) == 1 and guarded(lambda x: x)(1) == 1
"""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: CPU milliseconds, and the modules it loaded."""

    milliseconds: float
    modules: tuple[str, ...]

    @property
    def third_party(self) -> list[str]:
        """Top-level modules that belong neither to the standard library nor to this one."""
        own = sys.stdlib_module_names | {"scrollintel"}
        return sorted({name.partition(".")[0] for name in self.modules} - own)


def _import(statement: str) -> Import:
    """Run the statement in a fresh interpreter; raises with the last line of its error."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-c", _PROBE.format(statement=statement)]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if finished.returncode:
        raise ImportError(finished.stderr.strip().splitlines()[-1])
    milliseconds, modules = json.loads(finished.stdout.splitlines()[-1])
    return Import(milliseconds, tuple(modules))


def imports(run: Run, field: Field) -> list[Table]:
    """Measure the import of every candidate, and what this library's import brings along."""
    table = Table(
        "imports",
        "Import",
        "CPU milliseconds of the import in a fresh interpreter with byte code cached, best of several; "
        "asyncio, from the standard library, for scale.",
        "ms",
        [],
        over_bare=False,
    )
    statements = {"asyncio": "import asyncio", **field.imports}
    for name, statement in statements.items():
        try:
            first = _import(statement)
        except ImportError as error:
            table.left_out.append(f"{name}: {error}")
            continue
        kind = Kind.OURS if name == DEFAULT else Kind.FLOOR if name == "asyncio" else Kind.PEER
        table.rows.append(Row(name, kind, f"{len(first.modules)} modules"))

    def measure(row: Row) -> None:
        row.samples.append(_import(statements[row.name]).milliseconds)

    run.interleave(table.rows, measure, rounds=max(5, run.rounds // 3))
    if DEFAULT in field.imports:
        _judge_modules(table)
    return [table]


def _judge_modules(table: Table) -> None:
    """Add the promises about what is loaded: nothing from outside, and asyncio for nobody who does not use it."""
    for statement, words in (("import scrollintel", "import"), (_BLOCKING_USE, "blocking use")):
        try:
            loaded = _import(statement)
        except ImportError as error:
            table.verdicts.append(Verdict(DEFAULT, f"{words} works", str(error), False))
            continue
        third_party: list[Any] = loaded.third_party
        found = ", ".join(third_party) or "none"
        table.verdicts.append(Verdict(DEFAULT, f"{words} loads no third-party module", found, not third_party))
        has_asyncio = "asyncio" in loaded.modules
        found = "loaded" if has_asyncio else "not loaded"
        table.verdicts.append(Verdict(DEFAULT, f"{words} does not load asyncio", found, not has_asyncio))
