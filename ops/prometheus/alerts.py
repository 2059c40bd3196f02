"""The alerts that there are; names, bounds and severities are those of the control plane's own alerts.

Bounds are taken from there: whoever changes a default there makes the rules anew.
"""

from __future__ import annotations

from ops.expressions import (
    BY_CIRCUIT,
    TRIED,
    budget_empty,
    changes_of_closed,
    equal,
    increase,
    lately,
    platform_ill,
    refusing_lately,
    series,
    total,
)
from scrollintel.control.alerts import AlertRules
from scrollintel.recovery.burn import MIN_EVENTS, PAIRS
from scrollintel.telemetry import families as f
from scrollintel.telemetry import platform_families as p

from .alert import Alert, Case, spell
from .recording import recorded

OBJECTIVE = 0.999
"""Share of attempts of each circuit that should succeed, unless whoever makes the rules says otherwise."""
BOUNDS = AlertRules()
ORDERS = {"job": "scrollintel", "service": "shop", "circuit": "orders"}
HOST = {"job": "scrollintel", "instance": "control:8400"}
_HOST = 'job="scrollintel",instance="control:8400"'
_ORDERS = _HOST + ',service="shop",circuit="orders"'


def _counter(*phases: tuple[int, int]) -> str:
    """Return the values of a counter minute by minute, from what it rises by each minute, and for how many."""
    parts, value = ["0"], 0
    for step, minutes in phases:
        parts.append(f"{value + step}+{step}x{minutes - 1}")
        value += step * minutes
    return " ".join(parts)


def _burning(failing: int, minutes: int, *, begins: float, value: str, ends: float) -> Case:
    """Return a case of 1,200 attempts a minute: of them, after 380 minutes, some fail for a while."""
    name = f.CIRCUIT_ATTEMPTS.name
    well = (1200, 380), (1200 - failing, minutes), (1200, 60)
    ill = (0, 380), (failing, minutes), (0, 60)
    return Case(
        {
            f'{name}{{{_ORDERS},outcome="success"}}': _counter(*well),
            f'{name}{{{_ORDERS},outcome="failure"}}': _counter(*ill),
        },
        begins,
        ORDERS,
        value,
        ends,
    )


# A tenth fails for 20 minutes: 1.44 % of an hour are reached in the ninth, 0.6 % of 6 hours never.
FAST = _burning(120, 20, begins=389, value="1.5%", ends=406)
# 1.25 % fail: less than 1.44 % of any hour, and 0.6 % of 6 hours after 173 minutes.
SLOW = _burning(15, 180, begins=553, value="0.6007%", ends=580)


def burn(pair: tuple[float, float, float], *, severity: int, objective: float, budget: str, case: Case) -> Alert:
    """Return the alert of one pair of windows (Google SRE Workbook, chapter 5).

    Arguments:
        pair: How many times faster than allowed the budget is used up; over a long window in seconds, which shows that
            it matters; and over a short one, which shows that it still goes on.
        severity: 1 (worst) to 4.
        objective: Share of attempts that should succeed.
        budget: What is used up of a budget of 30 days, in words.
        case: With what it fires.
    """
    factor, long, short = pair[0], spell(pair[1]), spell(pair[2])
    bound = f"{factor:g} * {round(1 - objective, 9):g}"
    enough = increase(f.CIRCUIT_ATTEMPTS, TRIED, over=short, by=BY_CIRCUIT)
    same = f"and on ({', '.join(BY_CIRCUIT)})"
    return Alert(
        name="ErrorBudgetBurn",
        expression=f"{recorded(long)} > {bound}\n{same} {recorded(short)} > {bound}\n{same} {enough} >= {MIN_EVENTS}",
        hold=0,
        severity=severity,
        labels={"variant": long},
        summary="calls of {{ $labels.service }} to {{ $labels.circuit }} fail so often that the error budget burns",
        description=f"{{{{ $value | humanizePercentage }}}} of the attempts of the last {long} failed, with an "
        f"objective of {objective * 100:g} %: more than {factor:g} times as many as it allows. {budget}",
        case=case,
    )


