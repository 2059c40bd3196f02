"""The families that only the control plane has: replicas, targets, incidents, recoveries, storage, audit, itself."""

from __future__ import annotations

from typing import Final

from .exposition import Definition, Kind
from .families import MERGED

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
CONDITIONS = ("unknown", "healthy", "suspect", "failed", "recovering", "validating", "quarantined")
SEVERITIES = ("1", "2", "3", "4")
INCIDENT_STATES = ("open", "held", "recovering", "waiting", "watched", "escalated")
"""States of incidents that are not over."""
OUTCOMES = ("recovered", "not_needed", "refused", "failed")
PHASES = ("detection", "initiation", "repair", "proof")
STORAGE_STATES = ("starting", "serving", "standby", "unavailable", "stopped")
NOTICE_OUTCOMES = ("sent", "dead", "dropped")
RECOVERY_BOUNDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

REPLICAS = Definition(
    name="scrollintel_replicas",
    kind=_G,
    help="Replicas that have joined; stale ones have fallen silent.",
    labels=("service",),
    split=("state", ("live", "stale")),
)

# ------------------------------------------------------------------ targets, incidents, recoveries

TARGETS = Definition(
    name="scrollintel_targets",
    kind=_G,
    help="Watched targets in each condition, those that are not written one by one included.",
    split=("condition", CONDITIONS),
)
TARGET_CONDITION = Definition(
    name="scrollintel_target_condition",
    kind=_G,
    help="1 for the condition that the target is in, 0 for the others.",
    labels=("target", "service"),
    split=("condition", CONDITIONS),
)
CHECK_GOOD = Definition(
    name="scrollintel_check_good",
    kind=_G,
    help="1 when the last look of the check found what it expects, 0 otherwise.",
    labels=("target", "service", "check"),
)
CHECK_DURATION = Definition(
    name="scrollintel_check_duration_seconds",
    kind=_G,
    help="Time that the last look of the check took.",
    labels=("target", "service", "check"),
)
INCIDENTS_OPEN = Definition(
    name="scrollintel_incidents_open",
    kind=_G,
    help="Incidents that are not over; severity 1 is the worst.",
    labels=("severity",),
    split=("state", INCIDENT_STATES),
)
INCIDENTS = Definition(
    name="scrollintel_incidents_total",
    kind=_C,
    help="Incidents that were opened.",
    labels=("service",),
    split=("severity", SEVERITIES),
)
RECOVERIES = Definition(
    name="scrollintel_recoveries_total",
    kind=_C,
    help="Recoveries that have ended, by how.",
    labels=("service",),
    split=("outcome", OUTCOMES),
)
RECOVERIES_RUNNING = Definition(
    name="scrollintel_recoveries_running",
    kind=_G,
    help="Recoveries that have not ended.",
    labels=("service",),
)
RECOVERY_PHASE = Definition(
    name="scrollintel_recovery_phase_duration_seconds",
    kind=_H,
    help="Time that each phase took: until the failure was declared, the first step on disk, the last action carried "
    "out, and health proven.",
    labels=("service", "phase"),
    bounds=RECOVERY_BOUNDS,
)
TIME_TO_RECOVER = Definition(
    name="scrollintel_time_to_recover_seconds",
    kind=_H,
    help="Time from detection to proven health.",
    labels=("service",),
    bounds=RECOVERY_BOUNDS,
)
APPROVALS_WAITING = Definition(
    name="scrollintel_approvals_waiting", kind=_G, help="Plans that wait for a person to agree."
)
STOP_SWITCH = Definition(
    name="scrollintel_stop_switch_engaged", kind=_G, help="1 while a person has stopped all automation, 0 otherwise."
)
STORM_BRAKE = Definition(
    name="scrollintel_storm_brake_engaged",
    kind=_G,
    help="1 while the storm brake keeps recoveries from starting, 0 otherwise.",
)
NOTICES = Definition(
    name="scrollintel_notifications_total",
    kind=_C,
    help="Notices to people by channel: sent, given up, or dropped because too many waited.",
    labels=("channel",),
    split=("outcome", NOTICE_OUTCOMES),
)

# ------------------------------------------------------------------ audit log and storage

