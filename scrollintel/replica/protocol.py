"""What a replica and the control plane say to each other: the messages and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PROTOCOL = 1
MAX_BODY = 8 * 2**20
"""Bytes of a message at most."""
MAX_TEXT = 1000
"""Characters of a reason at most; longer ones are cut by whoever writes them."""


def plain(text: str) -> str:
    """Return a text of the application as a message may hold it: short, and without NUL, which databases refuse."""
    return text[:MAX_TEXT].replace("\x00", "\ufffd")


class ProtocolError(Exception):
    """A message is not what the protocol says."""


class CircuitReport(NamedTuple):
    """How one circuit of a replica stands, in the order of its row; times in seconds, `since` in Unix time.

    `buckets` are the response times in each of the buckets of `CLASSIC_BOUNDS`, those beyond last; None from a replica
    of a version that does not tell them.
    """

    name: str
    key: str | None
    state: str
    reason: str
    since: float
    retry_after: float | None
    successes: int
    failures: int
    slow: int
    rejections: int
    timeouts: int
    late: int
    ignored: int
    abandoned: int
    consecutive_failures: int
    openings: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    maximum: float | None
    last_failure_type: str | None
    last_failure_at: float | None
    probes_in_flight: int
    buckets: Sequence[int] | None = None


class PolicyReport(NamedTuple):
    """The figures of one policy, in the order of its row; `rejections` are those of all limits together.

    `calls` and `attempts` are 0 where they are not known: for policies that share a circuit. `slots`, `capacity` and
    `reserve` are what bulkhead, rate limit and retry budget hold at most. What follows is of adaptive limit and
    throttle, whose rejections are among all.
    """

    name: str
    revision: int
    running: int | None
    waiting: int | None
    permits: float | None
    budget: float | None
    retries: int
    hedges: int
    fallbacks: int
    abandoned_threads: int
    rejections: int = 0
    calls: int = 0
    attempts: int = 0
    given_up: int = 0
    slots: int | None = None
    capacity: float | None = None
    reserve: float | None = None
    limit: int | None = None
    limit_running: int | None = None
    limit_waiting: int | None = None
    throttled: float | None = None
    limit_rejections: int = 0
    throttle_rejections: int = 0


class LevelReport(NamedTuple):
    """The level of one service, in the order of its row."""

    service: str
    level: int
    reason: str
    automatic: bool
    since: float


@dataclass(frozen=True, slots=True)
class Order:
    """A standing order about a circuit: "isolate", for one key or for all."""

    name: str
    key: str | None
    reason: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class LevelOrder:
    """A level held by hand, for `expires_in` more seconds or until it is restored."""

    service: str
    level: int
    reason: str
    expires_in: float | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class EndpointOrder:
    """Where the callers of an endpoint go from now on."""

    name: str
    address: str
    reason: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """A policy with its revision in the control plane."""

    name: str
    revision: int
    policy: Mapping[str, Any]  # Any: JSON values of mixed types


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything that the control plane wants of a replica."""

    policies: Mapping[str, PolicyOrder] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    levels: Mapping[str, LevelOrder] = field(default_factory=dict)
    endpoints: Mapping[str, EndpointOrder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One increment of what is wanted; `kind` tells which of the other fields are given."""

    sequence: int
    kind: str
    name: str
    key: str | None = None
    reason: str = ""
    policy: PolicyOrder | None = None
    level: LevelOrder | None = None
    endpoint: EndpointOrder | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a join; times in seconds. `quiet` is how long a replica may tell nothing when nothing changes."""

    replica: str
    sequence: int
    push_interval: float
    poll_wait: float
    quiet: float
    desired: Desired


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to a listen: increments, or everything anew."""

    sequence: int
    changes: tuple[Change, ...] = ()
    desired: Desired | None = None
