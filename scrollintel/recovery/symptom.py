"""What was observed about a target, normalised: results of looks, and what the looks add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})  # Any: JSON values of mixed types


class Depth(StrEnum):
    """How much a check asks: whether it exists and moves, whether it takes work, whether the work comes out right."""

    ALIVE = "alive"
    READY = "ready"
    DEEP = "deep"


class Condition(StrEnum):
    """How a target is."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILED = "failed"
    RECOVERING = "recovering"
    VALIDATING = "validating"
    QUARANTINED = "quarantined"


class FailureType(StrEnum):
    """What is wrong with a target, as strategies are chosen for it; custom checks may name others."""

    EXITED = "exited"
    UNRESPONSIVE = "unresponsive"
    UNREACHABLE = "unreachable"
    NOT_READY = "not_ready"
    INCORRECT = "incorrect"
    SLOW = "slow"
    SILENT = "silent"
    STALLED = "stalled"
    DISK_FULL = "disk_full"
    MEMORY_HIGH = "memory_high"
    CIRCUIT_OPEN = "circuit_open"
    ERROR_RATE = "error_rate"
    CERTIFICATE = "certificate"


RESTARTABLE = frozenset({FailureType.EXITED, FailureType.UNRESPONSIVE, FailureType.STALLED, FailureType.SILENT})
"""Failure types that a failed `alive` stands for: the only ones that may lead to a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a target found.

    Arguments:
        target, check: What was looked at, and by which check; `heartbeat` and `circuit` for what came by itself.
        depth: How deep the look went.
        good: Whether it found what it expects.
        failure_type: What is wrong when it is not good; None when it is.
        detail: One sentence for an operator, without secrets.
        at: When it ended, seconds on the monotonic clock.
        latency: Seconds that it took, or None when nothing was asked.
        conclusive: Whether one look suffices, such as a process that has exited; others are counted.
        facts: JSON values for the record.
    """

    target: str
    check: str
    depth: Depth
    good: bool
    failure_type: str | None = None
    detail: str = ""
    at: float
    latency: float | None = None
    conclusive: bool = False
    facts: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)  # Any: JSON values of mixed types


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChange:
    """A target's condition has changed.

    Arguments:
        target: Its name.
        old, new: Before and after.
        failure_type: What is wrong, when something is.
        depth: The shallowest depth that fails, when something does.
        look: The look that made the difference, or None.
        first_at: When the first of the looks that led here failed, monotonic seconds; the moment of detection.
        at: When the change was declared, monotonic seconds.
    """

    target: str
    old: Condition
    new: Condition
    failure_type: str | None
    depth: Depth | None
    look: Look | None
    first_at: float
    at: float
