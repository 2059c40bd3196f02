"""The private names of DBOS that the engine relies on are there, and mean what it takes them for."""

from __future__ import annotations

import inspect

from dbos import DBOS, _dbos, _sys_db
from dbos._serialization import DBOSPortableJSONSerializer


def test_serialiser_writes_json_and_reads_it_back() -> None:
    """Nothing that comes out of the database is unpickled."""
    serialiser = DBOSPortableJSONSerializer()
    value = {"remedies": [{"kind": "restart", "attempts": 2, "approval": None}], "at": "2026-01-01T00:00:00+00:00"}
    text = serialiser.serialize(value)
    assert isinstance(text, str)
    assert text.lstrip()[0] in '{["'
    assert serialiser.deserialize(text) == value


def test_runs_of_named_executors_can_be_handed_over() -> None:
    """The reaper names the dead ones."""
    (first, *_) = inspect.signature(DBOS._recover_pending_workflows).parameters.values()
    assert first.name == "executor_ids"


def test_instance_of_the_process_is_where_the_engine_looks_for_it() -> None:
    """A program that runs DBOS for something else is told, before it is broken."""
    assert hasattr(_dbos, "_dbos_global_instance")


def test_run_that_waits_for_a_message_wakes_with_its_signal_and_takes_the_message_under_a_name_of_its_own() -> None:
    """So it can be ended without one when the engine stops."""
    assert hasattr(_dbos, "_get_dbos_instance")
    assert "self.recv_consume(" in inspect.getsource(_sys_db.SystemDatabase.recv)
    signals = _sys_db.ThreadSafeEventDict()
    event = _sys_db.LoopAwareEvent()
    signals.add("run", event, ("run",))
    for _, _, signal in signals.snapshot():
        signal.set()
    assert event.is_set()
