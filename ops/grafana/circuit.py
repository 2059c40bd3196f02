"""One circuit, with the policy of the same name."""

from __future__ import annotations

from ops.expressions import TRIED, budget_left, equal, failure_ratio, increase, rate, series, total
from scrollintel.telemetry import families as f

from . import parts
from .dashboard import Dashboard, Row
from .looks import BAD, GOOD, OUTCOMES, SHARE_FAILED, STATE_NUMBERS, STATE_WORDS, STATES, WARN, steps
from .panel import Link, Panel, Query
from .parts import CIRCUIT, POLICY, WINDOW, chart, stat


def _now() -> Row:
    number = " + ".join(
        f"{number} * {total(series(f.CIRCUIT_STATE, CIRCUIT, equal('state', state)), of='max')}"
        for state, number in STATE_NUMBERS.items()
        if number
    )
    since = total(series(f.CIRCUIT_SINCE, CIRCUIT), of="max")
    colours = steps(GOOD, *((number, STATES[state]) for state, number in STATE_NUMBERS.items() if number))
    return Row("Now", (
        stat("State", "The worst state of all keys and replicas.", number, mappings=STATE_WORDS, thresholds=colours,
             links=(Link("In ScrollIntel", "${product}/#/circuits/${circuit:percentencode}"),)),
        stat("In this state for", "Since the latest change.", f"time() - {since}", unit="s"),
        stat("Calls per second", "Attempts that were made.", rate(f.CIRCUIT_ATTEMPTS, CIRCUIT, TRIED, over=WINDOW),
             unit="reqps"),
        stat("Share of failures", "Of the attempts that were made.", failure_ratio(CIRCUIT, over=WINDOW),
             unit="percentunit", thresholds=SHARE_FAILED),
        stat("Refused per second", "Attempts that did not start.",
             rate(f.CIRCUIT_ATTEMPTS, CIRCUIT, 'outcome="rejected"', over=WINDOW), unit="reqps",
             thresholds=steps(GOOD, (0.01, WARN))),
        stat("Changes of state in an hour", "Probes of a circuit that stays open count as well.",
             increase(f.CIRCUIT_CHANGES, CIRCUIT, over="1h"), thresholds=steps(GOOD, (6, WARN), (20, BAD))),
    ))  # fmt: skip


def _history() -> Row:
    buckets = rate(f.CIRCUIT_RESPONSES, CIRCUIT, over=WINDOW, by=("le",), suffix="_bucket")
    return Row("Attempts", (
        parts.timeline(CIRCUIT),
        chart("Attempts by outcome", "Each attempt ends in one way; a time-out is a failure.",
              *parts.split(f.CIRCUIT_ATTEMPTS, CIRCUIT, over=WINDOW), unit="reqps", colours=OUTCOMES, stacked=True),
        parts.failing(CIRCUIT),
        chart("Time-outs and slow attempts", "Slow attempts took longer than slow_call_duration.",
              Query(rate(f.CIRCUIT_TIMEOUTS, CIRCUIT, over=WINDOW), "time-outs"),
              Query(rate(f.CIRCUIT_SLOW, CIRCUIT, over=WINDOW), "slow"), unit="reqps",
              colours={"time-outs": BAD, "slow": WARN}),
        parts.percentiles("Response times", "Of attempts that succeeded or failed.", f.CIRCUIT_RESPONSES, CIRCUIT),
        Panel(kind="heatmap", title="Response times, all", description="Darker means more attempts.",
              queries=(Query(buckets, "{{le}}", heatmap=True),), unit="reqps"),
        chart("Instances by state", "One for each key on each replica.", *parts.split(f.CIRCUIT_INSTANCES, CIRCUIT),
              colours=STATES, stacked=True),
        chart("Mean response time", "The sum of all times by their number.",
              Query(rate(f.CIRCUIT_RESPONSES, CIRCUIT, over=WINDOW, suffix="_sum") + " / "
                    + rate(f.CIRCUIT_RESPONSES, CIRCUIT, over=WINDOW, suffix="_count"), "mean"), unit="s"),
        chart("Failures beside the other circuits of the service", "The present circuit stands out, or it does not.",
              Query(failure_ratio(parts.SERVICE, over=WINDOW, by=("service", "circuit")), "{{circuit}} {{service}}"),
              unit="percentunit", most=1, width=16, links=parts.TO_CIRCUIT),
    ))  # fmt: skip


