"""A pool of hosts: bad ones are taken out as Envoy does it, come back slowly, and no call is lost."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from scrollintel import ConfigError, HostEjected, HostPool, HostReturned, OutlierConfig, RejectedError
from scrollintel.core.chance import drawing_from
from scrollintel.testing import ManualClock
from tests.conformance.driver import Ledger

TEN = [f"h{number}" for number in range(10)]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Draw hosts the same way in each run."""
    with drawing_from(random.Random(7).random):
        yield


def pool(clock: ManualClock, hub: Ledger, hosts: list[str] = TEN, **options: Any) -> HostPool:
    """Return a pool on the manual clock."""
    return HostPool("search", hosts, config=OutlierConfig(**options), clock=clock, hub=hub)


def send(hosts: HostPool, number: int, down: set[str], share: float = 1.0) -> Counter[str]:
    """Make calls of which those to hosts that are down fail, and return where they went."""
    reached: Counter[str] = Counter()
    draw = random.Random(number)

    def ask(host: str) -> str:
        reached[host] += 1
        if host in down and draw.random() < share:
            raise ConnectionError("refused")
        return host

    for _ in range(number):
        try:
            assert hosts.call(ask) in hosts.hosts
        except ConnectionError:
            pass
    return reached


def ejected(hosts: HostPool) -> dict[str, float | None]:
    """Return who is out, and for how long still."""
    return {view.host: view.returns_in for view in hosts.snapshot().hosts if view.ejected}


def test_pool_spreads_calls_over_all_hosts(clock: ManualClock, ledger: Ledger) -> None:
    """Ten healthy hosts get about a tenth each."""
    reached = send(pool(clock, ledger), 5000, set())
    assert all(400 < reached[host] < 600 for host in TEN)


def test_pool_ejects_a_dead_host_after_five_failures(clock: ManualClock, ledger: Ledger) -> None:
    """It is out for 30 seconds, gets no call, and costs five failures of a thousand calls."""
    hosts = pool(clock, ledger)
    reached = send(hosts, 1000, {"h3"})
    assert reached["h3"] == 5
    assert ejected(hosts) == {"h3": 30.0}
    (event,) = ledger.of(HostEjected)
    assert (event.policy, event.host, event.seconds, event.ejections) == ("search", "h3", 30.0, 1)
    assert event.reason == "5 failures in a row"


def test_pool_ejects_longer_each_time_up_to_a_cap(clock: ManualClock, ledger: Ledger) -> None:
    """30, 60, 90 … 300 seconds while it fails again as soon as it is back."""
    hosts = pool(clock, ledger, slow_start=None)
    for _ in range(12):
        send(hosts, 400, {"h3"})
        (left,) = ejected(hosts).values()
        assert left is not None
        clock.advance(left)
    times = [event.seconds for event in ledger.of(HostEjected)]
    assert times == [*(30.0 * number for number in range(1, 11)), 300.0, 300.0]
    assert len(ledger.of(HostReturned)) == 11


def test_pool_forgives_an_ejection_for_each_good_interval(clock: ManualClock, ledger: Ledger) -> None:
    """After long good conduct the next ejection is short again."""
    hosts = pool(clock, ledger, slow_start=None)
    for _ in range(3):
        send(hosts, 400, {"h3"})
        clock.advance(ejected(hosts)["h3"] or 0.0)
    for _ in range(6):
        clock.advance(10)
        send(hosts, 10, set())
    send(hosts, 400, {"h3"})
    assert ejected(hosts) == {"h3": 30.0}


def test_pool_ejects_the_outlier_by_success_rate(clock: ManualClock, ledger: Ledger) -> None:
    """A host that fails every other call never fails five times in a row for long, but stands out."""
    hosts = pool(clock, ledger, consecutive_failures=1000)
    send(hosts, 2500, {"h3"}, 0.5)
    assert ejected(hosts) == {}
    clock.advance(10)
    assert ejected(hosts) == {"h3": 30.0}
    assert "in the pool" in ledger.of(HostEjected)[0].reason


@pytest.mark.parametrize(("hosts", "calls"), [(4, 2000), (10, 300)])
def test_pool_compares_only_where_there_is_enough(clock: ManualClock, ledger: Ledger, hosts: int, calls: int) -> None:
    """Four hosts, or thirty calls each, are too few to call one an outlier."""
    group = pool(clock, ledger, TEN[:hosts], consecutive_failures=1000)
    send(group, calls, {"h3"}, 0.5)
    clock.advance(10)
    assert ejected(group) == {}


def test_pool_ejects_a_tenth_at_most_but_one_always(clock: ManualClock, ledger: Ledger) -> None:
    """Of ten hosts one, of three one, of thirty three, however many are down."""
    for number, most in ((10, 1), (3, 1), (30, 3)):
        names = [f"h{index}" for index in range(number)]
        hosts = pool(clock, ledger, names)
        send(hosts, 2000, set(names))
        assert len(ejected(hosts)) == most


