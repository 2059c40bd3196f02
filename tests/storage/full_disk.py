"""A program whose SQLite file cannot grow for a while: `python -m tests.storage.full_disk URL`.

The limit on the size of files stands for the full disk: writes fail half done, and work again later.
"""

from __future__ import annotations

import json
import resource
import sys

from scrollintel.control.records import SERVICES
from scrollintel.storage.errors import StoreUnavailableError
from scrollintel.storage.writer import WriterState
from tests.storage.rig import register, running

UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)

if __name__ == "__main__":
    told: dict[str, object] = {}
    acknowledged: list[str] = []
    with running(sys.argv[1]) as rig:
        assert rig.database.path is not None
        log = rig.database.path.with_name(rig.database.path.name + "-wal")
        rig.change(register("first"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 1_000_000, UNLIMITED[1]))
        try:
            for number in range(10_000):
                rig.change(register(f"s{number}"))
                acknowledged.append(f"s{number}")
        except StoreUnavailableError as error:
            told["error"] = error.code
        told["reads"] = rig.records.get(SERVICES, "first") is not None
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        assert rig.reaches(WriterState.SERVING)
        rig.change(register("last"))
        told["log"] = rig.verified().ok
    with running(sys.argv[1]) as rig:
        names = {record.name for record in rig.records.values(SERVICES)}
        told["missing"] = sorted({*acknowledged, "first", "last"} - names)
        told["more"] = sorted(names - {*acknowledged, "first", "last"})
        told["whole"] = {record.target for record in rig.audit_log()} == names
        told["states"] = [state.value for state in rig.history]
    told["some"] = len(acknowledged) > 5
    print(json.dumps(told))
