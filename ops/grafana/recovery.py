"""Targets, incidents, and what automation does about them."""

from __future__ import annotations

from ops.expressions import increase, quantile_so_far, rate, series, total
from scrollintel.telemetry import platform_families as p

from . import parts
from .dashboard import Dashboard, Row
from .looks import (
    ANY_IS_BAD,
    ANY_IS_ODD,
    BAD,
    CONDITIONS,
    GOOD,
    HELD,
    INCIDENTS,
    PERCENTILES,
    RECOVERED,
    SENT,
    WARN,
    YES_IS_BAD,
    YES_IS_GOOD,
    steps,
)  # fmt: skip
from .panel import Link, Query
from .parts import JOB, SERVICE, WINDOW, chart, stat, table

SHARES = tuple(zip((0.5, 0.95, 0.99), PERCENTILES, strict=True))


def _now() -> Row:
    failed = series(p.TARGET_CONDITION, SERVICE, 'condition=~"failed|quarantined"')
    return Row("Now", (
        stat("Open incidents", "Incidents that are not over.", total(series(p.INCIDENTS_OPEN, JOB)),
             thresholds=ANY_IS_BAD),
        stat("Given up", "Incidents that automation could not end; they wait for a person.",
             total(series(p.INCIDENTS_OPEN, JOB, 'state="escalated"')), thresholds=ANY_IS_BAD),
        stat("Failed targets", "Failed or quarantined.", total(failed), thresholds=ANY_IS_BAD),
        stat("Recoveries that run", "Those that have not ended.", total(series(p.RECOVERIES_RUNNING, SERVICE))),
        stat("Plans that wait", "For a person to agree.", total(series(p.APPROVALS_WAITING, JOB)),
             thresholds=ANY_IS_ODD),
        stat("Time to recover, p95", "From detection to proven health, since the start of the control plane.",
             quantile_so_far(0.95, p.TIME_TO_RECOVER, SERVICE), unit="s"),
        stat("Stop switch", "A person has stopped all automation.", total(series(p.STOP_SWITCH, JOB), of="max"),
             mappings=YES_IS_BAD, thresholds=steps(GOOD, (1, HELD)), width=12),
        stat("Storm brake", "So much failed at once that nothing is repaired until a person releases it.",
             total(series(p.STORM_BRAKE, JOB), of="max"), mappings=YES_IS_BAD, thresholds=ANY_IS_BAD, width=12),
    ))  # fmt: skip


def _targets() -> Row:
    well = series(p.TARGET_CONDITION, SERVICE, 'condition!="healthy"')
    return Row("Targets", (
        chart("Targets by condition", "Those that are not written one by one included.",
              *parts.split(p.TARGETS, JOB), colours=CONDITIONS, stacked=True),
        chart("Targets that are not healthy", "Each for as long as it is so.",
              Query(f"{well} == 1", "{{target}} {{condition}}"), stacked=True),
        chart("Time that checks take", "Of the latest look, the 10 slowest.",
              Query(f"topk(10, {series(p.CHECK_DURATION, SERVICE)})", "{{target}} {{check}}"), unit="s"),
        table("Checks", "What the latest look found.", series(p.CHECK_GOOD, SERVICE), value="Good", width=24,
              mappings=YES_IS_GOOD, thresholds=steps(BAD, (1, GOOD)), links=(Link(
                  "In ScrollIntel", "${product}/#/services/${__data.fields.service:percentencode}"),)),
    ))  # fmt: skip


def _incidents() -> Row:
    severities = {"1": BAD, "2": WARN}
    return Row("Incidents", (
        chart("Open incidents by state", "Waiting ones wait for a person; escalated ones were given up.",
              *parts.split(p.INCIDENTS_OPEN, JOB), colours=INCIDENTS, stacked=True),
        chart("Open incidents by severity", "1 is the worst.",
              Query(total(series(p.INCIDENTS_OPEN, JOB), "severity"), "{{severity}}"), colours=severities,
              stacked=True),
        chart("Incidents opened in an hour", "By severity.",
              Query(increase(p.INCIDENTS, SERVICE, over="1h", by=("severity",)), "{{severity}}"),
              colours=severities, stacked=True),
    ))  # fmt: skip


def _recoveries() -> Row:
    phase = quantile_so_far(0.95, p.RECOVERY_PHASE, SERVICE, by=("phase",))
    times = [Query(quantile_so_far(share, p.TIME_TO_RECOVER, SERVICE), name) for share, name in SHARES]
    sums, counts = (total(series(p.TIME_TO_RECOVER, SERVICE, suffix=part), "service") for part in ("_sum", "_count"))
    return Row("Recoveries", (
        chart("Recoveries ended in an hour", "By how; failed ones did not bring the target back.",
              Query(increase(p.RECOVERIES, SERVICE, over="1h", by=("outcome",)), "{{outcome}}"), colours=RECOVERED,
              stacked=True),
        chart("Recoveries that run by service", "Those that have not ended.",
              Query(total(series(p.RECOVERIES_RUNNING, SERVICE), "service"), "{{service}}"), stacked=True,
              links=parts.TO_SERVICE),
        chart("Time to recover", "From detection to proven health, since the start of the control plane.", *times,
              unit="s", colours=PERCENTILES),
        chart("Phases, p95", "Until the failure was declared, the first step was on disk, the last action was carried "
              "out, and health was proven; since the start of the control plane.", Query(phase, "{{phase}}"), unit="s"),
        chart("Mean time to recover by service", "Since the start of the control plane.",
              Query(f"{sums} / {counts}", "{{service}}"), unit="s",
              links=parts.TO_SERVICE),
        chart("Messages to people", "Sent, given up, or dropped because too many waited.",
              Query(rate(p.NOTICES, JOB, over=WINDOW, by=("outcome",)), "{{outcome}}"), unit="cps",
              colours=SENT),
    ))  # fmt: skip


RECOVERY = Dashboard(
    uid="scrollintel-recovery",
    title="ScrollIntel: recovery",
    description="Watched targets, incidents, and what automation does about them.",
    rows=(_now(), _targets(), _incidents(), _recoveries()),
    variables=(parts.JOBS, parts.INSTANCES, parts.SERVICES),
    page="/incidents",
)