def test_pool_in_a_panic_uses_all_hosts(clock: ManualClock, ledger: Ledger) -> None:
    """With fewer than half admitted the rest could not bear the load, so ejections are disregarded."""
    hosts = pool(clock, ledger, max_ejection_share=1.0)
    down = set(TEN[:6])
    send(hosts, 2000, down)
    assert len(ejected(hosts)) == 6
    assert hosts.snapshot().panics
    assert set(send(hosts, 500, set())) == set(TEN)


def test_pool_of_one_host_keeps_using_it(clock: ManualClock, ledger: Ledger) -> None:
    """There is nobody else."""
    hosts = pool(clock, ledger, ["only"], panic_threshold=0.0)
    assert send(hosts, 20, {"only"})["only"] == 20


def test_pool_lets_a_host_return_slowly(clock: ManualClock, ledger: Ledger) -> None:
    """A tenth of its share at first, half after half of the time, all of it after a minute."""
    hosts = pool(clock, ledger)
    send(hosts, 1000, {"h3"})
    clock.advance(30)
    shares = []
    for seconds in (0.0, 30.0, 30.0):
        clock.advance(seconds)
        shares.append(send(hosts, 5000, set())["h3"] / 500)
    assert shares == pytest.approx([0.1, 0.5, 1.0], abs=0.12)
    assert ledger.of(HostReturned)[0].host == "h3"


def test_pool_prefers_the_host_that_runs_fewer_calls(clock: ManualClock, ledger: Ledger) -> None:
    """Of two drawn at random the one with fewer calls in flight gets the next."""
    hosts = pool(clock, ledger, ["a", "b"])
    with hosts.host() as first:
        for _ in range(10):
            with hosts.host() as second:
                assert second != first
    assert [view.in_flight for view in hosts.snapshot().hosts] == [0, 0]


def test_pool_takes_refusals_and_cancellation_as_neutral(clock: ManualClock, ledger: Ledger) -> None:
    """What says nothing of the host does not eject it."""
    hosts = pool(clock, ledger, ["a"], ignored_exceptions=[KeyError])
    for error in (RejectedError("x"), KeyError("x"), KeyboardInterrupt(), asyncio.CancelledError()):
        for _ in range(6):
            with pytest.raises(type(error)), hosts.host():
                raise error
    view = hosts.snapshot().hosts[0]
    assert (view.calls, view.failures, view.in_flight, view.ejected) == (0, 0, 0, False)


def test_pool_takes_other_hosts_while_it_runs(clock: ManualClock, ledger: Ledger) -> None:
    """Who stays keeps its ejection; who left while it ran a call is forgotten with it."""
    hosts = pool(clock, ledger)
    send(hosts, 1000, {"h3"})
    with hosts.host() as host:
        hosts.update(["h3", "new"])
        assert host not in hosts.hosts
    assert ejected(hosts) == {"h3": 30.0}
    assert set(send(hosts, 50, set())) == {"new"}
    hosts.reconfigure(OutlierConfig(consecutive_failures=1))
    assert ejected(hosts) == {"h3": 30.0}
    assert hosts.config.consecutive_failures == 1


def test_pool_checks_its_hosts(clock: ManualClock, ledger: Ledger) -> None:
    """At least one, each once, each a name."""
    wrong: Any
    for wrong in ([], ["a", "a"], "abc", [""], [3]):
        with pytest.raises(ConfigError):
            HostPool("search", wrong)
    with pytest.raises(ConfigError):
        OutlierConfig(ejection_time=400)


def test_pool_takes_its_configuration_as_policies_take_theirs() -> None:
    """An object or a dict of its fields; anything else is refused."""
    pool = HostPool("search", ["a"], config={"consecutive_failures": 3})
    assert pool.config == OutlierConfig(consecutive_failures=3)
    wrong: Any
    for wrong in (3, {"failures": 3}):
        with pytest.raises(ConfigError):
            HostPool("search", ["a"], config=wrong)


def test_pool_under_tasks_and_cancellation_loses_no_call(clock: ManualClock, ledger: Ledger) -> None:
    """Half of two hundred tasks are cancelled on their way; nothing is in flight at the end."""
    hosts = pool(clock, ledger)

    async def ask(host: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        if host == "h3":
            raise ConnectionError("refused")
        return host

    async def main() -> None:
        tasks = [asyncio.ensure_future(hosts.acall(ask, number % 7)) for number in range(200)]
        for task in tasks[::2]:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with hosts.host() as host:
            assert host in TEN

    asyncio.run(main())
    assert sum(view.in_flight for view in hosts.snapshot().hosts) == 0


def test_pool_under_threads_loses_no_call(clock: ManualClock, ledger: Ledger) -> None:
    """Eight threads: every call is counted once, and nothing is in flight at the end."""
    hosts = pool(clock, ledger)

    def ask(host: str) -> None:
        if host in ("h3", "h4"):
            raise ConnectionError("refused")

    def client() -> None:
        for _ in range(500):
            try:
                hosts.call(ask)
            except ConnectionError:
                clock.advance(0.01)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    views = hosts.snapshot().hosts
    assert (sum(view.calls for view in views), sum(view.in_flight for view in views)) == (4000, 0)
    assert len(ejected(hosts)) == 1
