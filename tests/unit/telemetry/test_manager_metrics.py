"""The metrics of a process without a control plane, as text and through `prometheus_client`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.bulkhead import BulkheadConfig
from scrollintel.core.config.degradation import DegradationLevel
from scrollintel.core.config.fallback import FallbackConfig, shadowable
from scrollintel.core.config.limit import AdaptiveLimitConfig
from scrollintel.core.config.metastability import MetastabilityConfig
from scrollintel.core.config.policy import Policy
from scrollintel.core.config.rate_limit import RateLimitConfig
from scrollintel.core.config.retry import BudgetConfig, RetryConfig
from scrollintel.core.config.throttle import ThrottleConfig
from scrollintel.core.errors import ConfigError, RejectedError
from scrollintel.core.manager import FaultToleranceManager
from scrollintel.core.registry import Registry
from scrollintel.core.strategies.admission import Admission
from scrollintel.core.strategies.outliers import HostPool
from scrollintel.telemetry.families import LIBRARY
from scrollintel.telemetry.prometheus import Collector, exposition
from scrollintel.testing import ManualClock

from ...programs import path_of


@pytest.fixture
def manager(registry: Registry) -> FaultToleranceManager:
    """Return a manager of the test's own, on the manual clock."""
    return FaultToleranceManager(registry=registry)


def fails() -> None:
    """Fail as a dependency does."""
    raise OSError("gone")


def takes(clock: ManualClock, seconds: float) -> Callable[[], None]:
    """Return an operation that takes some time."""
    return lambda: clock.sleep(seconds)


def of(manager: FaultToleranceManager, name: str, **labels: str) -> float | None:
    """Return one sample of a scrape, or None when there is none."""
    for family in text(exposition(manager).text):
        for sample in family.samples:
            if sample.name == f"scrollintel_{name}" and sample.labels == labels:
                return sample.value
    return None


def test_metrics_of_fallbacks_that_run_beside_calls(manager: FaultToleranceManager, clock: ManualClock) -> None:
    """Those that are cold, and how their runs ended; a policy without any has no such samples."""
    config = FallbackConfig(shadowable(lambda: 0), shadow_rate=1e-9, cold_after=10.0)
    manager.registry.pipeline(Policy("warm", fallback=config)).call(lambda: None)
    manager.registry.pipeline(Policy("plain", fallback=lambda: 0)).call(lambda: None)
    assert of(manager, "fallbacks_cold", policy="warm") == 0.0
    assert of(manager, "fallback_shadow_runs_total", policy="warm", outcome="worked") == 0.0
    clock.advance(11.0)
    assert of(manager, "fallbacks_cold", policy="warm") == 1.0
    assert of(manager, "fallbacks_cold", policy="plain") is None


def test_metrics_of_a_detector_of_metastability(manager: FaultToleranceManager) -> None:
    """What it takes the traffic for, and what it sheds; a policy without one has no such samples."""
    for name, part in (("watched", MetastabilityConfig()), ("plain", None)):
        manager.registry.pipeline(Policy(name, metastability=part)).call(lambda: None)
    found = [of(manager, f"metastable{what}", policy="watched") for what in ("", "_admitted_share", "_shed_total")]
    assert found == [0.0, 1.0, 0.0]
    assert of(manager, "metastable", policy="plain") is None


def call(manager: FaultToleranceManager, name: str, operation: Callable[[], object]) -> None:
    """Call through a circuit that opens at the second failure, whatever comes of it."""
    config = CircuitBreakerConfig(name, failure_threshold=2, recovery_timeout=10.0)
    try:
        manager.execute_blocking(operation, circuit_breaker_config=config)
    except (OSError, RejectedError):
        pass


