"""An explanation says why a policy is as it is, from which calls, and what comes next."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrollintel import (
    AdaptiveLimitConfig,
    BreakerMode,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    EventHub,
    MetastabilityConfig,
    NotFoundError,
    Policy,
    RampKind,
    RateLimitConfig,
    Registry,
    RetryConfig,
    ThrottleConfig,
    WindowKind,
    explain,
)
from scrollintel.testing import ManualClock


def fail() -> None:
    """Fail with a text that holds personal data."""
    raise ConnectionError("ann@example.org")


def told(registry: Registry, name: str = "shop") -> str:
    """Return the explanation as text; its facts are JSON and hold no text of an error."""
    found = explain(name, registry=registry)
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert "ann@" not in text
    assert str(found).count("\n") == len(found.sentences) + len(found.next) - 1
    return str(found)


def failing(registry: Registry, times: int, **parts: Any) -> None:
    """Let calls fail."""
    pipeline = registry.pipeline(Policy("shop", **parts))
    for _ in range(times):
        with pytest.raises(Exception):  # noqa: B017 - refusals are welcome too
            pipeline.call(fail)


def test_explain_follows_a_circuit_through_its_states(registry: Registry, clock: ManualClock) -> None:
    """Closed, open, half-open, ramping: each says why, from which calls, and what ends it."""
    breaker = CircuitBreakerConfig("shop", failure_threshold=3, ramp_kind=RampKind.SUCCESS)
    failing(registry, 1, breaker=breaker)
    text = told(registry)
    assert "is closed" in text
    assert "1 failure in a row" in text
    assert "Next: it opens after 2 more failures in a row" in text
    failing(registry, 2, breaker=breaker)
    clock.advance(20.0)
    text = told(registry)
    assert "is open since" in text
    assert "3 failures in a row" in text
    assert "3 failed (ConnectionError 3 times)" in text
    assert "Next: the next probe in 40 s" in text
    clock.advance(41.0)
    pipeline = registry.get("shop")
    pipeline.call(lambda: None)
    assert "1 of 3 have succeeded" in told(registry)
    assert "Next: 2 more probes that succeed close it" in told(registry)
    for _ in range(2):
        pipeline.call(lambda: None)
    assert "That was decided by 3 probes, of which 3 succeeded" in told(registry)
    assert "Traffic returns step by step: 1 call at once" in told(registry)
    pipeline.circuit().isolate()
    assert "Next: nothing happens by itself" in told(registry)


def test_explain_tells_a_ramp_by_time(registry: Registry, clock: ManualClock) -> None:
    """While a share of the calls is refused, nobody is told that calls pass."""
    breaker = CircuitBreakerConfig("shop", failure_threshold=1, success_threshold=1, ramp=100.0, ramp_start=0.2)
    failing(registry, 1, breaker=breaker)
    clock.advance(60.0)
    pipeline = registry.get("shop")
    pipeline.call(lambda: None)
    assert "Traffic returns step by step: 20% of the calls may pass now." in told(registry)
    clock.advance(50.0)
    assert "Traffic returns step by step: 60% of the calls may pass now." in told(registry)
    assert "Next: all may pass in 50 s" in told(registry)
    assert "Calls pass" not in told(registry)
    clock.advance(50.0)
    assert pipeline.circuit().snapshot().ramp_left is None
    assert "Calls pass." in told(registry)


def test_explain_tells_of_many_circuits_those_in_a_ramp(registry: Registry, clock: ManualClock) -> None:
    """A key whose traffic returns step by step is in trouble still."""
    breaker = CircuitBreakerConfig("shop", failure_threshold=1, success_threshold=1, ramp=100.0)
    pipeline = registry.pipeline(Policy("shop", breaker=breaker, key=lambda host: host))
    pipeline.call(lambda host: None, "a")
    with pytest.raises(ConnectionError):
        pipeline.call(lambda host: fail(), "b")
    clock.advance(60.0)
    pipeline.call(lambda host: None, "b")
    assert "Traffic returns step by step: 10% of the calls may pass now." in told(registry)


@pytest.mark.parametrize(
    ("budget", "earned"),
    [
        ({"reserve": 1.0}, "10 calls"),
        ({"reserve": 2.0, "threshold": 0.5, "ratio": 0.5}, "1 call"),
        ({"reserve": 1.0, "across_layers": True, "ratio": 0.25}, "4 successes"),
        ({"reserve": 1.0, "ratio": 1e-310}, None),
    ],
)
def test_explain_tells_what_earns_the_next_retry(
    registry: Registry, budget: dict[str, Any], earned: str | None
) -> None:
    """As many calls as told, and not one fewer, let a retry start."""
    config = BudgetConfig(**budget)
    pipeline = registry.pipeline(Policy("shop", retry=RetryConfig(max_attempts=2, base_delay=0.0, budget=config)))
    with pytest.raises(ConnectionError):
        pipeline.call(fail)
    if earned is None:
        assert "earn" not in told(registry)
        return
    assert f"Next: about {earned} earn" in told(registry)
    spent = pipeline.lane.budget
    assert spent is not None
    for _ in range(int(earned.split()[0])):
        assert not spent.affords
        pipeline.call(lambda: None)
    assert spent.affords


@pytest.mark.parametrize(
    ("breaker", "sentence"),
    [
        ({"mode": BreakerMode.METRICS_ONLY, "failure_threshold": 1}, "it would have opened 2 times"),
        ({"mode": BreakerMode.DISABLED}, "nothing is recorded"),
        ({"window_kind": WindowKind.COUNT}, "it opens once 8 more calls came and 50% of the calls fail"),
        ({"window_kind": WindowKind.COUNT_IN_TIME}, "it opens after 3 more failures within 30 s"),
        ({"window_kind": WindowKind.TIME, "slow_call_duration": 1.0}, "2 failed, 0 were slow"),
    ],
)
def test_explain_knows_modes_and_windows(registry: Registry, breaker: dict[str, Any], sentence: str) -> None:
    """Each kind of window and mode has its own words."""
    failing(registry, 2, breaker=CircuitBreakerConfig("shop", **breaker))
    assert sentence in told(registry)


def test_explain_tells_queues_permits_and_budgets(registry: Registry, clock: ManualClock) -> None:
    """What is used up is told with what brings it back."""
    seen: list[str] = []
    pipeline = registry.pipeline(
        Policy(
            "shop",
            retry=RetryConfig(base_delay=0.0, budget=BudgetConfig(reserve=1.0, ratio=0.5)),
            bulkhead=BulkheadConfig(1),
            rate_limit=RateLimitConfig(1.0, burst=3),
            fallback=lambda: seen.append(told(registry)),
        )
    )

    def call() -> None:
        seen.append(told(registry))
        raise ConnectionError

    pipeline.call(call)
    assert "1 of 1 slot of the bulkhead are in use" in seen[0]
    assert "Next: the next call is refused" in seen[0]
    assert "The retry budget holds 0 of 1 tokens." in seen[1]
    assert "Next: about 2 calls earn the next retry" in seen[1]
    assert "1 permits of the rate limit are left" in seen[2]
    pipeline.call(call)
    assert "Next: the next permit in 1 s" in told(registry)
    assert "Fallbacks have answered: <lambda> 2 times" in told(registry)


def test_explain_tells_keyed_circuits_that_are_in_trouble(registry: Registry) -> None:
    """Of many circuits those are told that do not simply pass calls."""
    pipeline = registry.pipeline(
        Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=1), key=lambda host: host)
    )
    pipeline.call(lambda host: None, "a")
    with pytest.raises(ConnectionError):
        pipeline.call(lambda host: fail(), "b")
    text = told(registry)
    assert "It has 2 circuits: 1 closed, 1 open." in text
    assert "The circuit 'b' of 'shop' is open" in text
    assert "circuit 'a'" not in text


def test_explain_takes_what_check_takes(registry: Registry) -> None:
    """A pipeline, and a function that it protects, say the same as the name."""
    pipeline = registry.pipeline(Policy("shop", breaker=CircuitBreakerConfig("shop")))
    assert (
        explain(pipeline).sentences == explain(pipeline(fail)).sentences == explain("shop", registry=registry).sentences
    )


def test_explain_finds_circuits_without_a_policy(registry: Registry, hub: EventHub) -> None:
    """A circuit that is used by itself has a name too; an unknown name is refused."""
    registry.circuit(CircuitBreakerConfig("alone"))
    assert "The circuit 'alone' is closed" in told(registry, "alone")
    with pytest.raises(NotFoundError):
        explain("nobody", registry=registry)


def test_explain_tells_adaptive_limit_and_throttle(registry: Registry) -> None:
    """What they hold, why, and when that changes."""
    pipeline = registry.pipeline(
        Policy(
            "shop",
            limit=AdaptiveLimitConfig(initial_limit=2, max_limit=2),
            throttle=ThrottleConfig(min_requests=1),
            retry=RetryConfig(max_attempts=1),
        )
    )
    seen: list[str] = []
    pipeline.call(lambda: seen.append(told(registry)))
    assert "The adaptive limit is 2; 1 attempt runs." in seen[0]
    assert "The throttle lets every ordinary attempt pass." in seen[0]
    assert "Next: the adaptive limit cannot grow any more" in seen[0]
    for _ in range(20):
        with pytest.raises(Exception):  # noqa: B017 - what is throttled is refused
            pipeline.call(fail)
    assert "of ordinary attempts, because the dependency accepted too few" in told(registry)


def test_explain_tells_which_calls_it_names_the_errors_of(registry: Registry) -> None:
    """Of many calls the newest are kept, so their errors are not those of all that failed."""
    breaker = CircuitBreakerConfig("shop", failure_threshold=30)
    failing(registry, 30, breaker=breaker)
    assert "30 failed (of the newest 20: ConnectionError 20 times), the last at" in told(registry)


def test_explain_counts_a_single_probe(registry: Registry, clock: ManualClock) -> None:
    """The reason of a state is a sentence also when one probe was enough."""
    failing(registry, 1, breaker=CircuitBreakerConfig("shop", failure_threshold=1, success_threshold=1))
    clock.advance(61.0)
    registry.get("shop").call(lambda: None)
    assert "UTC: 1 probe succeeded." in told(registry)


def test_explain_names_the_key_of_each_adaptive_limit(registry: Registry) -> None:
    """What comes next is told of each limit by its key."""
    pipeline = registry.pipeline(Policy("shop", limit=AdaptiveLimitConfig(), key=lambda host: host))
    for host in ("a", "b"):
        pipeline.call(lambda host: None, host)
    text = told(registry)
    assert "Next: the adaptive limit of 'a' does not grow, because less than half of it is in use" in text
    assert "Next: the adaptive limit of 'b' does not grow" in text


def test_explain_of_an_unknown_name_says_what_names_there_may_be() -> None:
    """A name may be that of a policy or of a circuit, and one that is near is told."""
    registry = Registry()
    registry.pipeline(Policy("payments"))
    with pytest.raises(NotFoundError, match="no policy or circuit is registered as 'payment'"):
        explain("payment", registry=registry)


def test_explain_tells_a_detector_of_metastability(registry: Registry) -> None:
    """While it learns there is nothing to say but that."""
    registry.pipeline(Policy("shop", metastability=MetastabilityConfig()))
    assert "What traffic is usual is not known yet." in told(registry)
