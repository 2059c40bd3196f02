"""Interleavings of what is shared by name or key: circuits, pipelines, policies that are replaced."""

from __future__ import annotations

import warnings
from typing import Any

from frontrun._cooperative import CooperativeLock  # type: ignore[import-untyped]  # it has no types

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.bulkhead import BulkheadConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.registry import Registry
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.core.strategies.keyed import OVERFLOW, KeyedCircuits
from tests.concurrency.exploring import (
    NoLock,
    Scene,
    StillClock,
    assert_caught,
    assert_holds,
    without_the_configuring_lock,
)  # fmt: skip

FEW, MANY = CircuitBreakerConfig("c", failure_threshold=2), CircuitBreakerConfig("c", failure_threshold=9)


# ---------------------------------------------------------------------------------------------- keys


class Keys:
    """Circuits by key, and which ones were given out."""

    def __init__(self, maximum: int = 5, *, locked: bool = True, kind: type[KeyedCircuits] = KeyedCircuits) -> None:
        self.keyed = kind(FEW, StillClock(), EventHub(), maximum=maximum, idle=60.0)  # type: ignore[arg-type]  # all it uses of a clock
        if not locked:
            self.keyed._lock = NoLock()  # type: ignore[assignment]
        self.given: list[Circuit] = []

    def select(self, key: str) -> None:
        """Ask for the circuit of `key`."""
        self.given.append(self.keyed.select(key))


def one_key_twice(*, locked: bool = True) -> Scene:
    """Two threads bring the same new key."""

    def holds(keys: Keys) -> None:
        assert keys.given[0] is keys.given[1]
        assert keys.keyed.all() == [keys.given[0]]

    threads = [lambda keys: keys.select("a"), lambda keys: keys.select("a")]
    return Scene(lambda: Keys(locked=locked), threads, holds)


def test_keyed_circuits_one_new_key_from_two_threads_is_one_circuit(seed: int) -> None:
    """Both threads get the same circuit."""
    assert_holds(one_key_twice(), seed)


def test_keyed_circuits_one_new_key_without_the_lock_is_caught(seed: int) -> None:
    """The twin gives out two circuits for one key."""
    assert_caught(one_key_twice(locked=False), seed)


def two_keys_for_one_place(*, locked: bool = True, isolated: bool = False) -> Scene:
    """Two threads bring new keys where one more circuit fits, which takes an idle one's place or is shared."""

    def setup() -> Keys:
        keys = Keys(2, locked=locked)
        for key in ("a", "b") if isolated else ("a",):
            keys.keyed.select(key).isolate()
        return keys

    def holds(keys: Keys) -> None:
        named = [circuit for circuit in keys.keyed.all() if circuit.key != OVERFLOW]
        assert len(named) == 2, f"{len(named)} circuits where two are allowed"
        if isolated:
            assert keys.given[0] is keys.given[1] is keys.keyed.get(OVERFLOW)
        else:
            assert keys.keyed.dropped == 1
            assert keys.given[0] is not keys.given[1]

    threads = [lambda keys: keys.select("x"), lambda keys: keys.select("y")]
    return Scene(setup, threads, holds)


def test_keyed_circuits_two_new_keys_never_exceed_the_maximum(seed: int) -> None:
    """The circuit made first is dropped for the second key, and the isolated one stays."""
    assert_holds(two_keys_for_one_place(), seed)


def test_keyed_circuits_two_new_keys_without_the_lock_are_caught(seed: int) -> None:
    """The twin keeps more circuits than allowed."""
    assert_caught(two_keys_for_one_place(locked=False), seed)


def test_keyed_circuits_two_keys_too_many_share_one_circuit(seed: int) -> None:
    """While none may be dropped, both new keys get the circuit of the others."""
    assert_holds(two_keys_for_one_place(isolated=True), seed)


def test_keyed_circuits_two_keys_too_many_without_the_lock_are_caught(seed: int) -> None:
    """The twin makes two circuits for the others."""
    assert_caught(two_keys_for_one_place(isolated=True, locked=False), seed)