def test_metrics_of_a_circuit_tell_its_state_and_how_attempts_ended(
    manager: FaultToleranceManager, clock: ManualClock
) -> None:
    """Successes and failures are counted, it is seen to open, and a refused call is rejected."""
    for operation in (takes(clock, 0.1), takes(clock, 0.3), fails, fails, fails):
        call(manager, "payments", operation)
    place = {"circuit": "payments"}
    assert of(manager, "circuit_state", **place, state="open") == 1
    assert of(manager, "circuit_state", **place, state="closed") == 0
    assert of(manager, "circuits", state="open") == 1
    assert of(manager, "circuit_state_changes_total", **place) == 1
    assert of(manager, "circuit_state_entered_timestamp_seconds", **place) == pytest.approx(clock.time(), abs=0.01)
    outcomes = {"success": 2, "failure": 2, "rejected": 1, "late": 0, "ignored": 0, "abandoned": 0}
    for outcome, count in outcomes.items():
        assert of(manager, "circuit_attempts_total", **place, outcome=outcome) == count
    assert of(manager, "circuit_response_time_seconds_count", **place) == 4
    assert of(manager, "circuit_response_time_seconds_bucket", **place, le="0.125") == 3
    assert of(manager, "circuit_response_time_seconds_bucket", **place, le="0.5") == 4
    assert of(manager, "circuit_response_time_seconds_sum", **place) == pytest.approx(0.4, rel=0.032)


def test_metrics_of_a_keyed_circuit_are_merged_and_never_fall(manager: FaultToleranceManager) -> None:
    """The worst key tells the state; a key that is dropped takes nothing of the counts with it."""
    breaker = CircuitBreakerConfig("hosts", failure_threshold=1)
    pipeline = manager.registry.pipeline(Policy("hosts", breaker=breaker, key=lambda host: host, max_keys=2))
    succeed = pipeline(lambda host: host)
    for host in ("a", "b"):
        succeed(host)
    with pytest.raises(ZeroDivisionError):
        pipeline(lambda host: 1 / 0)("b")
    place = {"circuit": "hosts"}
    assert of(manager, "circuit_state", **place, state="open") == 1
    assert of(manager, "circuit_instances", **place, state="open") == 1
    assert of(manager, "circuit_instances", **place, state="closed") == 1
    for host in ("c", "d"):  # each drops the one before, and "b" is open
        succeed(host)
    assert of(manager, "circuit_attempts_total", **place, outcome="success") == 4
    assert of(manager, "circuit_response_time_seconds_count", **place) == 5
    assert of(manager, "circuit_state_changes_total", **place) == 1


def test_metrics_of_policies_that_share_a_circuit_are_one_series(manager: FaultToleranceManager) -> None:
    """Keys of two policies, dropped ones included, and a third policy without keys add up under the circuit's name."""
    breaker = CircuitBreakerConfig("hosts")
    for name in ("reads", "writes"):
        policy = Policy(name, breaker=breaker, key=lambda host: host, max_keys=1)
        function = manager.registry.pipeline(policy)(lambda host: host)
        for host in ("a", "b"):
            function(host)
    manager.registry.pipeline(Policy("plain", breaker=breaker)).call(int)
    place = {"circuit": "hosts"}
    assert of(manager, "circuit_attempts_total", **place, outcome="success") == 5
    assert of(manager, "circuit_instances", **place, state="closed") == 2
    assert of(manager, "circuits", state="closed") == 1


