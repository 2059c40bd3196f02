"""The names that spans, their events and metrics carry; the reference is made from these tables."""

from __future__ import annotations

from typing import NamedTuple

SPAN = "resilience.call"
"""Name of the span of a protected call; the policy is an attribute, so that names stay few."""
ATTEMPT_SPAN = "resilience.attempt"
RECOVERY_SPAN = "resilience.recovery"
STEP_SPAN = "resilience.recovery.step"

METRIC_PREFIX = "resilience."
"""Before the names of instruments, and before those of labels as attributes."""

POLICY = "resilience.policy"
CIRCUIT = "resilience.circuit"
KEY = "resilience.key"
OUTCOME = "resilience.outcome"
ATTEMPTS = "resilience.attempts"
ATTEMPT = "resilience.attempt"
LAYER = "resilience.layer"
REASON = "resilience.reason"
OLD_STATE = "resilience.state.old"
STATE = "resilience.state"
DELAY = "resilience.delay"
TIMEOUT = "resilience.timeout"
ELAPSED = "resilience.elapsed"
ABANDONED = "resilience.abandoned"
FALLBACK = "resilience.fallback"
EVENTS_DROPPED = "resilience.events_dropped"
SERVICE = "resilience.service"
TARGET = "resilience.target"
INCIDENT = "resilience.incident"
RECOVERY = "resilience.recovery"
FAILURE_TYPE = "resilience.failure_type"
STRATEGY = "resilience.strategy"
STEP = "resilience.step"
ERROR_TYPE = "error.type"


class Attribute(NamedTuple):
    """One attribute, with what it says and where it stands."""

    name: str
    kind: str
    stands_on: str
    meaning: str


ATTRIBUTES = (
    Attribute(POLICY, "string", "call, attempt", "Name of the policy"),
    Attribute(CIRCUIT, "string", "call", "Name of the circuit"),
    Attribute(KEY, "string", "event `circuit.state_changed`", "Key of a keyed circuit"),
    Attribute(
        OUTCOME, "string", "call, attempt, recovery, step",
        "How it ended: `success`, `failure`, `rejected`, `timed_out`, `cancelled` or `fallback`; for recoveries and "
        "steps what the control plane says",
    ),
    Attribute(ATTEMPTS, "int", "call", "Attempts that began, hedges included; 0 when the call was refused"),
    Attribute(ATTEMPT, "int", "attempt, events", "Number of the attempt, from 1"),
    Attribute(ERROR_TYPE, "string", "call, attempt, events", "Class of the error; never its text"),
    Attribute(
        LAYER, "string", "event `call.rejected`",
        "What refused: breaker, throttle, rate_limit, bulkhead, limit, metastability or deadline",
    ),
    Attribute(REASON, "string", "events", "Why a state changed or no further attempt follows"),
    Attribute(OLD_STATE, "string", "event `circuit.state_changed`", "State that the circuit left"),
    Attribute(STATE, "string", "event `circuit.state_changed`", "State that it entered"),
    Attribute(DELAY, "double", "events", "Seconds before a further attempt, or until an open circuit probes"),
    Attribute(TIMEOUT, "double", "event `call.timed_out`", "Seconds that the attempt was given"),
    Attribute(ELAPSED, "double", "event `retry.given_up`", "Seconds since the call began"),
    Attribute(ABANDONED, "boolean", "event `call.timed_out`", "Whether a worker thread still runs the attempt"),
    Attribute(FALLBACK, "string", "events `fallback.used`, `fallback.failed`", 'Name of the fallback, or "stale"'),
    Attribute(EVENTS_DROPPED, "int", "call", "Events beyond the 128 that one span keeps; absent when there are none"),
    Attribute(SERVICE, "string", "recovery", "Service that was repaired"),
    Attribute(TARGET, "string", "recovery", "Part of the service that was repaired"),
    Attribute(INCIDENT, "string", "recovery", "Id of the incident"),
    Attribute(RECOVERY, "string", "recovery, step", "Id of the recovery"),
    Attribute(FAILURE_TYPE, "string", "recovery", "Kind of the failure"),
    Attribute(STRATEGY, "string", "recovery, step", "Strategy that helped; strategy of the step"),
    Attribute(STEP, "string", "step", "observe, plan, act, verify or undo"),
)  # fmt: skip
