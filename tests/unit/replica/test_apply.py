"""What the control plane wants is done, taken back, or refused with a reason; nothing raises."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import CircuitBreakerConfig, CircuitState, HedgeConfig, Policy, RetryConfig
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.replica.apply import LocalReplica, OpenCircuit
from scrollintel.replica.protocol import Change, Desired, LevelOrder, Order, PolicyOrder

from .rig import Process, wanted


@pytest.fixture
def process() -> Process:
    """Return a process that keeps nothing on disk."""
    return Process(None)


def state(circuit: Circuit) -> CircuitState:
    """Return the state of a circuit; asked twice, it may have changed."""
    return circuit.state


def policy(name: str, **breaker: Any) -> PolicyOrder:  # Any: a breaker's settings
    """Return a policy of the control plane."""
    return PolicyOrder(name, 1, Policy(name, breaker=CircuitBreakerConfig(name, **breaker)).to_dict())


def test_desired_state_is_brought_about_and_taken_back(process: Process) -> None:
    """What is no longer wanted gives way to what the code says."""
    replica, manager = process.replica, process.manager
    pipeline = manager.registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    search = process.circuit("search")
    replica.apply_desired(Desired(**{**_parts(wanted()), "orders": (Order("search", None, "maintenance", 3),)}))
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 2
    assert state(search) is CircuitState.ISOLATED
    assert manager.degradation.level("search") == 2
    replica.apply_desired(Desired())
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 5
    assert state(search) is CircuitState.CLOSED
    assert manager.degradation.level("search") == 0
    assert replica.take_refused() == []


def _parts(desired: Desired) -> dict[str, Any]:
    return {"policies": desired.policies, "orders": desired.orders, "levels": desired.levels}


def test_desired_state_that_is_the_same_changes_nothing(process: Process) -> None:
    """A replica that joins again neither replaces a policy nor prolongs a level."""
    pipeline = process.manager.registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    process.replica.apply_desired(wanted())
    revision, level = pipeline.revision, process.replica.levels["search"]
    process.replica.apply_desired(wanted())
    assert pipeline.revision == revision
    assert process.replica.levels["search"] is level


def test_order_for_all_keys_reaches_a_circuit_that_comes_later(process: Process) -> None:
    """Isolation holds for circuits that the code makes after it was ordered, until it is released."""
    replica = process.replica
    replica.apply(Change(1, "isolate", "search", reason="maintenance"))
    late = process.circuit("search")
    assert state(late) is CircuitState.ISOLATED
    replica.apply(Change(2, "close", "search", reason="done"))
    assert state(late) is CircuitState.CLOSED
    assert replica.orders == {}
    replica.apply(Change(3, "isolate", "search", reason="again"))
    replica.apply(Change(4, "reset", "search", reason="begin anew"))
    assert state(late) is CircuitState.CLOSED
    assert late.snapshot().tally.successes == 0


def test_order_for_one_key_leaves_the_others(process: Process) -> None:
    """Only the circuit of that key is isolated, and only it is closed."""
    pipeline = process.manager.registry.pipeline(Policy("p", breaker=CircuitBreakerConfig("p"), key=str))
    for key in ("eu", "us"):
        pipeline.call(lambda _: 1, key)
    process.replica.apply(Change(1, "isolate", "p", "eu", "maintenance"))
    assert state(pipeline.circuit("eu")) is CircuitState.ISOLATED
    assert state(pipeline.circuit("us")) is CircuitState.CLOSED
    process.replica.apply(Change(2, "close", "p", "eu", "done"))
    assert state(pipeline.circuit("eu")) is CircuitState.CLOSED


def test_isolation_that_is_no_longer_wanted_leaves_an_open_circuit_open(process: Process) -> None:
    """Taking an order back closes what the order has isolated, and nothing that has opened by itself."""
    circuit = process.circuit("c")
    process.replica.apply_desired(Desired(orders=(Order("c", None, "x", 1),)))
    circuit.close()
    circuit.restore_open(30.0, "down")
    process.replica.apply_desired(Desired())
    assert state(circuit) is CircuitState.OPEN


def test_level_that_has_expired_on_its_way_is_not_set(process: Process) -> None:
    """A level without time left is over."""
    process.replica.apply(Change(1, "level", "s", level=LevelOrder("s", 3, "slow", 0.0, 1)))
    assert process.replica.levels == {}
    process.replica.apply(Change(2, "level", "s", level=LevelOrder("s", 3, "slow", None, 2)))
    assert process.manager.degradation.level("s") == 3
    process.replica.apply(Change(3, "restore", "s", reason="fine"))
    assert process.manager.degradation.level("s") == 0


@pytest.mark.parametrize(
    "content",
    [
        {"breaker": {"name": "p", "failure_threshold": 0}},
        {"breaker": 3},
        {"retry": {"max_attempts": 1e300}},
        {"name": {}},
    ],
)
def test_policy_that_does_not_fit_is_refused_and_the_former_goes_on(process: Process, content: dict[str, Any]) -> None:
    """A later version's policy, or a wrong one, is told back with its number; what ran before runs on."""
    pipeline = process.manager.registry.pipeline(Policy("p", breaker=CircuitBreakerConfig("p")))
    good = policy("p", failure_threshold=2)
    process.replica.apply(Change(1, "policy", "p", policy=good))
    process.replica.apply(Change(2, "policy", "p", policy=PolicyOrder("p", 2, content)))
    (refused,) = process.replica.take_refused()
    assert (refused.sequence, refused.code) == (2, "invalid")
    assert process.replica.take_refused() == []
    assert process.replica.applied() == {"policies": {"p": 1}}
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 2


