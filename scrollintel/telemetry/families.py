"""The families of a process, and as the control plane merges them from its replicas; dashboards rely on the names."""

from __future__ import annotations

from dataclasses import replace

from ..core.machines.sketch import CLASSIC_BOUNDS
from ..core.states import CircuitState
from .exposition import Definition, Kind

MAX_CIRCUITS = 1_000
"""Circuits that are written one by one, unless whoever asks for metrics says otherwise."""
STATES = tuple(state.value for state in CircuitState)
OUTCOMES = ("success", "failure", "ignored", "abandoned", "late", "rejected")
"""How attempts end, each in one way; a timeout is a failure."""
_C, _G, _H, _I = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM, Kind.INFO

# ------------------------------------------------------------------ circuits

CIRCUITS = Definition(
    name="scrollintel_circuits",
    kind=_G,
    help="Circuits in each state, those that are not written one by one included.",
    split=("state", STATES),
)
CIRCUIT_STATE = Definition(
    name="scrollintel_circuit_state",
    kind=_G,
    help="1 for the state that the circuit is in, 0 for the others; the worst one of all keys and replicas.",
    labels=("circuit",),
    split=("state", STATES),
)
CIRCUIT_INSTANCES = Definition(
    name="scrollintel_circuit_instances",
    kind=_G,
    help="Instances of the circuit in each state: one for each key on each replica.",
    labels=("circuit",),
    split=("state", STATES),
)
CIRCUIT_SINCE = Definition(
    name="scrollintel_circuit_state_entered_timestamp_seconds",
    kind=_G,
    help="When the circuit entered its present state, in Unix time.",
    labels=("circuit",),
)
CIRCUIT_CHANGES = Definition(
    name="scrollintel_circuit_state_changes_total",
    kind=_C,
    help="Changes of the circuit's state.",
    labels=("circuit",),
)
CIRCUIT_ATTEMPTS = Definition(
    name="scrollintel_circuit_attempts_total",
    kind=_C,
    help="Attempts by how they ended; rejected ones did not start, and a timeout is a failure.",
    labels=("circuit",),
    split=("outcome", OUTCOMES),
)
CIRCUIT_TIMEOUTS = Definition(
    name="scrollintel_circuit_timeouts_total",
    kind=_C,
    help="Failures that were timeouts.",
    labels=("circuit",),
)
CIRCUIT_SLOW = Definition(
    name="scrollintel_circuit_slow_attempts_total",
    kind=_C,
    help="Attempts that took longer than slow_call_duration.",
    labels=("circuit",),
)
CIRCUIT_RESPONSES = Definition(
    name="scrollintel_circuit_response_time_seconds",
    kind=_H,
    help="Response times of attempts that succeeded or failed; the sum is at most 3.2 % off.",
    labels=("circuit",),
    bounds=CLASSIC_BOUNDS,
)

# ------------------------------------------------------------------ policies and services