class MakesThemEarly(KeyedCircuits):
    """Does not look again whether it was reconfigured while it made a circuit."""

    __slots__ = ()

    def _create(self, name: str) -> Circuit:
        fresh = Circuit(self._config, self._clock, self._hub, key=name, classify=self._classify)
        with self._lock:
            return self._place(name, fresh, self._clock.monotonic())


def new_key_against_reconfigure(*, kind: type[KeyedCircuits] = KeyedCircuits) -> Scene:
    """A new key comes while the policy is replaced."""

    def holds(keys: Keys) -> None:
        assert keys.given[0].config is MANY, "a circuit goes on under the old configuration"

    threads = [lambda keys: keys.select("a"), lambda keys: keys.keyed.reconfigure(MANY, maximum=5, idle=60.0)]
    return Scene(lambda: Keys(kind=kind), threads, holds)


def test_keyed_circuits_new_key_during_a_replacement_follows_the_new_policy(seed: int) -> None:
    """No circuit is left behind under the old configuration."""
    assert_holds(new_key_against_reconfigure(), seed)


def test_keyed_circuits_made_before_a_replacement_are_caught(seed: int) -> None:
    """The twin puts a circuit in place that was made under the old configuration."""
    assert_caught(new_key_against_reconfigure(kind=MakesThemEarly), seed)


# ---------------------------------------------------------------------------------------------- registry


class Names:
    """A registry, and what was given out."""

    def __init__(self, *, locked: bool = True) -> None:
        self.registry = Registry(clock=StillClock(), hub=EventHub())  # type: ignore[arg-type]  # all it uses of a clock
        if not locked:
            without_the_configuring_lock()
        self.given: list[Any] = []

    def circuit(self) -> None:
        """Ask for the circuit."""
        self.given.append(self.registry.circuit(FEW))

    def pipeline(self) -> None:
        """Ask for the pipeline."""
        self.given.append(self.registry.pipeline(POLICY))


POLICY = Policy("c", breaker=FEW)
OTHER = Policy("c", breaker=MANY)
THIRD = Policy("c", breaker=FEW, bulkhead=BulkheadConfig(3))


def one_name_twice(ask: Any, *, locked: bool = True) -> Scene:
    """Two threads ask for the same new name."""

    def holds(names: Names) -> None:
        assert names.given[0] is names.given[1]
        assert len(names.registry.circuits()) == 1

    return Scene(lambda: Names(locked=locked), [ask, ask], holds)


def test_registry_circuit_of_one_name_from_two_threads_is_one(seed: int) -> None:
    """Both threads get the same circuit."""
    assert_holds(one_name_twice(Names.circuit), seed)


def test_registry_circuit_of_one_name_without_the_lock_is_caught(seed: int) -> None:
    """The twin makes two circuits of one name."""
    assert_caught(one_name_twice(Names.circuit, locked=False), seed)


def test_registry_pipeline_of_one_name_from_two_threads_is_one(seed: int) -> None:
    """Both threads get the same pipeline, and its circuit is the one of that name."""
    assert_holds(one_name_twice(Names.pipeline), seed)


def test_registry_pipeline_of_one_name_without_the_lock_is_caught(seed: int) -> None:
    """The twin makes two pipelines of one name."""
    assert_caught(one_name_twice(Names.pipeline, locked=False), seed)


def circuit_against_pipeline(*, locked: bool = True) -> Scene:
    """One thread uses a circuit by name while another one builds a policy of that name."""

    def holds(names: Names) -> None:
        circuits = {id(given.circuit() if isinstance(given, Pipeline) else given) for given in names.given}
        assert len(circuits) == 1
        assert len(names.registry.circuits()) == 1

    return Scene(lambda: Names(locked=locked), [Names.circuit, Names.pipeline], holds)


def test_registry_circuit_and_pipeline_of_one_name_share_it(seed: int) -> None:
    """Whoever comes first, the circuit of the policy is the one found by name."""
    assert_holds(circuit_against_pipeline(), seed)


def test_registry_circuit_and_pipeline_without_the_lock_are_caught(seed: int) -> None:
    """The twin has a policy with a circuit of its own."""
    assert_caught(circuit_against_pipeline(locked=False), seed)


# ---------------------------------------------------------------------------------------------- replacement