def test_metrics_of_a_policy_tell_its_parts(manager: FaultToleranceManager) -> None:
    """Retries and what is left of the budget, slots and permits; parts that it has not are left out."""
    policy = Policy(
        "orders", breaker=CircuitBreakerConfig("orders"),
        retry=RetryConfig(max_attempts=3, base_delay=0.01, budget=BudgetConfig(reserve=5.0, ratio=0.0)),
        bulkhead=BulkheadConfig(max_concurrent=7), rate_limit=RateLimitConfig(rate=20.0),
        limit=AdaptiveLimitConfig(initial_limit=9), throttle=ThrottleConfig(),
    )  # fmt: skip
    with pytest.raises(OSError, match="gone"):
        manager.registry.pipeline(policy).call(fails)
    manager.registry.pipeline(Policy("plain", breaker=CircuitBreakerConfig("plain"))).call(int)
    wanted = {
        "retries_total": 2, "retries_given_up_total": 1, "hedges_total": 0, "fallbacks_total": 0,
        "limit_rejections_total": 0, "abandoned_threads": 0, "retry_budget_tokens": 3,
        "retry_budget_reserve_tokens": 5, "bulkhead_running": 0, "bulkhead_waiting": 0, "bulkhead_limit": 7,
        "rate_limit_capacity": 20, "adaptive_limit": 9, "adaptive_limit_running": 0, "adaptive_limit_waiting": 0,
        "adaptive_limit_rejections_total": 0, "throttle_share": 0, "throttle_rejections_total": 0,
    }  # fmt: skip
    assert {name: of(manager, name, policy="orders") for name in wanted} == wanted
    assert of(manager, "rate_limit_permits", policy="orders") == pytest.approx(17, abs=0.5)
    for name in ("retry_budget_tokens", "bulkhead_limit", "rate_limit_permits", "adaptive_limit", "throttle_share"):
        assert of(manager, name, policy="plain") is None


def test_metrics_of_services_tell_their_levels(manager: FaultToleranceManager) -> None:
    """A level is its number."""
    manager.degradation.register_service("search")
    assert of(manager, "degradation_level", service="search") == 0
    manager.degradation.set_level("search", DegradationLevel.SEVERE, "test")
    assert of(manager, "degradation_level", service="search") == 3


def test_metrics_of_listeners_tell_what_was_dropped_also_after_they_are_gone(manager: FaultToleranceManager) -> None:
    """A counter that fell when a listener leaves would be taken for a restart."""
    buffer = manager.events.buffer(size=1)
    for _ in range(3):
        manager.registry.circuit(CircuitBreakerConfig("payments")).isolate()
        manager.registry.circuit(CircuitBreakerConfig("payments")).close()
    assert of(manager, "event_listeners") == 1
    assert of(manager, "dropped_total", queue="events") == 5
    buffer.cancel()
    buffer.cancel()
    assert of(manager, "event_listeners") == 0
    assert of(manager, "dropped_total", queue="events") == 5


def test_metrics_are_bounded_and_the_rest_is_counted(manager: FaultToleranceManager) -> None:
    """Beyond the maximum, circuits, policies and services are in sums only; an open one among them still shows."""
    for number in range(4):
        manager.registry.pipeline(Policy(f"p{number}", breaker=CircuitBreakerConfig(f"c{number}")))
        manager.degradation.register_service(f"s{number}")
    manager.circuit_breaker("c3").isolate()
    found = list(text(exposition(manager, max_circuits=1).text))
    labels = [sample.labels for family in found for sample in family.samples]
    for label, first in (("circuit", "c0"), ("policy", "p0"), ("service", "s0")):
        assert {each[label] for each in labels if label in each} == {first}
    sums = {(family.name, *sample.labels.values()): sample.value for family in found for sample in family.samples}
    assert [sums["scrollintel_metrics_omitted", kind] for kind in ("circuits", "policies", "services")] == [3, 3, 3]
    assert sums["scrollintel_circuits", "isolated"] == 1
    assert sums["scrollintel_circuits", "closed"] == 3


def test_exposition_is_written_in_the_format_that_is_asked_for(manager: FaultToleranceManager) -> None:
    """It is text unless the request prefers OpenMetrics, and both tell the same."""
    call(manager, "payments", int)
    plain = exposition(manager)
    modern = exposition(manager, accept="application/openmetrics-text; version=1.0.0, */*; q=0.1")
    assert plain.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert modern.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"

    def samples(families: object) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
        return {(s.name, frozenset(s.labels.items()), s.value) for f in families for s in f.samples}  # type: ignore[attr-defined]

    assert samples(text(plain.text)) == samples(openmetrics(modern.text))