RETRIES = Definition(
    name="scrollintel_retries_total", kind=_C, help="Attempts that followed a failed one.", labels=("policy",)
)
RETRIES_GIVEN_UP = Definition(
    name="scrollintel_retries_given_up_total",
    kind=_C,
    help="Calls whose retries ended without success.",
    labels=("policy",),
)
BUDGET_TOKENS = Definition(
    name="scrollintel_retry_budget_tokens",
    kind=_G,
    help="Tokens left in the retry budget; over replicas, of the poorest one.",
    labels=("policy",),
)
BUDGET_RESERVE = Definition(
    name="scrollintel_retry_budget_reserve_tokens",
    kind=_G,
    help="Tokens that the retry budget can hold.",
    labels=("policy",),
)
HEDGES = Definition(
    name="scrollintel_hedges_total",
    kind=_C,
    help="Attempts that were sent beside one that took long.",
    labels=("policy",),
)
FALLBACKS = Definition(
    name="scrollintel_fallbacks_total", kind=_C, help="Calls that a fallback answered.", labels=("policy",)
)
BULKHEAD_RUNNING = Definition(
    name="scrollintel_bulkhead_running", kind=_G, help="Slots of the bulkhead that are in use.", labels=("policy",)
)
BULKHEAD_WAITING = Definition(
    name="scrollintel_bulkhead_waiting", kind=_G, help="Attempts that wait for a slot.", labels=("policy",)
)
BULKHEAD_LIMIT = Definition(
    name="scrollintel_bulkhead_limit", kind=_G, help="Slots that the bulkhead has.", labels=("policy",)
)
RATE_PERMITS = Definition(
    name="scrollintel_rate_limit_permits",
    kind=_G,
    help="Permits that can be taken now; below 0, as many are reserved. Over replicas, their sum.",
    labels=("policy",),
)
RATE_CAPACITY = Definition(
    name="scrollintel_rate_limit_capacity",
    kind=_G,
    help="Permits that can be saved up; over replicas, their sum.",
    labels=("policy",),
)
LIMIT_REJECTIONS = Definition(
    name="scrollintel_limit_rejections_total",
    kind=_C,
    help="Attempts that throttle, rate limit, bulkhead or adaptive limit refused, and calls that were shed.",
    labels=("policy",),
)
ADAPTIVE_LIMIT = Definition(
    name="scrollintel_adaptive_limit",
    kind=_G,
    help="Slots that the adaptive limit has now, of all its keys; over replicas, their sum.",
    labels=("policy",),
)
ADAPTIVE_RUNNING = Definition(
    name="scrollintel_adaptive_limit_running",
    kind=_G,
    help="Slots of the adaptive limit that are in use.",
    labels=("policy",),
)
ADAPTIVE_WAITING = Definition(
    name="scrollintel_adaptive_limit_waiting",
    kind=_G,
    help="Attempts that wait for a slot of the adaptive limit.",
    labels=("policy",),
)
ADAPTIVE_REJECTIONS = Definition(
    name="scrollintel_adaptive_limit_rejections_total",
    kind=_C,
    help="Attempts that the adaptive limit refused.",
    labels=("policy",),
)
THROTTLED = Definition(
    name="scrollintel_throttle_share",
    kind=_G,
    help="Share of ordinary attempts that the throttle refuses; over replicas, of the one that refuses most.",
    labels=("policy",),
)
THROTTLE_REJECTIONS = Definition(
    name="scrollintel_throttle_rejections_total",
    kind=_C,
    help="Attempts that the throttle refused.",
    labels=("policy",),
)
FALLBACKS_COLD = Definition(
    name="scrollintel_fallbacks_cold",
    kind=_G,
    help="Fallbacks that run beside calls and have not worked lately, so that they would fail when needed. Over "
    "replicas, those that are so on any of them.",
    labels=("policy",),
)
FALLBACK_SHADOWS = Definition(
    name="scrollintel_fallback_shadow_runs_total",
    kind=_C,
    help="Runs of fallbacks beside calls, whose answers were thrown away, by how they ended.",
    labels=("policy",),
    split=("outcome", ("worked", "failed", "late")),
)
METASTABLE = Definition(
    name="scrollintel_metastable",
    kind=_G,
    help="1 while an overload seems to keep itself alive, also while calls are shed for that; otherwise 0.",
    labels=("policy",),
)
METASTABLE_SHARE = Definition(
    name="scrollintel_metastable_admitted_share",
    kind=_G,
    help="Share of the calls that passes while an overload keeps itself alive; otherwise 1. Over replicas, of the one "
    "that sheds most.",
    labels=("policy",),
)
METASTABLE_SHED = Definition(
    name="scrollintel_metastable_shed_total",
    kind=_C,
    help="Calls that were shed because an overload kept itself alive.",
    labels=("policy",),
)
ABANDONED_THREADS = Definition(
    name="scrollintel_abandoned_threads",
    kind=_G,
    help="Threads that still run operations whose time was over.",
    labels=("policy",),
)
DEGRADATION_LEVEL = Definition(
    name="scrollintel_degradation_level",
    kind=_G,
    help="Level of the service: 0 none, 1 minimal, 2 moderate, 3 severe, 4 critical.",
    labels=("service",),
)

# ------------------------------------------------------------------ servers and pools

