"""Counters over replicas: they rise by what a report exceeds the one before, and by all of one that began anew."""

from __future__ import annotations

import pytest

from scrollintel.core.machines.sketch import CLASSIC_BOUNDS
from scrollintel.replica.protocol import CircuitReport, PolicyReport
from scrollintel.service import grown as module
from scrollintel.service.grown import Grown


def circuit(
    name: str = "a", *, successes: int = 0, failures: int = 0, times: dict[int, int] | None = None, mean: float = 0.0
) -> CircuitReport:
    """Return a report; `times` holds how many response times are in which bucket."""
    buckets = None if times is None else [times.get(place, 0) for place in range(len(CLASSIC_BOUNDS) + 1)]
    return CircuitReport(
        name, None, "closed", "", 1.0, None, successes, failures, 0, 0, 0, 0, 0, 0, 0, 0, None, None, None, mean, None,
        None, None, 0, buckets,
    )  # fmt: skip


def policy(name: str = "p", **counts: int) -> PolicyReport:
    """Return a report of a policy."""
    known = {"retries": 0, "hedges": 0, "fallbacks": 0, "abandoned_threads": 0, **counts}
    return PolicyReport(name=name, revision=1, running=None, waiting=None, permits=None, budget=None, **known)


def test_grown_circuit_that_was_reset_begins_anew_with_all_it_has() -> None:
    """A count that fell tells it, also when the calls since have filled its buckets higher than before."""
    grown = Grown()
    first = circuit(successes=5, times={1: 5}, mean=0.1)
    second = circuit(successes=1, failures=6, times={1: 7}, mean=0.2)
    for before, now in ((None, first), (first, second), (second, second)):
        grown.circuit("orders", before, now)
    (growth,) = grown.circuits.values()
    assert growth.tally[:2] == (6, 6)
    assert growth.buckets[1] == 12
    assert growth.seconds == pytest.approx(0.5 + 1.4)


def test_grown_circuit_is_kept_apart_by_service() -> None:
    """Two services may call theirs by the same name."""
    grown = Grown()
    grown.circuit("orders", None, circuit(successes=1))
    grown.circuit("billing", None, circuit(successes=2))
    assert {place: growth.tally[0] for place, growth in grown.circuits.items()} == {
        ("a", "orders"): 1, ("a", "billing"): 2,
    }  # fmt: skip


def test_grown_policy_that_began_anew_counts_all_of_it() -> None:
    """One count that fell is enough to tell."""
    grown = Grown()
    first, second = policy(retries=4, hedges=1), policy(retries=1, hedges=3)
    grown.policy("orders", None, first)
    grown.policy("orders", first, second)
    assert grown.policies["p", "orders"] == (5, 0, 4, 0, 0, 0, 0)


def test_grown_facts_that_a_replica_lost_are_added_up() -> None:
    """Also after it has begun anew."""
    grown = Grown()
    for before, now in ((0, 3), (3, 5), (5, 2)):
        grown.dropped(before, now)
    assert grown.facts_dropped == 7


def test_grown_counters_are_bounded_and_the_one_that_rose_longest_ago_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is let go is counted."""
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    grown = Grown()
    for name in ("a", "b", "a", "c"):
        grown.circuit("orders", None, circuit(name))
        grown.policy("orders", None, policy(name))
    assert [name for name, _ in grown.circuits] == ["a", "c"]
    assert [name for name, _ in grown.policies] == ["a", "c"]
    assert grown.forgotten == 2
