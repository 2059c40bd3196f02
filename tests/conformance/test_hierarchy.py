"""Circuits in levels: the narrowest one that explains the failures opens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scrollintel import (
    CircuitBreakerConfig,
    CircuitHalfOpenError,
    CircuitOpenError,
    CircuitState,
    Pipeline,
    RampKind,
    RejectedError,
    StateChanged,
    levels,
)
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import Driver, Ledger

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
CIRCUIT = CircuitBreakerConfig("service", recovery_timeout=10.0, success_threshold=2)
SHARDS = [f"s{number}" for number in range(8)]
HOSTS = ["h0", "h1", "h2", "h3"]


class Service:
    """Hosts with shards, some of which are down."""

    def __init__(self) -> None:
        self.down: set[tuple[str, str]] = set()
        self.reached = 0
        self.failed = 0

    def __call__(self, shard: str, host: str) -> str:
        self.reached += 1
        if (shard, host) in self.down:
            self.failed += 1
            raise ConnectionError("refused")
        return shard


def by_shard_and_host(**options: Any) -> dict[str, Any]:
    """Return a key of two levels under the service."""
    return {"key": levels(shard=lambda shard, host: shard, host=lambda shard, host: host), **options}


def ask(driver: Driver, pipeline: Pipeline, service: Service, shard: str, host: str = "h0") -> bool:
    """Make one call and tell whether it was answered."""
    return driver.error(pipeline, driver.make(service), shard, host) is None


def states(pipeline: Pipeline) -> dict[str | None, str]:
    """Return the states of all circuits that are not closed."""
    return {view.key: view.state.value for view in pipeline.snapshot().circuits if view.state is not CLOSED}


def test_hierarchy_opens_the_shard_when_a_shard_fails(driver: Driver, build: Build, ledger: Ledger) -> None:
    """One bad shard of eight opens alone, and costs no more than its own part of the traffic."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    service.down = {("s3", "h0")}
    traffic = random.Random(3)
    answered = sum(ask(driver, pipeline, service, traffic.choice(SHARDS)) for _ in range(2000))
    assert 1 - answered / 2000 <= 0.13
    assert states(pipeline) == {"host=h0/shard=s3": "open"}
    assert service.failed == 5
    assert {event.key for event in ledger.of(StateChanged)} == {"host=h0/shard=s3"}


@pytest.mark.parametrize("seed", range(5))
def test_hierarchy_opens_the_host_when_a_host_fails(driver: Driver, build: Build, seed: int) -> None:
    """One bad host of four opens as a whole, and the others go on."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    traffic = random.Random(seed)
    pairs = [(shard, host) for shard in SHARDS for host in HOSTS]
    for _ in range(300):
        assert ask(driver, pipeline, service, *traffic.choice(pairs))
    service.down = {(shard, "h2") for shard in SHARDS}
    for _ in range(1000):
        ask(driver, pipeline, service, *traffic.choice(pairs))
    assert states(pipeline) == {"host=h2": "open"}
    assert service.failed <= 10
    assert ask(driver, pipeline, service, "s0", "h1")


@pytest.mark.parametrize("seed", range(5))
def test_hierarchy_opens_the_service_when_all_of_it_fails(driver: Driver, build: Build, seed: int) -> None:
    """A dead service is learned once, at no more than twice the threshold, and not once for each shard."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    traffic = random.Random(seed)
    pairs = [(shard, host) for shard in SHARDS for host in HOSTS]
    for _ in range(300):
        assert ask(driver, pipeline, service, *traffic.choice(pairs))
    service.down = set(pairs)
    for _ in range(500):
        ask(driver, pipeline, service, *traffic.choice(pairs))
    assert states(pipeline) == {None: "open"}
    assert service.failed <= 2 * CIRCUIT.failure_threshold


def test_hierarchy_of_one_level_under_the_service(driver: Driver, build: Build) -> None:
    """With shards alone the service is the level over them."""
    key = levels(shard=lambda shard, host: shard)
    pipeline, service = build(breaker=CIRCUIT, key=key), Service()
    for shard in SHARDS * 3:
        assert ask(driver, pipeline, service, shard)
    service.down = {(shard, "h0") for shard in SHARDS}
    for shard in SHARDS * 5:
        ask(driver, pipeline, service, shard)
    assert states(pipeline) == {None: "open"}
    assert service.failed <= 10


