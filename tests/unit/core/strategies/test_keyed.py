"""Circuits by key: made on demand, apart from each other, bounded in number, the unused ones dropped."""

from __future__ import annotations

from typing import Any

import pytest

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.bulkhead import BulkheadConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.errors import CircuitOpenError
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.keyed import OVERFLOW, KeyedCircuits
from scrollintel.testing import ManualClock

OPEN, HALF_OPEN = CircuitState.OPEN, CircuitState.HALF_OPEN


def policy(**changes: Any) -> Policy:
    """Return a policy with a circuit for each first argument, which opens at the first failure for a minute."""
    breaker = CircuitBreakerConfig("hosts", failure_threshold=1, recovery_timeout=60.0, timeout=30.0)
    return Policy("hosts", breaker=breaker, **{"key": lambda host, *_: host, **changes})


@pytest.fixture
def hosts(clock: ManualClock, hub: EventHub) -> Pipeline:
    """Return a pipeline with room for three keys, unused ones being dropped after 600 seconds."""
    return Pipeline(policy(max_keys=3), clock=clock, hub=hub)


def ask(host: object, error: Exception | None = None) -> str:
    """Answer, or fail."""
    if error is not None:
        raise error
    return f"answer of {host}"


def fail(pipeline: Pipeline, host: object) -> None:
    """Let a call to a host fail."""
    with pytest.raises(ConnectionError):
        pipeline.call(ask, host, ConnectionError("down"))


def keys(pipeline: Pipeline) -> set[str | None]:
    """Return the keys that have a circuit."""
    return {circuit.key for circuit in pipeline.snapshot().circuits}


def test_keyed_circuits_are_made_on_demand_and_stand_apart(hosts: Pipeline) -> None:
    """The failure of one host opens its circuit and no other."""
    assert keys(hosts) == set()
    fail(hosts, "a")
    assert hosts.call(ask, "b") == "answer of b"
    with pytest.raises(CircuitOpenError) as caught:
        hosts.call(ask, "a")
    assert (caught.value.key, caught.value.details["key"]) == ("a", "a")
    assert str(caught.value).startswith(f"circuit 'a' of {hosts.name!r} is open; next probe in")
    assert keys(hosts) == {"a", "b"}
    assert hosts.circuit("a").state is OPEN
    tally = hosts.snapshot().tally
    assert (tally.successes, tally.failures, tally.rejections) == (1, 1, 1)
    with pytest.raises(KeyError):
        hosts.circuit("c")


def test_keyed_circuits_keys_that_are_no_text_are_told_by_their_text(hosts: Pipeline) -> None:
    """Numbers and other objects serve as keys."""
    hosts.call(ask, 1)
    hosts.call(ask, ("shard", 2))
    assert keys(hosts) == {"1", "('shard', 2)"}


def test_keyed_circuits_beyond_their_number_replace_the_one_used_longest_ago(
    hosts: Pipeline, clock: ManualClock
) -> None:
    """A fourth host takes the place of the calm circuit that has waited longest."""
    for host in ("a", "b", "c", "a", "d"):
        clock.advance(1.0)
        hosts.call(ask, host)
    assert keys(hosts) == {"a", "c", "d"}


def test_keyed_circuits_beyond_their_number_replace_all_that_are_idle(hosts: Pipeline, clock: ManualClock) -> None:
    """After ten minutes without a call all idle ones go at once."""
    for host in ("a", "b", "c"):
        hosts.call(ask, host)
    clock.advance(599.0)
    hosts.call(ask, "c")
    clock.advance(1.0)
    hosts.call(ask, "d")
    assert keys(hosts) == {"c", "d"}


def test_keyed_circuits_that_protect_are_not_replaced(hosts: Pipeline, clock: ManualClock) -> None:
    """Open and isolated circuits stay; further hosts share one circuit when nothing may be dropped."""
    fail(hosts, "a")
    fail(hosts, "b")
    hosts.call(ask, "c")
    hosts.circuit("c").isolate()
    for host in ("d", "e"):
        hosts.call(ask, host)
    assert keys(hosts) == {"a", "b", "c", OVERFLOW}
    assert hosts.circuit(OVERFLOW).snapshot().tally.successes == 2
    for host in ("a", "b", "c"):
        with pytest.raises(CircuitOpenError):
            hosts.call(ask, host)


