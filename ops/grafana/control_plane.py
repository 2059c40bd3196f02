"""The control plane itself: storage, audit log, queues, its process."""

from __future__ import annotations

from ops.expressions import increase, rate, series, total
from scrollintel.telemetry import families as f
from scrollintel.telemetry import platform_families as p

from . import parts
from .dashboard import Dashboard, Row
from .looks import (
    ANY_IS_BAD,
    ANY_IS_ODD,
    BAD,
    GOOD,
    HELD,
    REPLICAS,
    SENT,
    STORAGE,
    WARN,
    YES_IS_BAD,
    YES_IS_GOOD,
    steps,
)
from .panel import Query
from .parts import JOB, WINDOW, chart, stat, table

EACH = "{{instance}}"


def _now() -> Row:
    well = steps(BAD, (1, GOOD))
    return Row("Now", (
        stat("Is well", "It writes, trusts its audit log, and no background work fails.",
             total(series(p.PLATFORM_HEALTHY, JOB), of="max"), mappings=YES_IS_GOOD, thresholds=well),
        stat("Is scraped", "Prometheus reaches it.", f"max(up{{{JOB}}})", mappings=YES_IS_GOOD, thresholds=well),
        stat("Audit log is intact", "It agrees with the checkpoints that are kept outside the database.",
             total(series(p.AUDIT_INTACT, JOB), of="min"), mappings=YES_IS_GOOD, thresholds=well),
        stat("Database is full", "Its volume has no room.", total(series(p.STORAGE_FULL, JOB), of="max"),
             mappings=YES_IS_BAD, thresholds=ANY_IS_BAD),
        stat("Hosts that write", "One, unless nobody leads.", total(series(p.STORAGE_LEADER, JOB)),
             thresholds=steps(BAD, (1, GOOD), (2, BAD))),
        stat("Up for", "Since the process started.", f"time() - {total(series(p.PROCESS_START, JOB), of='max')}",
             unit="s"),
    ))  # fmt: skip


def _storage() -> Row:
    changes, commits = rate(p.STORAGE_CHANGES, JOB, over=WINDOW), rate(p.STORAGE_COMMITS, JOB, over=WINDOW)
    return Row("Storage and audit log", (
        chart("State of the database", "How many hosts see it so.", *parts.split(p.STORAGE_STATE, JOB), colours=STORAGE,
              stacked=True),
        chart("Changes and commits", "Each commit takes along the changes that wait.", Query(changes, "changes"),
              Query(commits, "commits"), unit="cps"),
        chart("Waiting", "Changes for the writer; notes and orders in the local journals, until the database is back.",
              Query(total(series(p.STORAGE_WAITING, JOB)), "changes"),
              Query(total(series(p.JOURNAL_NOTES, JOB)), "notes"),
              Query(total(series(p.JOURNAL_ORDERS, JOB)), "orders"), thresholds=steps(GOOD, (1000, WARN))),
        chart("Records of the audit log", "Written each second.",
              Query(rate(p.AUDIT_RECORDS, JOB, over=WINDOW), "records"), unit="cps"),
        chart("Records that no checkpoint vouches for", "They fall to nothing with each checkpoint.",
              Query(series(p.AUDIT_UNSIGNED, JOB), EACH)),
        chart("Age of the newest checkpoint", "Since it was signed.",
              Query(f"time() - {series(p.CHECKPOINT_TIME, JOB)}", EACH), unit="s"),
    ))  # fmt: skip


def _work() -> Row:
    errors = increase(p.BACKGROUND_ERRORS, JOB, over="10m", by=("loop",))
    dropped = rate(f.DROPPED, JOB, over=WINDOW, by=("queue",))
    return Row("Work", (
        chart("Background work that failed", "Rounds in ten minutes, by what it is.", Query(errors, "{{loop}}"),
              thresholds=ANY_IS_BAD),
        chart("Dropped", "Because a queue was full or a message was refused, by queue.", Query(dropped, "{{queue}}"),
              unit="cps", thresholds=steps(GOOD, (0.001, WARN))),
        table("Not told one by one", "More of a kind than metrics.max_circuits allows.",
              total(series(f.OMITTED, JOB), "kind", of="max"), value="Left out", thresholds=ANY_IS_ODD, width=8),
        chart("Events told", "To listeners of the event stream.", Query(rate(p.FACTS, JOB, over=WINDOW), "events"),
              unit="cps"),
        chart("Listeners", "Open pages and others that follow the event stream.",
              Query(total(series(f.EVENT_LISTENERS, JOB)), "listeners")),
        chart("Replicas", "Stale ones have fallen silent.", *parts.split(p.REPLICAS, JOB), colours=REPLICAS,
              stacked=True),
        chart("Messages to people", "Sent, given up, or dropped because too many waited.",
              Query(rate(p.NOTICES, JOB, over=WINDOW, by=("channel", "outcome")), "{{channel}} {{outcome}}"),
              unit="cps", colours=SENT),
        table("Versions", "Of scrollintel and of Python.",
              f"count by (version, python_version) ({series(f.BUILD_INFO, JOB)})", value="Processes", width=16),
    ))  # fmt: skip


def _process() -> Row:
    return Row("Process", (
        chart("Processors in use", "1 is one whole processor.",
              Query(rate(p.PROCESS_CPU, JOB, over=WINDOW, by=("instance",)), EACH)),
        chart("Memory", "What is resident.", Query(series(p.PROCESS_MEMORY, JOB), EACH), unit="bytes"),
        chart("Open files", "File descriptors, connections included.", Query(series(p.PROCESS_FDS, JOB), EACH)),
        chart("Time that a scrape takes", "As Prometheus measures it.",
              Query(f"scrape_duration_seconds{{{JOB}}}", EACH), unit="s", thresholds=steps(GOOD, (1, WARN), (5, HELD)),
              width=12),
        chart("Samples of a scrape", "Series that it tells.", Query(f"scrape_samples_scraped{{{JOB}}}", EACH),
              width=12),
    ))  # fmt: skip


CONTROL_PLANE = Dashboard(
    uid="scrollintel-control-plane",
    title="ScrollIntel: control plane",
    description="The control plane itself: storage, audit log, queues, its process.",
    rows=(_now(), _storage(), _work(), _process()),
    variables=(parts.JOBS, parts.INSTANCES),
    page="/settings",
)