AUDIT_RECORDS = Definition(name="scrollintel_audit_records_total", kind=_C, help="Records of the audit log.")
AUDIT_INTACT = Definition(
    name="scrollintel_audit_chain_intact",
    kind=_G,
    help="1 while the audit log agrees with the checkpoints that are kept outside the database, 0 otherwise.",
)
AUDIT_UNSIGNED = Definition(
    name="scrollintel_audit_unsigned_records",
    kind=_G,
    help="Records of the audit log that no signed checkpoint vouches for yet.",
)
CHECKPOINT_TIME = Definition(
    name="scrollintel_audit_checkpoint_timestamp_seconds",
    kind=_G,
    help="When the newest checkpoint of the audit log was signed, in Unix time; absent without one.",
)
STORAGE_STATE = Definition(
    name="scrollintel_storage_state",
    kind=_G,
    help="1 for the state that the database is in, 0 for the others.",
    split=("state", STORAGE_STATES),
)
STORAGE_FULL = Definition(
    name="scrollintel_storage_full", kind=_G, help="1 while the database has no room, 0 otherwise."
)
STORAGE_LEADER = Definition(
    name="scrollintel_storage_leader",
    kind=_G,
    help="1 while this process holds the connection that writes, 0 otherwise.",
)
STORAGE_WAITING = Definition(
    name="scrollintel_storage_changes_waiting", kind=_G, help="Changes that wait in the queue of the writer."
)
STORAGE_CHANGES = Definition(
    name="scrollintel_storage_changes_total", kind=_C, help="Changes that were written to the database."
)
STORAGE_COMMITS = Definition(
    name="scrollintel_storage_commits_total", kind=_C, help="Commits; each takes along the changes that wait."
)
JOURNAL_NOTES = Definition(
    name="scrollintel_journal_notes_waiting",
    kind=_G,
    help="Notes of recoveries that are in the local journal and not in the database yet.",
)
JOURNAL_ORDERS = Definition(
    name="scrollintel_journal_orders_waiting",
    kind=_G,
    help="1 while orders that were given without the database wait to be imported, 0 otherwise.",
)

# ------------------------------------------------------------------ the control plane itself

PLATFORM_HEALTHY = Definition(
    name="scrollintel_platform_healthy",
    kind=_G,
    help="1 while the control plane writes, trusts its audit log, and no background work fails; 0 otherwise.",
)
BACKGROUND_ERRORS = Definition(
    name="scrollintel_background_errors_total",
    kind=_C,
    help="Rounds of background work that failed, by what it is.",
    labels=("loop",),
)
FACTS = Definition(
    name="scrollintel_events_total", kind=_C, help="Events that listeners of the event stream were told of."
)
PROCESS_CPU = Definition(
    name="scrollintel_process_cpu_seconds_total", kind=_C, help="Processor time of the process, user and system."
)
PROCESS_MEMORY = Definition(
    name="scrollintel_process_resident_memory_bytes", kind=_G, help="Memory of the process that is resident."
)
PROCESS_FDS = Definition(name="scrollintel_process_open_fds", kind=_G, help="File descriptors that are open.")
PROCESS_START = Definition(
    name="scrollintel_process_start_time_seconds", kind=_G, help="When the process started, in Unix time."
)

OWN = (
    REPLICAS,
    TARGETS,
    TARGET_CONDITION,
    CHECK_GOOD,
    CHECK_DURATION,
    INCIDENTS_OPEN,
    INCIDENTS,
    RECOVERIES,
    RECOVERIES_RUNNING,
    RECOVERY_PHASE,
    TIME_TO_RECOVER,
    APPROVALS_WAITING,
    STOP_SWITCH,
    STORM_BRAKE,
    NOTICES,
    AUDIT_RECORDS,
    AUDIT_INTACT,
    AUDIT_UNSIGNED,
    CHECKPOINT_TIME,
    STORAGE_STATE,
    STORAGE_FULL,
    STORAGE_LEADER,
    STORAGE_WAITING,
    STORAGE_CHANGES,
    STORAGE_COMMITS,
    JOURNAL_NOTES,
    JOURNAL_ORDERS,
    PLATFORM_HEALTHY,
    BACKGROUND_ERRORS,
    FACTS,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_FDS,
    PROCESS_START,
)
CONTROL_PLANE = (*MERGED, *OWN)
"""What the control plane tells, in this order."""
