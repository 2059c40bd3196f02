"""A program whose processes change as fast as they can until they are killed: `python -m tests.storage.kill_workload`.

For each line "URL PREFIX" on standard input it forks a process, which spares it the imports, and prints "+" and its
number. The process prints the name of each change once it is acknowledged; when it is dead the program prints "-". A
change writes a service, an entry in the audit log, a row of history, and its fleet number. While the database is away
the process tries again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from scrollintel.control.records import CONTROL_STATE, SERVICES, ControlStateRecord
from scrollintel.storage.errors import StoreUnavailableError
from scrollintel.storage.transaction import Transaction
from scrollintel.storage.writer import WriterState
from tests.storage.rig import NOON, Rig, entry, service

WORKERS = 20


def change(name: str) -> Callable[[Transaction], None]:
    """Return a change whose parts are all on disk, or none."""

    def decide(tx: Transaction) -> None:
        tx.put(SERVICES, service(name))
        tx.put(CONTROL_STATE, ControlStateRecord(key=f"number of {name}", value=tx.next_sequence()))
        tx.append("health_checks", at=NOON, service=name, status="healthy", source="workload")
        tx.audit(entry(name))

    return decide


async def work(rig: Rig, prefix: str, worker: int) -> None:
    """Make one change after the other."""
    number = 0
    while True:
        number += 1
        name = f"{prefix}-{worker}-{number}"
        try:
            await rig.writer.change(change(name))
        except StoreUnavailableError:
            await asyncio.sleep(0.01)
            continue
        os.write(1, f"{name}\n".encode())  # one piece, past every buffer


async def main(url: str, prefix: str) -> None:
    """Run all workers."""
    rig = Rig(url)
    rig.writer.start()
    assert rig.reaches(WriterState.SERVING), rig.writer.last_error
    await asyncio.gather(*(work(rig, prefix, worker) for worker in range(WORKERS)))


def serve() -> None:
    """Fork a process for each line, and tell of its beginning and end."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            url, prefix = line.split()
            asyncio.run(main(url, prefix))
        os.write(1, f"+{pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"-\n")


if __name__ == "__main__":
    serve()