def burns(objective: float) -> tuple[Alert, ...]:
    """Return the pairs of windows for which somebody is told; a third one is for reports."""
    fast, slow = PAIRS[:2]
    return (
        burn(fast, severity=1, objective=objective, case=FAST, budget="2 % of a budget of 30 days go in an hour."),
        burn(slow, severity=2, objective=objective, case=SLOW, budget="5 % of a budget of 30 days go in 6 hours."),
    )


def _circuits() -> tuple[Alert, ...]:
    state = f.CIRCUIT_STATE.name
    changes = " ".join(["1", "0"] * 5) + " 1x30"
    budget = {
        f'{f.BUDGET_TOKENS.name}{{{_HOST},service="shop",policy="orders"}}': "10 10 0x20",
        f'{f.RETRIES_GIVEN_UP.name}{{{_HOST},service="shop",policy="orders"}}': "0 0 60+60x20",
    }
    return (
        Alert(
            name="CircuitOpenTooLong",
            expression=f"{refusing_lately()} == 1",
            hold=BOUNDS.open_for,
            severity=2,
            summary="calls of {{ $labels.service }} to {{ $labels.circuit }} are refused",
            description=f"The circuit has been open or half-open for {spell(BOUNDS.open_for)}: every probe has failed.",
            case=Case(
                {f'{state}{{{_ORDERS},state="open"}}': "0 0 1 0 1 stale 1 1 1 1 1 0",
                 f'{state}{{{_ORDERS},state="half_open"}}': "0 0 0 1 0 stale 0 0 0 0 0 0",
                 f'{state}{{{_ORDERS},state="isolated"}}': "1x11"},
                2, ORDERS, ends=11,
            ),
        ),
        Alert(
            name="CircuitFlapping",
            expression=f"{changes_of_closed(over=spell(BOUNDS.flap_window))} > {2 * BOUNDS.flap_openings}",
            hold=0,
            severity=3,
            summary="the circuit {{ $labels.circuit }} of {{ $labels.service }} flaps",
            description=f"It has opened and closed again and again within {spell(BOUNDS.flap_window)}: its state was "
            "seen to become closed, or to be it no longer, {{ $value | humanize }} times.",
            case=Case({f'{state}{{{_ORDERS},state="closed"}}': changes}, 7, ORDERS, "7", ends=16),
        ),
        Alert(
            name="RetryBudgetExhausted",
            expression=budget_empty(over="5m"),
            hold=BOUNDS.budget_for,
            severity=3,
            summary="calls of {{ $labels.service }} under {{ $labels.policy }} are not retried any more",
            description="They fail so often that the budget pays for none; it has {{ $value | humanize }} tokens.",
            case=Case(budget, 2, {"job": "scrollintel", "service": "shop", "policy": "orders"}, "0"),
        ),
    )  # fmt: skip


def _recovery() -> tuple[Alert, ...]:
    opened, ended = p.INCIDENTS_OPEN, p.RECOVERIES
    return (
        Alert(
            name="RecoveryFailing",
            expression=f"{total(series(opened, equal('state', 'escalated')), 'job')} > 0",
            hold=0,
            severity=2,
            labels={"variant": "given_up"},
            summary="automation has given up on {{ $value | humanize }} incidents",
            description="They wait for a person: `scrollintel incidents list` has them.",
            case=Case({f'{opened.name}{{{_HOST},severity="2",state="escalated"}}': "0 0 0 1 1 1 0"}, 3,
                      {"job": "scrollintel"}, "1", ends=6),
        ),
        Alert(
            name="RecoveryFailing",
            expression=f"{increase(ended, equal('outcome', 'failed'), over='30m', by=('job', 'service'))} > 1.5",
            hold=0,
            severity=2,
            labels={"variant": "repeated"},
            summary="recoveries of {{ $labels.service }} fail again and again",
            description="{{ $value | humanize }} recoveries have failed within 30 minutes.",
            case=Case({f'{ended.name}{{{_HOST},service="orders",outcome="failed"}}': "0 0 0 2x20"}, 3,
                      {"job": "scrollintel", "service": "orders"}, "2"),
        ),
        Alert(
            name="StormBrakeEngaged",
            expression=f"{series(p.STORM_BRAKE)} == 1",
            hold=0,
            severity=1,
            summary="the storm brake keeps recoveries from starting",
            description="So much failed at once that nothing is repaired until a person releases it.",
            case=Case({f"{p.STORM_BRAKE.name}{{{_HOST}}}": "0 0 0 1 1 0"}, 3, HOST, ends=5),
        ),
        Alert(
            name="AutomationStopped",
            expression=f"{lately(p.STOP_SWITCH)} == 1",
            hold=BOUNDS.stopped_for,
            severity=3,
            summary="nothing is repaired automatically",
            description=f"The stop switch has been on for {spell(BOUNDS.stopped_for)}.",
            case=Case({f"{p.STOP_SWITCH.name}{{{_HOST}}}": "0 0 1x30 stale 1x38 0"}, 2, HOST, ends=73),
        ),
    )  # fmt: skip