def test_hierarchy_comes_back_level_by_level(driver: Driver, build: Build, clock: ManualClock) -> None:
    """Probes of the service close it; a shard that is still down is found by itself and opens alone."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    for shard in SHARDS * 2:
        ask(driver, pipeline, service, shard)
        ask(driver, pipeline, service, shard, "h1")
    service.down = {(shard, host) for shard in SHARDS for host in HOSTS}
    for shard in SHARDS:
        ask(driver, pipeline, service, shard)
        ask(driver, pipeline, service, shard, "h1")
        ask(driver, pipeline, service, shard, "h2")
    with pytest.raises(CircuitOpenError) as caught:
        driver.call(pipeline, driver.make(service), "s0", "h0")
    assert caught.value.last_failure is not None
    assert pipeline.circuit().state is OPEN
    clock.advance(10)
    assert pipeline.circuit().state is HALF_OPEN
    service.down = {("s1", "h0")}
    assert ask(driver, pipeline, service, "s0")
    assert not ask(driver, pipeline, service, "s1")
    assert pipeline.circuit().state is HALF_OPEN, "one part of two that were tried says nothing of the service"
    assert ask(driver, pipeline, service, "s2")
    assert pipeline.circuit().state is CLOSED
    for _ in range(10):
        ask(driver, pipeline, service, "s1")
        for shard in SHARDS[2:]:
            assert ask(driver, pipeline, service, shard)
    assert states(pipeline) == {"host=h0/shard=s1": "open"}


def test_hierarchy_opens_again_when_its_probe_fails(driver: Driver, build: Build, clock: ManualClock) -> None:
    """A service that is still down costs one probe."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    assert pipeline.circuit().restore_open(10.0, "a test")
    clock.advance(10)
    service.down = {("s0", "h0")}
    assert not ask(driver, pipeline, service, "s0")
    assert pipeline.circuit().state is OPEN
    assert service.reached == 1
    assert not ask(driver, pipeline, service, "s0")
    assert service.reached == 1


