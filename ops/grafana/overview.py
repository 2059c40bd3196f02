"""What is broken now, over all services and circuits."""

from __future__ import annotations

from ops.expressions import BY_CIRCUIT, TRIED, budget_left, failure_ratio, quantile, rate, refusing, series, total
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
    LEVEL_STEPS,
    LEVEL_WORDS,
    OUTCOMES,
    REPLICAS,
    SHARE_FAILED,
    STATES,
    WARN,
    YES_IS_GOOD,
    steps,
)  # fmt: skip
from .panel import Link, Query
from .parts import JOB, SERVICE, WINDOW, chart, stat, table


def _now() -> Row:
    state = series(f.CIRCUIT_STATE, SERVICE, 'state="isolated"')
    attempts = rate(f.CIRCUIT_ATTEMPTS, SERVICE, TRIED, over=WINDOW)
    return Row("Now", (
        stat("Open circuits", "Circuits that are open or half-open: they refuse calls.", f"sum({refusing(SERVICE)})",
             thresholds=ANY_IS_BAD),
        stat("Held open by a person", "Circuits that an operator has isolated.",
             f"sum({total(state, *BY_CIRCUIT, of='max')})", thresholds=steps(GOOD, (1, HELD))),
        stat("Open incidents", "Incidents that are not over.", total(series(p.INCIDENTS_OPEN, JOB)),
             thresholds=ANY_IS_BAD),
        stat("Degraded services", "Services that give up a part of what they do.",
             f"count({total(series(f.DEGRADATION_LEVEL, SERVICE), 'service', of='max')} > 0) or vector(0)",
             thresholds=ANY_IS_ODD),
        stat("Silent replicas", "Replicas that have fallen silent.",
             total(series(p.REPLICAS, SERVICE, 'state="stale"')), thresholds=ANY_IS_ODD),
        stat("Control plane is well", "It writes, trusts its audit log, and no background work fails.",
             total(series(p.PLATFORM_HEALTHY, JOB), of="max"), mappings=YES_IS_GOOD, thresholds=steps(BAD, (1, GOOD))),
        stat("Calls per second", "Attempts that were made.", attempts, unit="reqps"),
        stat("Share of failures", "Of the attempts that were made.", failure_ratio(SERVICE, over=WINDOW),
             unit="percentunit", thresholds=SHARE_FAILED),
        stat("Refused per second", "Attempts that circuits did not let pass.",
             rate(f.CIRCUIT_ATTEMPTS, SERVICE, 'outcome="rejected"', over=WINDOW), unit="reqps",
             thresholds=steps(GOOD, (0.01, WARN))),
        stat("p50", "Half of the answers came within this time.",
             quantile(0.5, f.CIRCUIT_RESPONSES, SERVICE, over=WINDOW), unit="s"),
        stat("p95", "Of twenty answers, nineteen came within this time.",
             quantile(0.95, f.CIRCUIT_RESPONSES, SERVICE, over=WINDOW), unit="s"),
        stat("p99", "Of a hundred answers, 99 came within this time.",
             quantile(0.99, f.CIRCUIT_RESPONSES, SERVICE, over=WINDOW), unit="s"),
    ))  # fmt: skip


def _circuits() -> Row:
    not_closed = series(f.CIRCUIT_STATE, SERVICE, 'state!="closed"')
    changes = rate(f.CIRCUIT_CHANGES, SERVICE, over="10m", by=BY_CIRCUIT)
    return Row("Circuits", (
        table("Circuits that are not closed", "A click leads to the circuit.", f"{not_closed} == 1",
              hidden=("Value",), links=parts.FROM_TABLE, width=8),
        chart("Circuits by state", "Those that are not written one by one included.",
              *parts.split(f.CIRCUITS, JOB), colours=STATES, stacked=True),
        chart("Changes of state, the 10 most restless circuits", "In ten minutes; a circuit that flaps stands out.",
              Query(f"topk(10, {changes} * 600)", "{{circuit}} {{service}}"), links=parts.TO_CIRCUIT),
        parts.timeline(SERVICE, height=8),
        chart("Attempts by outcome", "Each attempt ends in one way; a time-out is a failure.",
              *parts.split(f.CIRCUIT_ATTEMPTS, SERVICE, over=WINDOW), unit="reqps", colours=OUTCOMES, stacked=True),
        parts.failing(SERVICE, by=BY_CIRCUIT, worst=10),
        parts.percentiles("Response times", "Of attempts that succeeded or failed.", f.CIRCUIT_RESPONSES, SERVICE),
    ))  # fmt: skip


