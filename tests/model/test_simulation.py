"""Millions of simulated calls through real pipelines, each one predicted by an oracle that shares no code with them.

The oracle keeps its own clock and its own figures in plain lists, and foretells the result of a call, the time at
which it ends and the state of the circuit before the pipeline is asked. All times are whole numbers of 1/1024 s, so
that both come to the very same numbers.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest

from scrollintel.core.config.breaker import BreakerMode, CircuitBreakerConfig, WindowKind
from scrollintel.core.config.policy import Policy
from scrollintel.core.config.retry import RetryConfig
from scrollintel.core.errors import RejectedError
from scrollintel.core.hub import EventHub
from scrollintel.core.pipeline import Pipeline
from tests.model.simulation_oracle import Oracle
from tests.model.simulation_script import (
    ANSWER,
    BAD,
    CLOSED,
    ERRORS,
    ILL,
    ISOLATED,
    LIKELIHOOD,
    METRICS_ONLY,
    NESTED,
    OK,
    OPEN,
    PHASES,
    SUCCESS,
    WALL,
    Broken,
    Script,
    Unwelcome,
)
from tests.thoroughness import examples

SEED = int(os.environ.get("SCROLLINTEL_TEST_SEED") or os.environ.get("SCROLLINTEL_SEED") or 20250131)
CALLS = examples(380_000)
"""Top-level calls for each of eight policies, a quarter of them in the short form; nested ones come on top."""
CHUNK = 2_000
"""Calls between two comparisons of everything, at most."""


class PlainClock:
    """A clock that is a number; sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the number."""
        return self.now

    def time(self) -> float:
        """Return the number on the scale of the calendar."""
        return self.now + WALL

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds

    def wait(self, event: Any, timeout: float | None) -> bool:
        """Move on; nothing here waits for another thread."""
        self.now += timeout or 0.0
        return bool(event.is_set())

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Leave timers to the event loop."""


