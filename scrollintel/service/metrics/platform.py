"""The control plane's own metrics: storage, audit log, journals, queues and its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...telemetry import families as f
from ...telemetry import platform_families as p
from ...telemetry.manager_metrics import Families, add_build

if TYPE_CHECKING:
    from ..use_cases import UseCases


def add_platform(found: Families, use_cases: UseCases) -> None:
    """Add everything about the control plane itself; none of it belongs to a service."""
    _add_audit(found, use_cases)
    _add_storage(found, use_cases)
    _add_queues(found, use_cases)
    healthy = use_cases.health.platform()["status"] == "healthy"
    found.add(p.PLATFORM_HEALTHY, (), healthy)
    for name in use_cases.loops.names:
        found.add(p.BACKGROUND_ERRORS, (name,), use_cases.loops.errors.get(name, 0))
    _add_process(found)
    add_build(found)


def _add_audit(found: Families, use_cases: UseCases) -> None:
    records = use_cases.plane.ledger.log.head.sequence
    checkpoints = use_cases.checkpoints
    found.add(p.AUDIT_RECORDS, (), records)
    found.add(p.AUDIT_INTACT, (), checkpoints.broken is None)
    found.add(p.AUDIT_UNSIGNED, (), max(0, records - checkpoints.signed_up_to))
    if checkpoints.newest_at is not None:
        found.add(p.CHECKPOINT_TIME, (), checkpoints.newest_at.timestamp())


def _add_storage(found: Families, use_cases: UseCases) -> None:
    plane = use_cases.plane
    writer = plane.writer
    found.add(p.STORAGE_STATE, (), *(writer.state.value == state for state in p.STORAGE_STATES))
    found.add(p.STORAGE_FULL, (), plane.database.full)
    found.add(p.STORAGE_LEADER, (), plane.database.is_leader)
    found.add(p.STORAGE_WAITING, (), writer.waiting)
    found.add(p.STORAGE_CHANGES, (), writer.changes)
    found.add(p.STORAGE_COMMITS, (), writer.commits)
    found.add(p.JOURNAL_NOTES, (), use_cases.automation.keeper.waiting)
    found.add(p.JOURNAL_ORDERS, (), use_cases.break_glass.waiting)


def _add_queues(found: Families, use_cases: UseCases) -> None:
    facts, ingest = use_cases.plane.facts, use_cases.ingest
    found.add(f.EVENT_LISTENERS, (), len(facts.listeners))
    found.add(p.FACTS, (), facts.number)
    found.add(f.DROPPED, ("history",), ingest.dropped)
    found.add(f.DROPPED, ("replica_events",), ingest.grown.facts_dropped)
    found.add(f.DROPPED, ("replica_counters",), ingest.grown.forgotten)
    found.add(f.DROPPED, ("access_refusals",), use_cases.access.dropped)
    for channel, figures in use_cases.automation.notifier.figures().items():
        found.add(p.NOTICES, (channel,), figures.sent, figures.dead, figures.dropped)


def _add_process(found: Families) -> None:
    import psutil

    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        found.add(p.PROCESS_CPU, (), times.user + times.system)
        found.add(p.PROCESS_MEMORY, (), process.memory_info().rss)
        found.add(p.PROCESS_START, (), process.create_time())
        if hasattr(process, "num_fds"):
            found.add(p.PROCESS_FDS, (), process.num_fds())