def test_collector_tells_prometheus_client_what_the_text_tells(manager: FaultToleranceManager) -> None:
    """Its own registry writes the same samples, and knows the names before anything is collected."""
    call(manager, "payments", int)
    call(manager, "payments", fails)
    registry = CollectorRegistry()
    registry.register(Collector(manager))

    def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {(s.name, frozenset(s.labels.items())): s.value for f in text(page) for s in f.samples}

    assert samples(generate_latest(registry).decode()) == samples(exposition(manager).text)
    assert {metric.name for metric in Collector(manager).describe()} == {item.family for item in LIBRARY}
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector(manager))


@pytest.mark.parametrize("maximum", [0, -1, True, 1.5, "many"])
def test_metrics_with_a_maximum_that_is_none_are_refused(manager: FaultToleranceManager, maximum: object) -> None:
    """The error names the argument, its value and what is allowed."""
    for take in (exposition, Collector):
        with pytest.raises(ConfigError, match=r"max_circuits.*at least 1"):
            take(manager, max_circuits=maximum)  # type: ignore[operator]


def test_metrics_need_no_package_but_the_collector() -> None:
    """The plain function works where prometheus_client cannot be imported, and leaves asyncio alone."""
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from scrollintel.telemetry.prometheus import exposition\n"
        "assert exposition().text.startswith('# HELP scrollintel_circuits ')\n"
        "assert not {'fastapi', 'sqlalchemy', 'psutil'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pool_of_hosts_is_counted_by_state(manager: FaultToleranceManager, clock: ManualClock) -> None:
    """Hosts by state, ejections so far, and whether the pool panics; what is gone is not told any more."""

    def answer(host: str) -> str:
        if host == "a":
            raise ConnectionError
        return host

    pool = HostPool("found", hosts=["a", "b", "c"], clock=clock)
    while pool.figures().ejected == 0:
        with suppress(ConnectionError):
            pool.call(answer)
    page = exposition(manager).text
    assert 'scrollintel_pool_hosts{pool="found",state="admitted"} 2' in page
    assert 'scrollintel_pool_hosts{pool="found",state="ejected"} 1' in page
    assert 'scrollintel_pool_ejections_total{pool="found"} 1' in page
    assert 'scrollintel_pool_panics{pool="found"} 0' in page
    del pool
    assert 'pool="found"' not in exposition(manager).text


@pytest.mark.needs("promtool")
def test_metrics_of_a_process_pass_the_checks_of_promtool(manager: FaultToleranceManager) -> None:
    """Every family of a process is as Prometheus wants it."""
    policy = Policy(
        "orders", breaker=CircuitBreakerConfig("orders"), retry=RetryConfig(budget=BudgetConfig()),
        bulkhead=BulkheadConfig(), rate_limit=RateLimitConfig(rate=1.0), limit=AdaptiveLimitConfig(),
        throttle=ThrottleConfig(), metastability=MetastabilityConfig(),
        fallback=FallbackConfig(shadowable(lambda: 0), shadow_rate=1e-9),
    )  # fmt: skip
    manager.registry.pipeline(policy).call(int)
    keyed = Policy("keyed", breaker=CircuitBreakerConfig("keyed"), key=lambda host: host)
    manager.registry.pipeline(keyed)(lambda host: host)("a")
    manager.degradation.register_service("search")
    admission, pool = Admission(), HostPool("search", hosts=["a", "b"])
    page = exposition(manager)
    assert admission.figures().limit == 100
    assert pool.figures().admitted == 2
    assert {family.name for family in text(page.text)} == {
        definition.name.removesuffix("_total") for definition in LIBRARY
    }
    checked = subprocess.run(
        [path_of("promtool"), "check", "metrics"], input=page.body, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