ADMISSION_REQUESTS = Definition(
    name="scrollintel_admission_requests_total",
    kind=_C,
    help="Requests that a server let in or refused because there were too many, by class.",
    labels=("server", "criticality"),
    split=("outcome", ("served", "shed")),
)
ADMISSION_EXPIRED = Definition(
    name="scrollintel_admission_expired_total",
    kind=_C,
    help="Requests that a server did not begin because their callers had stopped waiting.",
    labels=("server",),
)
ADMISSION_THRESHOLD = Definition(
    name="scrollintel_admission_threshold_level",
    kind=_G,
    help="Lowest level of importance that the server serves, 0 (all) to 499; over replicas, of the strictest one.",
    labels=("server",),
)
ADMISSION_LIMIT = Definition(
    name="scrollintel_admission_limit",
    kind=_G,
    help="Requests that the server runs at once at most.",
    labels=("server",),
)
ADMISSION_RUNNING = Definition(
    name="scrollintel_admission_running", kind=_G, help="Requests that run.", labels=("server",)
)
ADMISSION_WAITING = Definition(
    name="scrollintel_admission_waiting", kind=_G, help="Requests that wait for a slot.", labels=("server",)
)
POOL_HOSTS = Definition(
    name="scrollintel_pool_hosts",
    kind=_G,
    help="Hosts of a pool; over replicas, of the one that has taken out most.",
    labels=("pool",),
    split=("state", ("admitted", "ejected")),
)
POOL_EJECTIONS = Definition(
    name="scrollintel_pool_ejections_total",
    kind=_C,
    help="Hosts that were taken out of a pool because they failed more than the others.",
    labels=("pool",),
)
POOL_PANICS = Definition(
    name="scrollintel_pool_panics",
    kind=_G,
    help="Whether so few hosts of a pool are admitted that all are used.",
    labels=("pool",),
)
# ------------------------------------------------------------------ the process itself

EVENT_LISTENERS = Definition(
    name="scrollintel_event_listeners", kind=_G, help="Listeners that are told of events at present."
)
DROPPED = Definition(
    name="scrollintel_dropped_total",
    kind=_C,
    help="What was dropped because a queue was full or a message was refused, by queue.",
    labels=("queue",),
)
OMITTED = Definition(
    name="scrollintel_metrics_omitted",
    kind=_G,
    help="What is not written one by one because there is more of its kind than the configured maximum.",
    labels=("kind",),
)
BUILD_INFO = Definition(
    name="scrollintel_build_info",
    kind=_I,
    help="Versions of scrollintel and of Python; always 1.",
    labels=("version", "python_version"),
)

LIBRARY = (
    CIRCUITS,
    CIRCUIT_STATE,
    CIRCUIT_INSTANCES,
    CIRCUIT_SINCE,
    CIRCUIT_CHANGES,
    CIRCUIT_ATTEMPTS,
    CIRCUIT_TIMEOUTS,
    CIRCUIT_SLOW,
    CIRCUIT_RESPONSES,
    RETRIES,
    RETRIES_GIVEN_UP,
    BUDGET_TOKENS,
    BUDGET_RESERVE,
    HEDGES,
    FALLBACKS,
    BULKHEAD_RUNNING,
    BULKHEAD_WAITING,
    BULKHEAD_LIMIT,
    RATE_PERMITS,
    RATE_CAPACITY,
    LIMIT_REJECTIONS,
    ADAPTIVE_LIMIT,
    ADAPTIVE_RUNNING,
    ADAPTIVE_WAITING,
    ADAPTIVE_REJECTIONS,
    THROTTLED,
    THROTTLE_REJECTIONS,
    FALLBACKS_COLD,
    FALLBACK_SHADOWS,
    METASTABLE,
    METASTABLE_SHARE,
    METASTABLE_SHED,
    ABANDONED_THREADS,
    DEGRADATION_LEVEL,
    ADMISSION_REQUESTS,
    ADMISSION_EXPIRED,
    ADMISSION_THRESHOLD,
    ADMISSION_LIMIT,
    ADMISSION_RUNNING,
    ADMISSION_WAITING,
    POOL_HOSTS,
    POOL_EJECTIONS,
    POOL_PANICS,
    EVENT_LISTENERS,
    DROPPED,
    OMITTED,
    BUILD_INFO,
)
"""What a process tells of itself, in this order."""


def merged(definition: Definition) -> Definition:
    """Return a family of circuits, policies, servers or pools as the control plane has it: for each service."""
    if definition.labels[:1] in (("circuit",), ("policy",), ("server",), ("pool",)):
        return replace(definition, labels=(*definition.labels, "service"))
    return definition


MERGED = tuple(merged(definition) for definition in LIBRARY)
"""The same families in the control plane."""
