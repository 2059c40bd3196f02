"""A check says what in valid policies is likely not meant, and the most that one call may cost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from scrollintel import (
    BreakerMode,
    BudgetConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    ConfigError,
    EventHub,
    FallbackConfig,
    HedgeConfig,
    Jitter,
    Pipeline,
    PipelineBuilder,
    Policy,
    RateLimitConfig,
    RetryConfig,
    TimeoutConfig,
    Value,
    WindowKind,
    check,
    idempotent,
)
from scrollintel.core.checking.findings import CODES
from scrollintel.testing import ManualClock

BUDGET = BudgetConfig()
RETRY = RetryConfig(budget=BUDGET, repeatable=idempotent)
SOUND: dict[str, Any] = {
    "breaker": CircuitBreakerConfig("shop"),
    "retry": RETRY,
    "hedge": HedgeConfig(delay=0.2, repeatable=idempotent),
    "timeout": TimeoutConfig(attempt=1.0, total=20.0),
    "bulkhead": BulkheadConfig(10, max_waiting=5, max_wait=0.1),
    "fallback": Value(None),
}


def _breaker(**fields: Any) -> CircuitBreakerConfig:
    return CircuitBreakerConfig("shop", **fields)


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("attempt_beyond_deadline", {"timeout": 5.0}, {"deadline": 2.0}),
    ("retries_beyond_deadline", {"timeout": 1.0}, {"deadline": 2.0}),
    ("total_too_short", {"timeout": TimeoutConfig(attempt=5.0, total=10.0)}, {}),
    ("no_time_limit", {"timeout": TimeoutConfig()}, {}),
    ("retry_without_budget", {"retry": RetryConfig(repeatable=idempotent)}, {}),
    ("retries_refusals", {"retry": RetryConfig(budget=BUDGET, repeatable=idempotent, retry_rejected=True)}, {}),
    ("unmarked_hedge", {"hedge": HedgeConfig(delay=0.2)}, {}),
    ("unmarked_retry", {"retry": RetryConfig(budget=BUDGET)}, {}),
    ("hedged_write", {"hedge": HedgeConfig(delay=0.2)}, {"writes": True}),
    ("retried_write", {"retry": RetryConfig(budget=BUDGET)}, {"writes": True}),
    ("late_hedge", {"hedge": HedgeConfig(delay=1.0, repeatable=idempotent)}, {}),
    ("breaker_outside_retry", {"hedge": None, "order": ("breaker", "retry")}, {}),
    ("breaker_never_opens", {"breaker": _breaker(mode=BreakerMode.METRICS_ONLY)}, {}),
    ("slots_during_pauses", {"hedge": None, "order": ("bulkhead", "retry")}, {}),
    (
        "line_without_wait_limit",
        {"bulkhead": BulkheadConfig(10, max_waiting=5), "timeout": 1.0},
        {},
    ),
    ("cold_fallback", {"fallback": lambda: None}, {}),
]


def test_check_finds_nothing_in_a_sound_policy() -> None:
    """Nothing is said, and the worst case is stated all the same."""
    found = check(Policy("shop", **SOUND))
    assert list(found) == []
    assert not found
    assert not found.grave and not found.wrong
    assert found.worst.calls == 6
    assert found.worst.seconds == pytest.approx(3 * (0.2 + 0.1 + 1.0) + 1.0 + 2.0)


@pytest.mark.parametrize(("code", "parts", "options"), CASES, ids=[case[0] for case in CASES])
def test_check_tells_each_code_of_one_policy(code: str, parts: dict[str, Any], options: dict[str, Any]) -> None:
    """One part of a sound policy is changed, and that is what is told, with what to do about it."""
    found = check(Policy("shop", **{**SOUND, **parts}), **options)
    (finding,) = (one for one in found if one.code == code)
    assert finding.about == "shop"
    assert finding.sentence.endswith(".")
    assert finding.change.endswith(".")
    assert finding.severity is CODES[code].severity
    assert code in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_check_tells_of_nesting() -> None:
    """Attempts of layers that try again inside each other multiply, and a fallback inside hides failures."""
    layers = [Policy(name, retry=RETRY, timeout=1.0) for name in ("edge", "middle")]
    inmost = Policy("store", retry=RETRY, timeout=1.0, fallback=Value(None))
    found = check(layers[0], inner=[layers[1], inmost])
    assert found.worst.calls == 27
    assert "3 × 3 × 3" in found.worst.sentence
    nested = next(finding for finding in found if finding.code == "nested_retries")
    assert "27 calls" in nested.sentence
    hidden = next(finding for finding in found if finding.code == "hidden_failures")
    assert hidden.about == "store"
    assert "middle" in hidden.sentence
    assert set(CODES) == {case[0] for case in CASES} | {"nested_retries", "hidden_failures"}


def test_check_knows_that_layers_stand_down_under_a_budget_across_them() -> None:
    """Only the first attempt of the outer layer lets the inner ones try again."""
    outer = Policy("edge", retry=RetryConfig(budget=BudgetConfig(across_layers=True)), timeout=1.0)
    found = check(outer, inner=[Policy("store", retry=RETRY, timeout=1.0)])
    assert found.worst.calls == 3 + 1 + 1
    assert "nested_retries" not in found.codes


def test_check_multiplies_retries_around_a_budget_across_layers() -> None:
    """What is inside the layer with the budget stands down, and the finding counts as the worst case does."""
    spanning = Policy("middle", retry=RetryConfig(budget=BudgetConfig(across_layers=True)), timeout=1.0)
    found = check(Policy("edge", retry=RETRY, timeout=1.0), inner=[spanning, Policy("store", retry=RETRY, timeout=1.0)])
    assert found.worst.calls == 3 * (3 + 1 + 1)
    nested = next(finding for finding in found if finding.code == "nested_retries")
    assert nested.sentence == "edge, middle, store try again inside each other: 15 calls for one."


@pytest.mark.parametrize(
    ("target", "options", "field"),
    [
        ("payments", {}, "target='payments': must be a Policy, a Pipeline or a protected function"),
        (Policy("shop"), {"deadline": -1.0}, "deadline=-1.0: must be a finite number above 0 seconds or None"),
        (Policy("shop"), {"deadline": "2s"}, "deadline='2s': must be a finite number above 0 seconds or None"),
        (Policy("shop"), {"writes": "yes"}, "writes='yes': must be True or False or None"),
        (Policy("shop"), {"inner": Policy("store")}, "must be a list of policies, pipelines or protected functions"),
        (
            Policy("shop"),
            {"inner": ["store"]},
            "inner[0]='store': must be a Policy, a Pipeline or a protected function",
        ),
    ],
)
def test_check_refuses_arguments_that_mean_nothing(target: Any, options: dict[str, Any], field: str) -> None:
    """The field, what was given and what is allowed are named."""
    with pytest.raises(ConfigError, match=re.escape(field)):
        check(target, **options)


def test_check_states_that_nothing_ends_a_call() -> None:
    """Without any limit the seconds are unknown, and say so."""
    found = check(Policy("shop"))
    assert (found.worst.calls, found.worst.seconds) == (1, None)
    assert "runs the operation 1 time and nothing ends it." in found.worst.sentence


def test_check_counts_what_a_server_may_ask_for() -> None:
    """A wish of the server is followed up to its limit, so each pause may be that long."""
    retry = RetryConfig(retry_after=lambda seen: None, max_retry_after=50.0, jitter=Jitter.NONE)
    assert check(Policy("shop", retry=retry, timeout=1.0)).worst.seconds == 103.0
    ended = RetryConfig(retry_after=lambda seen: None, max_retry_after=50.0, max_elapsed=60.0)
    assert check(Policy("shop", retry=ended, timeout=1.0)).worst.seconds == 61.0


def test_check_counts_what_a_refusal_asks_for(clock: ManualClock, hub: EventHub) -> None:
    """Where refusals are tried again, a pause lasts as long as the circuit is open, and the worst case knows that."""
    policy = Policy(
        "shop",
        breaker=CircuitBreakerConfig("shop", failure_threshold=1, recovery_timeout=60.0, timeout=1.0),
        retry=RetryConfig(max_attempts=2, base_delay=0.1, retry_rejected=True),
    )
    pipeline = Pipeline(policy, clock=clock, hub=hub)
    pipeline.circuit().trip("test")
    began = clock.monotonic()
    pipeline.call(lambda: None)
    lasted = clock.monotonic() - began
    assert lasted == pytest.approx(60.0)
    worst = check(policy).worst.seconds
    assert worst is not None and worst >= lasted
    assert worst == 302.0


def test_check_tells_in_which_attempt_the_total_ends_when_a_server_asks_to_wait() -> None:
    """The first pause alone may be longer than the total."""
    retry = RetryConfig(retry_after=lambda seen: None, max_retry_after=50.0)
    found = check(Policy("shop", retry=retry, timeout=TimeoutConfig(attempt=1.0, total=20.0)))
    sentence = next(finding.sentence for finding in found if finding.code == "total_too_short")
    assert "ends in attempt 1 of 3" in sentence


@pytest.mark.parametrize(
    ("breaker", "others", "never"),
    [
        ({"window_kind": WindowKind.TIME, "window": 10.0}, {"rate_limit": RateLimitConfig(0.5)}, True),
        ({"window_kind": WindowKind.TIME, "window": 10.0}, {"rate_limit": RateLimitConfig(5.0)}, False),
        ({"window_kind": WindowKind.COUNT_IN_TIME, "window": 10.0}, {"bulkhead": 1, "timeout": 5.0}, True),
        ({"window_kind": WindowKind.COUNT_IN_TIME, "window": 10.0}, {"bulkhead": 3, "timeout": 5.0}, False),
        ({"window_kind": WindowKind.CONSECUTIVE}, {"bulkhead": 1, "timeout": 5.0}, False),
    ],
)
def test_check_knows_a_breaker_that_cannot_open(breaker: dict[str, Any], others: dict[str, Any], never: bool) -> None:
    """A window that can never hold enough calls or failures is told."""
    found = check(Policy("shop", breaker=_breaker(**breaker), **others))
    assert ("breaker_never_opens" in found.codes) is never


def test_check_of_running_pipelines_knows_what_has_run() -> None:
    """A fallback that has answered is not told, and neither is a constant."""
    pipeline = Pipeline(Policy("shop", timeout=1.0, fallback=FallbackConfig(lambda: 1)))
    assert "cold_fallback" in check(pipeline).codes

    def fail() -> int:
        raise ConnectionError

    assert pipeline.call(fail) == 1
    assert "cold_fallback" not in check(pipeline).codes


def test_check_follows_decorators_stacked_on_one_function() -> None:
    """The outermost policy comes first; what is no policy is refused."""
    outer = PipelineBuilder("outer").retry(RETRY).timeout(2.0).build()
    inner = PipelineBuilder("inner").retry(RETRY).timeout(1.0).build()

    def run() -> None:
        """Do nothing."""

    found = check(outer(inner(run)))
    assert (found.name, found.worst.calls) == ("outer", 9)
    with pytest.raises(ConfigError, match="a protected function"):
        check(run)
