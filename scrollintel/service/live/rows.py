"""Rows that a page shows: how they are written, and which of their changes are told at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from ...control.circuit_view import CircuitWhole
from ...watch.watcher import TargetView
from ..fleet import stands

SUMMARY_FIGURES = frozenset(
    {"calls_per_second", "success_rate", "response_times", "mean_time_to_recovery", "error_budgets", "capacity"}
)
"""What of the summary only counts."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How rows are written: each as its own route answers.

    Arguments:
        circuit: Writes a circuit as the list of circuits has it.
        target: Writes a target as the list of checks has it, at a monotonic time.
        document: Writes any object.
    """

    circuit: Callable[[CircuitWhole], bytes]
    target: Callable[[TargetView, float], bytes]
    document: Callable[[Mapping[str, Any]], bytes]  # Any: JSON values, datetimes included


@dataclass(slots=True)
class Row:
    """A row as it was told last.

    Attributes:
        stands: What is told at once when it changes.
        figures: What is told once a second at most.
        text: The row as JSON.
        version: Version of the view in which it has become so.
    """

    stands: object
    figures: object
    text: bytes
    version: int


def circuit_stands(whole: CircuitWhole) -> Hashable:
    """Return what of a circuit is told at once: states, reasons, replicas, orders, leave to steer it; no countdown."""
    policy, order = whole.policy, whole.order
    return (
        whole.service,
        whole.operable,
        None if policy is None else policy.revision,
        None if order is None else order.sequence,
        tuple((part.replica, part.stale, *stands(part.report)) for part in whole.parts),
    )


def circuit_figures(whole: CircuitWhole) -> Hashable:
    """Return what of a circuit only counts: counters, response times, the last failure, probes."""
    return tuple(part.report[6:] for part in whole.parts)


def target_stands(view: TargetView) -> Hashable:
    """Return what of a target is told at once: its condition, and what each check says."""
    target = view.target
    return (
        target.service, target.group, target.tier, target.mode, view.condition, view.judged, view.since,
        tuple((look.check, look.good, look.failure_type) for look in view.looks),
    )  # fmt: skip


def target_figures(view: TargetView) -> Hashable:
    """Return what of a target only goes on: looks, beats, progress."""
    return view.last_beat, view.progressed_at, tuple((look.at, look.detail) for look in view.looks)