def _platform() -> tuple[Alert, ...]:
    healthy = f"{p.PLATFORM_HEALTHY.name}{{{_HOST}}}"
    storage = f'{p.STORAGE_STATE.name}{{{_HOST},state="standby"}}'
    monitoring = "how-to/monitor-with-prometheus.md#scrapemissing"
    return (
        Alert(
            name="AuditChainBroken",
            expression=f"{series(p.AUDIT_INTACT)} == 0",
            hold=0,
            severity=1,
            summary="the audit log is not what it was",
            description="Records were changed, removed or replaced, or the database was put back to an earlier state.",
            case=Case({f"{p.AUDIT_INTACT.name}{{{_HOST}}}": "1 1 0 0 1"}, 2, HOST, ends=4),
        ),
        Alert(
            name="PlatformDegraded",
            expression=platform_ill(),
            hold=BOUNDS.degraded_for,
            severity=1,
            summary="the control plane at {{ $labels.instance }} is not well",
            description="It cannot write, does not trust its audit log, or background work fails. `scrollintel doctor` "
            "on the host tells which.",
            case=Case({healthy: "0 0 0 0 0 1", storage: "1 1 0 0 0 0"}, 2, HOST, ends=5),
        ),
        Alert(
            name="ReplicaStale",
            expression=f"{lately(p.REPLICAS, equal('state', 'stale'))} > 0",
            hold=BOUNDS.stale_for,
            severity=3,
            summary="{{ $value | humanize }} replicas of {{ $labels.service }} have fallen silent",
            description=f"They have not reported for {spell(BOUNDS.stale_for)} and have not left in order.",
            case=Case({f'{p.REPLICAS.name}{{{_HOST},service="shop",state="stale"}}': "0 0 1 1 1 0"}, 2,
                      {**HOST, "service": "shop", "state": "stale"}, "1", ends=5),
        ),
        Alert(
            name="ScrapeMissing",
            expression='up{job=~"scrollintel.*"} == 0',
            hold=60,
            severity=1,
            labels={"variant": "down"},
            summary="Prometheus does not reach {{ $labels.instance }}",
            description="Scrapes of {{ $labels.job }} have failed for a minute, so no other alert can tell of it.",
            runbook=monitoring,
            case=Case({f"up{{{_HOST}}}": "1 1 0 0 0 1", healthy: "1x10"}, 2, HOST, ends=5),
        ),
        Alert(
            name="ScrapeMissing",
            expression=f"absent({series(p.PLATFORM_HEALTHY)})",
            hold=300,
            severity=1,
            labels={"variant": "absent"},
            summary="no control plane is scraped",
            description="There has been no series of a control plane for 5 minutes: the scrape configuration lacks it, "
            "or its token may not read metrics.",
            runbook=monitoring,
            case=Case({healthy: "1 1 stale _x20 1"}, 2, {}, ends=23),
        ),
    )  # fmt: skip


def alerts(objective: float = OBJECTIVE) -> tuple[Alert, ...]:
    """Return all alerts; `objective` is the share of attempts that should succeed, above 0 and below 1."""
    return (*_circuits(), *burns(objective), *_recovery(), *_platform())