def test_keyed_circuits_that_nobody_uses_any_more_make_room_even_after_failures(
    hosts: Pipeline, clock: ManualClock
) -> None:
    """Hosts that failed and were never asked again do not take every place for ever; isolated ones stay."""
    for host in ("a", "b", "c"):
        fail(hosts, host)
    hosts.circuit("c").isolate()
    clock.advance(60.0)
    assert hosts.circuit("b").state is HALF_OPEN
    clock.advance(539.0)
    hosts.call(ask, "d")
    assert keys(hosts) == {"a", "b", "c", OVERFLOW}
    clock.advance(1.0)
    hosts.call(ask, "e")
    assert keys(hosts) == {"c", OVERFLOW, "e"}


def test_keyed_circuits_in_their_open_period_stay_however_idle(clock: ManualClock, hub: EventHub) -> None:
    """A period longer than the idle time still protects the host."""
    pipeline = Pipeline(policy(max_keys=1, key_idle=10.0), clock=clock, hub=hub)
    fail(pipeline, "a")
    clock.advance(59.0)
    pipeline.call(ask, "b")
    assert keys(pipeline) == {"a", OVERFLOW}
    clock.advance(1.0)
    pipeline.call(ask, "c")
    assert "a" not in keys(pipeline)


def test_keyed_circuits_with_a_probe_that_may_return_stay(clock: ManualClock, hub: EventHub) -> None:
    """A half-open circuit is dropped only after the lease of any probe must have ended."""
    pipeline = Pipeline(policy(max_keys=1, key_idle=0.0), clock=clock, hub=hub)
    fail(pipeline, "a")
    clock.advance(60.0)

    def probe(host: str) -> None:
        clock.advance(29.0)
        pipeline.call(ask, "b")
        assert keys(pipeline) == {"a", OVERFLOW}

    pipeline.call(probe, "a")


def test_keyed_circuits_disabled_can_be_replaced(clock: ManualClock, hub: EventHub) -> None:
    """Circuits that record nothing lose nothing."""
    breaker = CircuitBreakerConfig("hosts", mode="disabled")
    pipeline = Pipeline(Policy("hosts", breaker=breaker, key=lambda host: host, max_keys=2), clock=clock, hub=hub)
    for host in ("a", "b", "c"):
        pipeline.call(ask, host)
    assert keys(pipeline) == {"b", "c"}


def test_keyed_circuits_follow_a_new_configuration(hosts: Pipeline) -> None:
    """Present and later circuits take thresholds and waits of the new policy; states stay."""
    fail(hosts, "a")
    hosts.call(ask, "b")
    breaker = CircuitBreakerConfig("hosts", failure_threshold=2)
    hosts.replace(
        Policy("hosts", breaker=breaker, key=hosts.policy.key, max_keys=3,
               bulkhead=BulkheadConfig(2, max_waiting=5, max_wait=7.0))
    )  # fmt: skip
    for host in ("b", "c"):
        fail(hosts, host)
        assert hosts.circuit(host).state is CircuitState.CLOSED
        assert hosts.circuit(host).queue_limit == 7.0
    assert hosts.circuit("a").state is OPEN


def test_keyed_circuits_never_exceed_their_number_by_more_than_the_shared_one(
    clock: ManualClock, hub: EventHub
) -> None:
    """A flood of new keys, half of them failing, stays bounded."""
    config = CircuitBreakerConfig("hosts", failure_threshold=1)
    circuits = KeyedCircuits(config, clock, hub, maximum=10, idle=600.0)
    for number in range(1_000):
        circuit = circuits.select(number)
        if number % 2 and circuit.key != OVERFLOW:
            circuit.isolate()
        assert len(circuits.all()) <= 11
    assert circuits.dropped > 0