def _policy() -> Row:
    return Row("The policy of the same name", (
        chart("Retries", "Attempts that followed a failed one, and calls whose retries ended without success.",
              Query(rate(f.RETRIES, POLICY, over=WINDOW), "retries"),
              Query(rate(f.RETRIES_GIVEN_UP, POLICY, over=WINDOW), "given up"), unit="reqps",
              colours={"given up": BAD}),
        chart("Retry budget", "Of the poorest replica; at nothing, failures are told at once instead of retried.",
              Query(budget_left(POLICY), "{{policy}} {{service}}"), unit="percentunit", most=1,
              thresholds=steps(BAD, (0.1, WARN), (0.3, GOOD))),
        chart("Bulkhead", "Attempts that run and that wait, beside the slots.",
              Query(total(series(f.BULKHEAD_RUNNING, POLICY)), "running"),
              Query(total(series(f.BULKHEAD_WAITING, POLICY)), "waiting"),
              Query(total(series(f.BULKHEAD_LIMIT, POLICY)), "slots"), colours={"waiting": WARN}),
        chart("Rate limit", "Permits that can be taken, beside those that can be saved up.",
              Query(total(series(f.RATE_PERMITS, POLICY)), "permits"),
              Query(total(series(f.RATE_CAPACITY, POLICY)), "capacity")),
        chart("Adaptive limit", "Attempts that run and that wait, beside the slots that it found out.",
              Query(total(series(f.ADAPTIVE_RUNNING, POLICY)), "running"),
              Query(total(series(f.ADAPTIVE_WAITING, POLICY)), "waiting"),
              Query(total(series(f.ADAPTIVE_LIMIT, POLICY)), "limit"), colours={"waiting": WARN}),
        chart("Refused by adaptive limit and throttle", "Attempts that did not start, so as not to overload.",
              Query(rate(f.ADAPTIVE_REJECTIONS, POLICY, over=WINDOW), "limit"),
              Query(rate(f.THROTTLE_REJECTIONS, POLICY, over=WINDOW), "throttle"), unit="reqps"),
        chart("Throttle", "Share of ordinary attempts that is not sent, because the dependency accepts too little.",
              Query(series(f.THROTTLED, POLICY), "{{policy}} {{service}}"), unit="percentunit", most=1,
              thresholds=steps(GOOD, (0.01, WARN), (0.5, BAD))),
        chart("Metastable failures", "Share of the calls that pass while an overload that keeps itself alive is ended.",
              Query(total(series(f.METASTABLE_SHARE, POLICY), of="min"), "passing"),
              Query(total(series(f.METASTABLE, POLICY), of="max"), "found"), most=1),
        chart("Shed to end a metastable failure", "Calls that were refused for it.",
              Query(rate(f.METASTABLE_SHED, POLICY, over=WINDOW), "shed"), unit="reqps"),
        chart("Fallbacks kept warm", "Runs beside calls by how they ended, and fallbacks that would fail when needed.",
              Query(rate(f.FALLBACK_SHADOWS, POLICY, over=WINDOW, by=("outcome",)), "{{outcome}}"),
              Query(total(series(f.FALLBACKS_COLD, POLICY), of="max"), "cold"), colours={"cold": WARN}),
        chart("Refused, answered otherwise", "Refused by a limit or the throttle; fallbacks; hedges.",
              Query(rate(f.LIMIT_REJECTIONS, POLICY, over=WINDOW), "refused"),
              Query(rate(f.FALLBACKS, POLICY, over=WINDOW), "fallbacks"),
              Query(rate(f.HEDGES, POLICY, over=WINDOW), "hedges"), unit="reqps"),
        chart("Abandoned threads", "They still run operations whose time was over.",
              Query(total(series(f.ABANDONED_THREADS, POLICY)), "threads"),
              thresholds=steps(GOOD, (1, WARN), (10, BAD))),
    ))  # fmt: skip


CIRCUIT_DASHBOARD = Dashboard(
    uid="scrollintel-circuit",
    title="ScrollIntel: one circuit",
    description="The state of one circuit, the attempts that decided it, and the policy of the same name.",
    rows=(_now(), _history(), _policy()),
    variables=(parts.JOBS, parts.INSTANCES, parts.SERVICES, parts.CIRCUITS),
    annotations=parts.state_marks(CIRCUIT),
    page="/circuits/${circuit:percentencode}",
)