class Simulation:
    """One pipeline and its oracle on the same script."""

    def __init__(self, policy: Policy, facts: dict[str, Any], source: random.Random) -> None:
        self.clock = PlainClock()
        self.pipeline = Pipeline(policy, clock=self.clock, hub=EventHub())
        self.circuit = self.pipeline.circuit()
        self.source = source
        self.script = Script(source)
        self.oracle = Oracle(self.script, **facts)
        self.index = 0
        self.depth = 0
        self.calls = 0
        self.inner: list[object] = []
        self.waits: list[float | None] = []
        self.phases = [phase for phase in PHASES if facts.get("attempts", 1) == 1 or max(phase.kinds) < NESTED]

    def operation(self) -> str:
        """Do what the script says."""
        index = self.index
        self.index = index + 1
        kind = self.script.kinds[index]
        self.clock.now += self.script.durations[index]
        if kind == SUCCESS:
            return OK
        if kind >= NESTED:
            kind -= NESTED
            if self.depth < 2:
                self.depth += 1
                for _ in range(1 + index % 3):
                    self.inner.append(self.call())
                self.depth -= 1
                self.clock.now += self.script.durations[index]
        error = ERRORS.get(kind)
        if error is not None:
            raise error
        return BAD if kind == ILL else OK

    def call(self) -> object:
        """Make a call through the pipeline; return its value or the class of its error."""
        self.calls += 1
        try:
            return self.pipeline.call(self.operation)
        except BaseException as error:
            if isinstance(error, RejectedError):
                self.waits.append(error.retry_after)
            return type(error)

    def run(self, number: int) -> None:
        """Make `number` calls in phases, with an order of the operator now and then."""
        made = 0
        while made < number:
            phase = self.source.choices(self.phases, LIKELIHOOD[: len(self.phases)])[0]
            length = min(number - made, int(self.source.triangular(20, CHUNK, 20)))
            self.rewind()
            self.script.extend(phase, length * 4 + 100)
            pauses = self.source.choices(list(phase.pauses), phase.pauses.values(), k=length)
            self.stretch(pauses)
            self.operate()
            self.compare_everything()
            made += length

    def rewind(self) -> None:
        """Begin a new script."""
        self.script.kinds.clear()
        self.script.durations.clear()
        self.index = self.oracle.index = 0

    def stretch(self, pauses: list[int]) -> None:
        """Make calls with these pauses before them, and compare each with its prediction."""
        clock, oracle, machine, call = self.clock, self.oracle, self.circuit.machine, self.call
        for pause in pauses:
            clock.now += pause / 1024
            oracle.now += pause / 1024
            expected = oracle.call(inf)
            actual = call()
            if (
                actual is not expected
                or clock.now != oracle.now
                or self.index != oracle.index
                or machine.state is not oracle.state
                or self.waits != oracle.waits
                or self.inner != oracle.inner
            ):
                pytest.fail(self.report(actual, expected))
            if self.waits:
                self.waits.clear()
                oracle.waits.clear()
            if self.inner:
                self.inner.clear()
                oracle.inner.clear()

    def operate(self) -> None:
        """Let the operator do something, rarely."""
        order = self.source.choices(["nothing", "isolate", "close", "reset"], [160, 5, 10, 1])[0]
        if self.oracle.state is ISOLATED:
            order = self.source.choice(["nothing", "close", "reset"])
        if order != "nothing":
            getattr(self.oracle, order)()
            getattr(self.circuit, order)()

    def report(self, actual: object, expected: object) -> str:
        """Return both sides of a difference."""
        oracle = self.oracle
        return (
            f"seed {SEED}, policy {self.pipeline.name!r}, call {self.calls}: "
            f"got {actual}, expected {expected}; state {self.circuit.machine.state}, expected {oracle.state}; "
            f"time {self.clock.now}, expected {oracle.now}; runs {self.index}, expected {oracle.index}; "
            f"waits {self.waits}, expected {oracle.waits}; nested {self.inner}, expected {oracle.inner}"
        )

    def compare_everything(self) -> None:
        """Compare the snapshot with the oracle's figures."""
        oracle, totals = self.oracle, self.oracle.totals
        oracle.look()
        snapshot = self.pipeline.snapshot()
        (circuit,) = snapshot.circuits
        window = oracle.window()
        expected: dict[str, object] = {
            "state": oracle.state,
            "since": oracle.since + WALL,
            "retry_after": oracle.open_until - oracle.now if oracle.state is OPEN else None,
            "consecutive_failures": oracle.row,
            "window_calls": window[0],
            "window_failures": window[1],
            "window_slow": window[2],
            "probes_in_flight": 0,
            "probe_successes": oracle.good,
            "openings": oracle.openings,
            "would_have_opened": oracle.would,
        }
        actual = {name: getattr(circuit, name) for name in expected}
        expected |= vars(totals)
        actual |= {name: getattr(snapshot.tally, name) for name in vars(totals)}
        expected["history"] = oracle.moves[-32:]
        actual["history"] = [(change.old, change.new, change.at) for change in circuit.history]
        expected["last_failure"] = oracle.failure
        actual["last_failure"] = circuit.last_failure and (circuit.last_failure.type, circuit.last_failure.at)
        if self.pipeline.policy.measures:
            expected["durations"] = len(oracle.durations)
            actual["durations"] = circuit.response_times.count
        differences = {name: (actual[name], value) for name, value in expected.items() if actual[name] != value}
        assert not differences, f"seed {SEED}, {self.pipeline.name!r}, call {self.calls} (got, expected): {differences}"
        del oracle.moves[:-32]

    def compare_quantiles(self) -> None:
        """Compare the sketch with the sorted list of all durations."""
        times = self.circuit.snapshot().response_times
        listed = sorted(self.oracle.durations)
        assert times.count == len(listed) > 0
        assert times.mean == pytest.approx(sum(listed) / len(listed), rel=0.032)
        for q, found in ((0.5, times.p50), (0.95, times.p95), (0.99, times.p99), (1.0, times.maximum)):
            exact = listed[max(1, -int(-q * len(listed) // 1)) - 1]
            assert found == pytest.approx(exact, rel=0.032, abs=2e-6), f"seed {SEED}, quantile {q}"


def policies() -> Iterator[tuple[Policy, dict[str, Any]]]:
    """Give each policy with its facts as the oracle takes them."""

    def breaker(name: str, **changes: Any) -> CircuitBreakerConfig:
        return CircuitBreakerConfig(name, ignored_exceptions=[Unwelcome], **changes)

    config = breaker("plain counts", response_times=False, timeout=None, recovery_timeout=8.0)
    yield Policy(config.name, breaker=config), {"recovery": 8.0}

    config = breaker("deadlines", timeout=4.0, recovery_timeout=8.0, probes=2)
    yield Policy(config.name, breaker=config), {"recovery": 8.0, "places": 2, "limit": 4.0}

    config = breaker(
        "count window", window_kind=WindowKind.COUNT, window=20, minimum_calls=8, failure_rate=0.5, timeout=None,
        slow_call_duration=1.0, slow_call_rate=0.75, probes=3, recovery_timeout=8.0, success_threshold=2,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count", "size": 20, "minimum": 8, "rate": 0.5, "slow_after": 1.0, "slow_rate": 0.75, "places": 3,
        "recovery": 8.0, "needed": 2,
    }  # fmt: skip

    config = breaker(
        "time window", window_kind=WindowKind.TIME, window=10.0, minimum_calls=10, failure_rate=0.25, timeout=None,
        slow_call_duration=1.0, slow_call_rate=0.5, recovery_timeout=4.0, ramp=8.0, ramp_start=0.25,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "time", "size": 10.0, "minimum": 10, "rate": 0.25, "slow_after": 1.0, "slow_rate": 0.5,
        "recovery": 4.0, "ramp": 8.0, "ramp_start": 0.25,
    }  # fmt: skip

    config = breaker(
        "count in time", window_kind=WindowKind.COUNT_IN_TIME, window=8.0, failure_threshold=3, timeout=4.0,
        recovery_timeout=4.0, open_backoff=2.0, max_recovery_timeout=60.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count_in_time", "size": 8.0, "threshold": 3, "limit": 4.0, "recovery": 4.0, "growth": 2.0, "cap": 60.0,
    }  # fmt: skip

    config = breaker("everything", timeout=4.0, recovery_timeout=8.0)
    retry = RetryConfig(
        max_attempts=4, base_delay=0.5, max_delay=60.0, jitter=False, retryable_exceptions=[Broken], max_elapsed=6.0
    )
    yield Policy(config.name, breaker=config, retry=retry, fallback=lambda: ANSWER), {
        "limit": 4.0, "recovery": 8.0, "attempts": 4, "first_delay": 0.5, "longest": 6.0, "answers": True,
    }  # fmt: skip

    config = breaker(
        "metrics only", mode=BreakerMode.METRICS_ONLY, window_kind=WindowKind.TIME, window=20.0, minimum_calls=20,
        failure_rate=0.5, timeout=None, slow_call_duration=1.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config, response_times=False), {
        "base": METRICS_ONLY, "kind": "time", "size": 20.0, "minimum": 20, "rate": 0.5, "slow_after": 1.0,
    }  # fmt: skip

    config = breaker(
        "judged results", window_kind=WindowKind.COUNT, window=50, minimum_calls=5, failure_rate=0.25, timeout=4.0,
        result_predicate=lambda value: value is BAD, open_backoff=1.5, max_recovery_timeout=20.0, recovery_timeout=4.0,
    )  # fmt: skip
    yield Policy(config.name, breaker=config), {
        "kind": "count", "size": 50, "minimum": 5, "rate": 0.25, "limit": 4.0, "judges_results": True,
        "growth": 1.5, "cap": 20.0, "recovery": 4.0,
    }  # fmt: skip


@pytest.mark.parametrize(("policy", "facts"), [pytest.param(*pair, id=pair[0].name) for pair in policies()])
def test_simulation_agrees_with_the_oracle_on_every_call(policy: Policy, facts: dict[str, Any]) -> None:
    """Each call of a long and eventful life ends as foretold, at the time foretold, and leaves the foretold figures."""
    print(f"seed {SEED} (SCROLLINTEL_TEST_SEED)")
    simulation = Simulation(policy, facts, random.Random(f"{SEED} {policy.name}"))
    simulation.run(CALLS)
    assert simulation.calls >= CALLS
    assert_eventful(simulation.oracle)
    if policy.measures:
        simulation.compare_quantiles()


def assert_eventful(oracle: Oracle) -> None:
    """A simulation in which nothing happens proves nothing: check that this one met all it was made to meet."""
    totals = oracle.past + Counter(vars(oracle.totals))
    kinds = {"successes", "failures", "ignored", "abandoned", "rejections"}
    kinds |= {"timeouts"} if oracle.limit is not None else set()
    kinds |= {"slow"} if oracle.slow_after < inf else set()
    kinds |= {"retries", "fallbacks"} if oracle.attempts > 1 else set()
    if oracle.base is CLOSED:
        kinds |= {"late"}
        assert oracle.period > 1000
    else:
        assert oracle.would > 0
    assert min(totals[kind] for kind in kinds) > 20, dict(totals)