def test_hierarchy_gives_the_probe_of_a_level_back_when_a_narrower_one_refuses(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """A call that its own shard refuses does not hold the service's probe."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    service.down = {("s0", "h0")}
    ask(driver, pipeline, service, "s1")
    for _ in range(5):
        ask(driver, pipeline, service, "s0")
    assert pipeline.circuit().restore_open(1.0, "a test")
    clock.advance(1)
    assert not ask(driver, pipeline, service, "s0")
    view = pipeline.circuit().snapshot()
    assert (view.state, view.probes_in_flight) == (HALF_OPEN, 0)
    assert ask(driver, pipeline, service, "s1")


def test_hierarchy_probe_of_a_level_holds_a_lease(driver: Driver, build: Build, clock: ManualClock) -> None:
    """While one call tries the service others are refused, until its lease ends."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    pipeline.circuit().restore_open(0.0, "a test")

    def inside(shard: str, host: str) -> str:
        assert pipeline.circuit().snapshot().probes_in_flight == 1
        with pytest.raises(CircuitHalfOpenError):
            pipeline.call(service, "s1", "h1")
        clock.advance(40)
        assert pipeline.circuit().state is OPEN
        return shard

    driver.error(pipeline, driver.make(inside), "s0", "h0")
    assert pipeline.circuit().state is HALF_OPEN or pipeline.circuit().state is OPEN


def test_hierarchy_ramp_of_the_service_goes_on_while_one_host_fails(
    driver: Driver, build: Build, clock: ManualClock
) -> None:
    """A failure where most hosts that were tried are well says nothing of the service; one of most of them does."""
    config = CircuitBreakerConfig("service", recovery_timeout=10.0, success_threshold=1, ramp_kind=RampKind.SUCCESS)
    pipeline = build(breaker=config, key=levels(host=lambda shard, host: host))
    service = Service()
    service.down = {("s0", host) for host in HOSTS}
    while pipeline.circuit().state is CLOSED:
        for host in HOSTS:
            ask(driver, pipeline, service, "s0", host)
    service.down.clear()
    clock.advance(10.0)
    for _ in range(5):
        for host in HOSTS:
            assert ask(driver, pipeline, service, "s0", host)
    allowed = pipeline.circuit().snapshot().ramp_allowed
    assert allowed == 20
    service.down = {("s0", "h0")}
    assert not ask(driver, pipeline, service, "s0", "h0")
    assert pipeline.circuit().snapshot().ramp_allowed == allowed
    service.down = {("s0", host) for host in HOSTS}
    for host in HOSTS[1:]:
        assert not ask(driver, pipeline, service, "s0", host)
    assert pipeline.circuit().snapshot().ramp_allowed == 5, "halved when three, and when all of four hosts failed"


def test_hierarchy_isolates_a_host(driver: Driver, build: Build) -> None:
    """An operator takes one host out, with all of its shards."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    for host in HOSTS:
        assert ask(driver, pipeline, service, "s0", host)
    pipeline.circuit("host=h2").isolate("its disk is being replaced")
    assert not ask(driver, pipeline, service, "s0", "h2")
    assert not ask(driver, pipeline, service, "s7", "h2")
    assert ask(driver, pipeline, service, "s0", "h1")
    pipeline.circuit("host=h2").close()
    assert ask(driver, pipeline, service, "s0", "h2")
    with pytest.raises(KeyError):
        pipeline.circuit("host=h9")


def test_hierarchy_counts_each_call_once(driver: Driver, build: Build) -> None:
    """Calls are counted where they went to, refusals where they were refused."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    for shard in SHARDS:
        ask(driver, pipeline, service, shard)
    service.down = {(shard, "h0") for shard in SHARDS}
    for shard in SHARDS:
        ask(driver, pipeline, service, shard)
    tally = pipeline.snapshot().tally
    assert tally.successes == 8
    assert tally.failures == service.failed
    assert tally.failures + tally.rejections == 8


def test_hierarchy_late_results_say_nothing_of_a_level(build: Build, clock: ManualClock) -> None:
    """Calls that hung while a level opened and closed again do not open it a second time."""
    import asyncio

    pipeline = build(breaker=CIRCUIT, **by_shard_and_host())

    async def main() -> None:
        go = asyncio.Event()

        async def hang(shard: str, host: str) -> None:
            await go.wait()
            raise ConnectionError("refused")

        async def ok(shard: str, host: str) -> str:
            return shard

        calls = [asyncio.ensure_future(pipeline.acall(hang, shard, "h0")) for shard in SHARDS]
        await asyncio.sleep(0)
        pipeline.circuit().restore_open(0.0, "a test")
        for _ in range(2):
            await pipeline.acall(ok, "s0", "h1")
        assert pipeline.circuit().state is CLOSED
        go.set()
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(main())
    assert states(pipeline) == {}


def test_hierarchy_only_records_in_metrics_only_mode(driver: Driver, build: Build) -> None:
    """Nothing is refused, and the snapshot tells what would have opened."""
    config = CircuitBreakerConfig("service", mode="metrics_only")
    pipeline, service = build(breaker=config, **by_shard_and_host()), Service()
    for shard in SHARDS:
        ask(driver, pipeline, service, shard)
    service.down = {(shard, "h0") for shard in SHARDS}
    for shard in SHARDS * 4:
        ask(driver, pipeline, service, shard)
    assert service.reached == 40
    assert pipeline.circuit("host=h0").snapshot().would_have_opened >= 1


def test_hierarchy_keeps_its_circuits_when_the_policy_is_replaced(driver: Driver, build: Build) -> None:
    """Another configuration holds on all levels, and what is open stays so."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host()), Service()
    service.down = {("s0", "h0")}
    for _ in range(5):
        ask(driver, pipeline, service, "s0")
    policy = pipeline.policy
    changed = CircuitBreakerConfig("service", failure_threshold=2, recovery_timeout=10.0)
    pipeline.replace(type(policy)("service", breaker=changed, key=policy.key))
    assert states(pipeline) == {"host=h0/shard=s0": "open"}
    assert pipeline.circuit("host=h0").config is changed


def test_hierarchy_stays_bounded(driver: Driver, build: Build) -> None:
    """Ten times as many keys as places: circuits and levels are dropped together, those used longest ago first."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host(max_keys=20)), Service()
    for number in range(200):
        assert ask(driver, pipeline, service, f"s{number}", f"h{number // 10}")
    keys = {view.key for view in pipeline.snapshot().circuits}
    assert keys == {
        None, "host=h18", "host=h19",
        *(f"host=h{number // 10}/shard=s{number}" for number in range(180, 200)),
    }  # fmt: skip
    assert pipeline.snapshot().tally.successes == 200


def test_hierarchy_keeps_a_level_that_must_stay(driver: Driver, build: Build) -> None:
    """The last circuit below an open host stays with it, and new keys share a circuit when there is no place."""
    pipeline, service = build(breaker=CIRCUIT, **by_shard_and_host(max_keys=2)), Service()
    for host in ("h0", "h1"):
        ask(driver, pipeline, service, "s0", host)
        assert pipeline.circuit(f"host={host}").restore_open(100.0, "a test")
    for number in range(5):
        assert ask(driver, pipeline, service, f"s{number}", "h2")
    keys = {view.key for view in pipeline.snapshot().circuits}
    assert keys == {None, "host=h0", "host=h1", "host=h0/shard=s0", "host=h1/shard=s0", "(others)"}


def test_hierarchy_under_threads_loses_no_probe(build: Build) -> None:
    """Eight threads over failing and healing shards: no probe stays out, and every call is counted once."""
    import threading

    config = CircuitBreakerConfig("service", recovery_timeout=0.001, success_threshold=1)
    key = levels(shard=lambda shard, host, fails: shard, host=lambda shard, host, fails: host)
    pipeline = build(breaker=config, key=key, max_keys=12)
    clock = pipeline.circuit().clock
    assert isinstance(clock, ManualClock)

    def operation(shard: str, host: str, fails: bool) -> None:
        if fails:
            raise ConnectionError("refused")

    def client(number: int) -> None:
        traffic = random.Random(number)
        for _ in range(400):
            try:
                pipeline.call(operation, traffic.choice(SHARDS), traffic.choice(HOSTS), traffic.random() < 0.5)
            except (RejectedError, ConnectionError):
                clock.advance(0.0005)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = pipeline.snapshot()
    assert sum(circuit.probes_in_flight for circuit in view.circuits) == 0
    tally = view.tally
    assert tally.successes + tally.failures + tally.rejections + tally.late == 8 * 400


def test_levels_are_checked() -> None:
    """There is at least one, not too many, and each is a function."""
    from scrollintel import ConfigError

    wrong: dict[str, Any] = {"shard": 3}
    for functions in ({}, wrong, {f"level_{number}": str for number in range(6)}):
        with pytest.raises(ConfigError):
            levels(**functions)
    assert levels(shard=str, host=len) == levels(shard=str, host=len)
    assert levels(shard=str) != levels(shard=len)
