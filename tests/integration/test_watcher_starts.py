"""A target that has just been started has its time before failures count."""

from __future__ import annotations

import socket
import sys
import time

import pytest

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Condition, ConditionChange, Depth
from scrollintel.recovery.target import Check, Process, Target
from scrollintel.watch.kinds import ProbeContext
from scrollintel.watch.watcher import Watcher
from tests.servers.processes import eventually


@pytest.mark.parametrize("just_started", [True, False])
def test_watcher_counts_no_failure_of_a_target_that_was_started_before_it_was_watched(just_started: bool) -> None:
    """From its first look on, however late the thread is that tells so."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = {"host": "127.0.0.1", "port": port}
    check = Check(name="tcp", kind="tcp", depth=Depth.ALIVE, interval=0.05, timeout=0.5, options=options)
    process = Process(command=(sys.executable,), start_timeout=0.6)
    target = Target(name="web", service="web", process=process, checks=(check,))
    changes: list[ConditionChange] = []
    context = ProbeContext(OutboundPolicy(private=("127.0.0.0/8",)), lambda _: None)
    watcher = Watcher(on_change=changes.append, context=context)
    watcher.start()
    try:
        begun = time.monotonic()
        watcher.apply([target], started=["web"] if just_started else [])
        assert eventually(lambda: any(change.new is Condition.FAILED for change in changes))
        (failed,) = (change for change in changes if change.new is Condition.FAILED)
        assert (failed.at - begun >= 0.6) == just_started
    finally:
        watcher.stop()