def test_policy_with_fields_of_a_later_version_holds_without_them(process: Process) -> None:
    """What this version does not know is passed over, and the rest is in force."""
    pipeline = process.manager.registry.pipeline(Policy("p", breaker=CircuitBreakerConfig("p")))
    content = {"breaker": {"name": "p", "failure_threshold": 2, "unheard_of": 1}, "unheard_of": {"x": 1}}
    process.replica.apply(Change(1, "policy", "p", policy=PolicyOrder("p", 4, content)))
    assert process.replica.take_refused() == []
    assert process.replica.applied() == {"policies": {"p": 4}}
    assert pipeline.policy.breaker is not None
    assert pipeline.policy.breaker.failure_threshold == 2


def test_policy_that_does_not_fit_what_the_code_brings_later_is_told(process: Process) -> None:
    """When the code registers a layer that contradicts it, the code's own holds, and the agent is woken to tell so."""
    told: list[bool] = []
    replica = LocalReplica(process.manager, lambda: told.append(True))
    order = {"name": "p", "order": ["breaker", "retry"]}
    replica.apply(Change(1, "policy", "p", policy=PolicyOrder("p", 1, order)))
    assert replica.applied() == {"policies": {"p": 1}}
    code = Policy("p", breaker=CircuitBreakerConfig("p"), retry=RetryConfig(), hedge=HedgeConfig(delay=1.0))
    pipeline = process.manager.registry.pipeline(code)
    assert pipeline.policy == code
    assert replica.applied() == {"policies": {}}
    (refused,) = replica.take_refused()
    assert refused.code == "invalid"
    assert told == [True]


@pytest.mark.parametrize("kind", ["policy", "policy_removed", "isolate", "close", "reset", "level", "restore", "later"])
def test_change_of_any_kind_about_what_there_is_not_raises_nothing(process: Process, kind: str) -> None:
    """A change may concern what this process does not have, or lack what its kind needs."""
    process.replica.apply(Change(1, kind, "nobody"))
    assert process.replica.take_refused() == []


def test_refusals_are_bounded(process: Process) -> None:
    """However much is refused before anybody fetches it, the newest hundred are kept."""
    for number in range(150):
        process.replica.apply(Change(number, "policy", "p", policy=PolicyOrder("p", 1, {"breaker": number})))
    refused = process.replica.take_refused()
    assert [item.sequence for item in refused] == list(range(50, 150))


def test_open_circuit_is_restored_whether_it_is_there_already_or_comes_later(process: Process) -> None:
    """Early and late circuits go on with their remaining time; a reset forgets what has not come yet."""
    early = process.circuit("early")
    now = time.time()
    waiting = [OpenCircuit(name, None, now + 20.0, "down", 1) for name in ("early", "late", "never")]
    process.replica.restore_open(waiting)
    late = process.circuit("late")
    for circuit in (early, late):
        left = circuit.snapshot().retry_after
        assert left is not None
        assert 15.0 < left <= 20.0
    assert {item.name for item in process.replica.open_circuits()} == {"early", "late", "never"}
    process.replica.apply(Change(1, "reset", "never", reason="forget"))
    assert state(process.circuit("never")) is CircuitState.CLOSED


def test_open_circuits_keep_their_end_while_they_are_open(process: Process) -> None:
    """Looking twice gives the same moment, so that nothing is written anew; closing ends it."""
    circuit = process.circuit("c")
    circuit.restore_open(30.0, "down")
    (first,) = process.replica.open_circuits()
    assert process.replica.open_circuits() == [first]
    circuit.close()
    assert process.replica.open_circuits() == []
    circuit.restore_open(10.0, "down again")
    (second,) = process.replica.open_circuits()
    assert second.until < first.until


def test_apply_survives_whatever_goes_wrong_inside(process: Process) -> None:
    """An error of the engine is told as a code without its text."""

    def fail(*_: object) -> None:
        raise RuntimeError("planted text")

    replace: Callable[..., None] = fail
    process.manager.registry.override = replace  # type: ignore[method-assign]
    process.replica.apply(Change(1, "policy", "p", policy=policy("p")))
    (refused,) = process.replica.take_refused()
    assert (refused.code, refused.detail) == ("failed", "RuntimeError")