def two_replacements(*, locked: bool = True) -> Scene:
    """A policy is replaced on purpose, and by a call that brings another configuration, at once."""

    def setup() -> Names:
        names = Names(locked=locked)
        names.pipeline()
        return names

    def calling(names: Names) -> None:
        with warnings.catch_warnings():
            names.registry.pipeline(THIRD)

    def holds(names: Names) -> None:
        pipeline = names.registry.get("c")
        assert pipeline.revision == 3
        assert pipeline.policy in (OTHER, THIRD)
        assert pipeline.circuit().config == pipeline.policy.breaker, "the circuit follows another policy"
        assert (pipeline.lane.parts.bulkhead is None) == (pipeline.policy.bulkhead is None)

    return Scene(setup, [lambda names: names.registry.replace(OTHER), calling], holds)


def test_registry_two_replacements_at_once_end_in_one_of_them(seed: int) -> None:
    """Policy, circuit and parts agree, both replacements count, and nobody waits for the other for ever."""
    assert_holds(two_replacements(), seed)


def test_registry_two_replacements_without_the_lock_are_caught(seed: int) -> None:
    """The twin mixes two policies, or loses a revision."""
    assert_caught(two_replacements(locked=False), seed)


def locks_in_turn() -> Scene:
    """The planted deadlock: one thread takes the lock of a pipeline and then the registry's, the other in reverse."""

    class Pair:
        def __init__(self) -> None:
            self.pipeline, self.registry = CooperativeLock(), CooperativeLock()

    def replacing(pair: Pair) -> None:
        with pair.pipeline, pair.registry:
            pass

    def asking(pair: Pair) -> None:
        with pair.registry, pair.pipeline:
            pass

    return Scene(Pair, [replacing, asking], lambda pair: None)


def test_exploration_of_two_locks_taken_in_turn_finds_the_deadlock(seed: int) -> None:
    """A deadlock is a failure of its scene."""
    assert_caught(locks_in_turn(), seed)


def call_against_replacement(*, locked: bool = True) -> Scene:
    """A call runs while its policy is replaced; a second call follows."""

    def setup() -> Names:
        names = Names(locked=locked)
        names.pipeline()
        return names

    def calling(names: Names) -> None:
        pipeline = names.given[0]
        names.given.append(pipeline.call(len, "four"))
        names.given.append(pipeline.call(len, "three"))

    def holds(names: Names) -> None:
        pipeline, *results = names.given
        assert results == [4, 5]
        view = pipeline.snapshot()
        assert view.state is CircuitState.CLOSED
        assert (view.tally.successes, view.tally.late, view.running) == (2, 0, 0)

    return Scene(setup, [lambda names: names.registry.replace(THIRD), calling], holds)


def test_registry_calls_while_their_policy_is_replaced_all_count(seed: int) -> None:
    """Each call ends under the policy it began with, both are counted, and no slot of the new bulkhead is lost."""
    assert_holds(call_against_replacement(), seed)


class ReadsTheLaneTwice(Pipeline):
    """Looks at the policy in force anew when a call ends."""

    __slots__ = ()

    def call(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` under the bulkhead of whichever policy is in force."""
        from scrollintel.core.call import Call

        gate = self.lane.parts.bulkhead
        call = Call("c", fn, args, kwargs, 0.0)
        permit = None if gate is None else gate.enter(call)
        value = fn(*args, **kwargs)
        gate = self.lane.parts.bulkhead
        if gate is not None:
            gate.leave(call, permit, None, value)
        self.lane.circuit.durations.append(0.0)
        return value


def test_registry_call_that_reads_its_policy_twice_is_caught(seed: int) -> None:
    """The twin gives back a slot that it never took."""
    scene = call_against_replacement()

    def setup() -> Names:
        names = Names()
        registry = names.registry
        pipeline = ReadsTheLaneTwice(
            POLICY, clock=registry.clock, hub=registry.hub, budgets=registry.budgets, circuits=registry.circuit
        )
        registry._pipelines["c"] = pipeline
        names.given.append(pipeline)
        return names

    assert_caught(Scene(setup, scene.threads, scene.holds), seed)