def _policies() -> Row:
    by = ("job", "service", "policy")
    legend = "{{policy}} {{service}}"
    used = f"{series(f.BULKHEAD_RUNNING, SERVICE)} / {series(f.BULKHEAD_LIMIT, SERVICE)}"
    permits = f"{series(f.RATE_PERMITS, SERVICE)} / {series(f.RATE_CAPACITY, SERVICE)}"
    return Row("Policies", (
        chart("Retries, the 10 busiest policies", "Attempts that followed a failed one.",
              Query(f"topk(10, {rate(f.RETRIES, SERVICE, over=WINDOW, by=by)})", legend), unit="reqps"),
        chart("Retry budgets, the 10 poorest", "At nothing, failures are told at once instead of retried.",
              Query(f"bottomk(10, {budget_left(SERVICE)})", legend), unit="percentunit", most=1,
              thresholds=steps(BAD, (0.1, WARN), (0.3, GOOD))),
        chart("Fallbacks, hedges and calls given up", "What callers got instead of a first answer.",
              Query(rate(f.FALLBACKS, SERVICE, over=WINDOW), "fallbacks"),
              Query(rate(f.HEDGES, SERVICE, over=WINDOW), "hedges"),
              Query(rate(f.RETRIES_GIVEN_UP, SERVICE, over=WINDOW), "given up"), unit="reqps",
              colours={"given up": BAD}),
        chart("Bulkheads, the 10 fullest", "Slots in use; a full one lets attempts wait and then refuses them.",
              Query(f"topk(10, {total(used, *by, of='max')})", legend), unit="percentunit", most=1,
              thresholds=steps(GOOD, (0.8, WARN), (1, BAD))),
        chart("Rate limits, the 10 tightest", "Permits that are left; below nothing they are reserved ahead.",
              Query(f"bottomk(10, {total(permits, *by, of='min')})", legend), unit="percentunit"),
        chart("Refused by bulkheads and rate limits", "Attempts that did not start.",
              Query(f"topk(10, {rate(f.LIMIT_REJECTIONS, SERVICE, over=WINDOW, by=by)})", legend), unit="reqps"),
    ))  # fmt: skip


def _services() -> Row:
    by = ("job", "service")
    levels = total(series(f.DEGRADATION_LEVEL, SERVICE), "service", of="max")
    return Row("Services", (
        table("Degradation levels", "0 is full service, 4 the least.", levels, value="Level", mappings=LEVEL_WORDS,
              thresholds=LEVEL_STEPS, width=8, links=(Link(
                  "In ScrollIntel", "${product}/#/services/${__data.fields.service:percentencode}"),)),
        chart("Share of failures by service", "Of the service that calls.",
              Query(failure_ratio(SERVICE, over=WINDOW, by=by), "{{service}}"), unit="percentunit", most=1,
              thresholds=SHARE_FAILED, links=parts.TO_SERVICE),
        chart("Replicas", "Stale ones have fallen silent.", *parts.split(p.REPLICAS, SERVICE), colours=REPLICAS,
              stacked=True),
    ))  # fmt: skip


def _servers() -> Row:
    by = ("job", "server")
    return Row("Servers that shed load, and pools of hosts", (
        chart("Shed by class", "Requests that were refused because there were too many.",
              Query(rate(f.ADMISSION_REQUESTS, JOB, 'outcome="shed"', over=WINDOW, by=("server", "criticality")),
                    "{{server}} {{criticality}}"), unit="reqps"),
        chart("Served by class", "Requests that were let in.",
              Query(rate(f.ADMISSION_REQUESTS, JOB, 'outcome="served"', over=WINDOW, by=("server", "criticality")),
                    "{{server}} {{criticality}}"), unit="reqps"),
        chart("Lowest level that is served", "From 0, all, to 499; it rises while a server sheds.",
              Query(total(series(f.ADMISSION_THRESHOLD, JOB), *by, of="max"), "{{server}}"), most=499),
        chart("Requests at once", "Those that run and that wait, beside the limit.",
              Query(total(series(f.ADMISSION_RUNNING, JOB), *by), "{{server}} running"),
              Query(total(series(f.ADMISSION_WAITING, JOB), *by), "{{server}} waiting"),
              Query(total(series(f.ADMISSION_LIMIT, JOB), *by), "{{server}} limit")),
        chart("Not begun because nobody waits", "Requests whose callers had stopped waiting.",
              Query(rate(f.ADMISSION_EXPIRED, JOB, over=WINDOW, by=by), "{{server}}"), unit="reqps"),
        chart("Hosts of pools", "Ejected ones fail more than the others.",
              *parts.split(f.POOL_HOSTS, JOB), stacked=True),
        chart("Ejections and panics", "In a panic so few hosts are admitted that all are used.",
              Query(rate(f.POOL_EJECTIONS, JOB, over=WINDOW, by=("job", "pool")), "{{pool}} ejections"),
              Query(total(series(f.POOL_PANICS, JOB), "job", "pool", of="max"), "{{pool}} panics")),
    ))  # fmt: skip


OVERVIEW = Dashboard(
    uid="scrollintel-overview",
    title="ScrollIntel: overview",
    description="What is broken, over all services and circuits.",
    rows=(_now(), _circuits(), _policies(), _services(), _servers()),
    variables=(parts.JOBS, parts.INSTANCES, parts.SERVICES),
    annotations=parts.state_marks(SERVICE)[:2],
)
