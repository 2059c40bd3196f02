"""What is true now that people should know of, judged from what was gathered; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from ..core.states import CircuitState
from ..recovery.burn import Burn
from .alerts import AlertName, AlertRules, Condition, Labels
from .circuit_view import ReplicaCircuit
from .incidents import IncidentRecord, IncidentState

NOT_CLOSED = frozenset({CircuitState.OPEN.value, CircuitState.HALF_OPEN.value})
"""States of a circuit that is not well; one that an operator holds open is as it is meant to be."""
FAST, SLOW = 14.4, 6.0
"""Burn rates that people are told of at once (Google SRE Workbook, chapter 5, table 5-8)."""
FAILED_TWICE = 2
"""Recoveries in one incident from which on they are failing: the first has failed, or has not held."""
FAILING_FOR = 60.0
"""Seconds for which the second of them may go on before people are told."""


class Openings(NamedTuple):
    """How often a circuit of one replica has opened out of closed within the window."""

    service: str
    circuit: str
    replica: str
    times: int


class Budget(NamedTuple):
    """A retry budget that pays for no retry, on one replica, while calls are made."""

    service: str
    policy: str
    replica: str
    tokens: float
    needed: float


class Trouble(NamedTuple):
    """Something that is wrong with the control plane itself."""

    part: str
    severity: int
    text: str


class Hold(NamedTuple):
    """Automation is held by somebody or something: why, by whom, and since when."""

    by: str
    why: str
    since: datetime


def open_circuits(parts: Iterable[ReplicaCircuit], rules: AlertRules) -> Iterator[Condition]:
    """Return the circuits that are not closed, one for each service that uses them.

    A circuit counts where a replica that is not silent has it open or tries it again; of a service whose replicas
    are all silent what they said last counts.

    Arguments:
        parts: All circuits of all replicas of which one is not closed.
        rules: The bounds.
    """
    seen: dict[tuple[str, str], list[ReplicaCircuit]] = {}
    for part in parts:
        seen.setdefault((part.service, part.report.name), []).append(part)
    for (service, circuit), all_of_it in seen.items():
        known = [part for part in all_of_it if not part.stale] or all_of_it
        bad = [part for part in known if part.report.state in NOT_CLOSED]
        if not bad:
            continue
        replicas = sorted({part.replica for part in bad})
        first = bad[0]
        share = f"on {len(replicas)} of {len({part.replica for part in known})} replicas"
        yield Condition(
            labels=Labels(AlertName.CIRCUIT_OPEN_TOO_LONG, service, circuit),
            severity=2,
            summary=f"calls of {service} to {circuit} are refused {share}: {first.report.reason}"[:500],
            evidence={
                "replicas": replicas[:20],
                "open": len(replicas),
                "known": len({part.replica for part in known}),
                "reason": first.report.reason,
                "last_failure": first.report.last_failure_type,
                "silent": all(part.stale for part in known),
                "bound": rules.open_for,
            },
            hold=rules.open_for,
        )


def flapping_circuits(openings: Iterable[Openings], rules: AlertRules) -> Iterator[Condition]:
    """Return the circuits that opened too often on one replica, however many replicas opened once.

    Arguments:
        openings: Counts within `flap_window`, by replica and key.
        rules: The bounds.
    """
    seen: dict[tuple[str, str], list[Openings]] = {}
    for item in openings:
        if item.times > rules.flap_openings:
            seen.setdefault((item.service, item.circuit), []).append(item)
    for (service, circuit), flapping in seen.items():
        worst = max(flapping, key=lambda item: item.times)
        yield Condition(
            labels=Labels(AlertName.CIRCUIT_FLAPPING, service, circuit),
            severity=3,
            summary=(
                f"the circuit of {service} to {circuit} has opened {worst.times} times in {rules.flap_window:g} s and"
                " closed in between"
            )[:500],
            evidence={
                "openings": worst.times, "replica": worst.replica,
                "replicas": len({item.replica for item in flapping}), "window": rules.flap_window,
                "bound": rules.flap_openings,
            },
        )  # fmt: skip


def empty_budgets(budgets: Iterable[Budget], rules: AlertRules) -> Iterator[Condition]:
    """Return the policies whose retries are not paid for any more, one for each service."""
    seen: dict[tuple[str, str], list[Budget]] = {}
    for budget in budgets:
        seen.setdefault((budget.service, budget.policy), []).append(budget)
    for (service, policy), empty in seen.items():
        least = min(empty, key=lambda budget: budget.tokens)
        yield Condition(
            labels=Labels(AlertName.RETRY_BUDGET_EXHAUSTED, service, policy),
            severity=3,
            summary=f"calls of {service} under {policy} fail so often that its retry budget pays for no more retries",
            evidence={
                "replicas": sorted({budget.replica for budget in empty})[:20], "tokens": least.tokens,
                "needed": least.needed, "bound": rules.budget_for,
            },
            hold=rules.budget_for,
        )  # fmt: skip


def burning_budgets(burns: Iterable[tuple[str, float, Iterable[Burn]]]) -> Iterator[Condition]:
    """Return the services whose error budget burns too fast, one for each pair of windows.

    Arguments:
        burns: For each service its objective and the pairs of windows that burn.
    """
    for service, objective, pairs in burns:
        for burn in pairs:
            if burn.threshold not in (FAST, SLOW):
                continue
            fast = burn.threshold == FAST
            yield Condition(
                labels=Labels(AlertName.ERROR_BUDGET_BURN, service, None, "1h" if fast else "6h"),
                severity=1 if fast else 2,
                summary=(
                    f"calls to {service} fail {burn.short_rate:.3g} times as often as its objective of"
                    f" {objective:.5g} allows; {'2 % in an hour' if fast else '5 % in 6 hours'} of the error budget"
                    " of 30 days are gone at that rate or faster"
                ),
                evidence={
                    "objective": objective, "long_window": "1h" if fast else "6h",
                    "short_window": "5m" if fast else "30m", "long_rate": burn.long_rate,
                    "short_rate": burn.short_rate, "bound": burn.threshold,
                },
            )  # fmt: skip


def failing_recoveries(incidents: Iterable[IncidentRecord], rules: AlertRules) -> Iterator[Condition]:
    """Return the targets whose recovery was given up, or has failed or not held before and is tried again.

    People are told at once by the incident itself that it was given up, so this reminds of it after the repeat
    interval; of one that somebody has acknowledged it does not.
    """
    for incident in incidents:
        escalated = incident.state is IncidentState.ESCALATED
        tried = incident.attempts
        trying = incident.state in (IncidentState.RECOVERING, IncidentState.WAITING) and tried >= FAILED_TWICE
        if not escalated and not trying:
            continue
        taken = incident.acknowledged_by
        said = (
            "its recovery was given up" if escalated else f"recovery {tried} of it runs, the ones before have not held"
        )
        yield Condition(
            labels=Labels(AlertName.RECOVERY_FAILING, incident.service, incident.target),
            severity=min(2, incident.severity),
            summary=f"{incident.target} is down and {said}: {incident.detail}"[:500],
            evidence={
                "incident": incident.id, "state": incident.state.value, "attempts": incident.attempts,
                "relapses": incident.relapses, "failure_type": incident.failure_type, "acknowledged_by": taken,
                "declared_at": incident.declared_at.isoformat(),
            },
            hold=0.0 if escalated else FAILING_FOR,
            quiet=rules.repeat_interval if escalated else 0.0,
            muted=None if taken is None else f"{incident.id} is acknowledged by {taken}",
        )  # fmt: skip


def held_automation(brake: Hold | None, switch: Hold | None, now: datetime, rules: AlertRules) -> Iterator[Condition]:
    """Return what holds automation: the storm brake, and a stop switch that is on for long."""
    if brake is not None:
        yield Condition(
            labels=Labels(AlertName.STORM_BRAKE_ENGAGED),
            severity=1,
            summary=f"the storm brake holds all automation until a person releases it: {brake.why}"[:500],
            evidence={"engaged_by": brake.by, "why": brake.why, "since": brake.since.isoformat()},
            age=(now - brake.since).total_seconds(),
            quiet=rules.repeat_interval,  # people are told by the incident desk at once
        )
    if switch is not None:
        yield Condition(
            labels=Labels(AlertName.AUTOMATION_STOPPED),
            severity=3,
            summary=f"all automation is stopped by {switch.by}: {switch.why}"[:500],
            evidence={
                "stopped_by": switch.by, "why": switch.why, "since": switch.since.isoformat(),
                "bound": rules.stopped_for,
            },
            hold=rules.stopped_for,
            age=(now - switch.since).total_seconds(),
        )  # fmt: skip


def ill_platform(broken_chain: str | None, troubles: Iterable[Trouble], rules: AlertRules) -> Iterator[Condition]:
    """Return what is wrong with the control plane itself."""
    if broken_chain is not None:
        yield Condition(
            labels=Labels(AlertName.AUDIT_CHAIN_BROKEN),
            severity=1,
            summary=f"the audit log is not what it was: {broken_chain}"[:500],
            evidence={"why": broken_chain},
        )
    for trouble in troubles:
        yield Condition(
            labels=Labels(AlertName.PLATFORM_DEGRADED, None, trouble.part),
            severity=trouble.severity,
            summary=f"the control plane is not well: {trouble.text}"[:500],
            evidence={"part": trouble.part, "why": trouble.text, "bound": rules.degraded_for},
            hold=rules.degraded_for,
        )


def silent_replicas(silent: Iterable[tuple[str, str, float]], rules: AlertRules) -> Iterator[Condition]:
    """Return the replicas that have fallen silent.

    Arguments:
        silent: Service, name of the process, and seconds of silence of each.
        rules: The bounds.
    """
    for service, replica, age in silent:
        yield Condition(
            labels=Labels(AlertName.REPLICA_STALE, service, replica),
            severity=3,
            summary=f"the replica {replica} of {service} has not been heard of for a while and has not left",
            evidence={"replica": replica, "silent_for": round(age, 1), "bound": rules.stale_for},
            hold=rules.stale_for,
            age=age,
        )
