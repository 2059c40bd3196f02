"""The adaptive limit: what it does to a healthy dependency, and to one that queues, hangs, or is overloaded."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from math import log

import pytest

from scrollintel.core.config import AdaptiveLimitConfig, LimitAlgorithm
from scrollintel.core.errors import ConfigError
from scrollintel.core.machines.limit import Flight, LimitMachine
from scrollintel.core.machines.limit_rules import Correlation, Reading, Vegas
from scrollintel.core.machines.line import Place
from scrollintel.core.outcome import Verdict

CRITICAL = 1
Latency = Callable[[random.Random, float], float]
SUCCESS, OVERLOAD, NEUTRAL = Verdict.SUCCESS, Verdict.FAILURE, Verdict.ABANDONED


@dataclass
class Watched:
    """What came of the calls of one client."""

    refused: int
    waited: int
    smallest: float
    limit: int


def serve(
    machine: LimitMachine, latency: Latency, *, rate: float, seconds: float = 60.0, bursts: tuple[int, ...] = ()
) -> Watched:
    """Send calls at random times to a dependency with as many servers as it takes; bursts come at 20, 30, … s."""
    source = random.Random(3)
    events: list[tuple[float, int, Flight | None]] = []
    now = 0.0
    while now < seconds:
        now += source.expovariate(rate)
        heapq.heappush(events, (now, len(events), None))
    for place, size in enumerate(bursts):
        for _ in range(size):
            heapq.heappush(events, (20.0 + 10.0 * place + 0.001 * source.random(), len(events), None))
    number = len(events)
    seen = Watched(0, 0, machine.estimate, machine.limit)
    while events:
        now, _, flight = heapq.heappop(events)
        started: list[Flight | None] = []
        if flight is None:
            answer = machine.acquire(now, CRITICAL)
            if isinstance(answer, Flight):
                started.append(answer)
            seen.refused += answer is None
            seen.waited += isinstance(answer, Place)
        else:
            machine.release(flight, now, SUCCESS)
        started += [place.slot for place in machine.woken if place.granted]
        seen.refused += sum(place.gone for place in machine.woken)
        machine.woken.clear()
        for one in started:
            number += 1
            heapq.heappush(events, (now + latency(source, now), number, one))
        seen.smallest = min(seen.smallest, machine.estimate)
    seen.limit = machine.limit
    return seen


def machine_of(kind: LimitAlgorithm = LimitAlgorithm.GRADIENT2, **fields: object) -> LimitMachine:
    """Return a machine."""
    return LimitMachine(AdaptiveLimitConfig(kind, **fields), 0.0)  # type: ignore[arg-type]


def learnt(seconds: float = 0.1, kind: LimitAlgorithm = LimitAlgorithm.GRADIENT2, **fields: object) -> LimitMachine:
    """Return a machine that has learnt a response time, at 0 to 20 s."""
    machine = machine_of(kind, **fields)
    now = 0.0
    while now < 20.0:
        flight = machine.acquire(now, CRITICAL)
        assert isinstance(flight, Flight)
        now += seconds
        machine.release(flight, now, SUCCESS)
    assert machine.baseline == pytest.approx(seconds, rel=0.01)
    assert machine.limit == 20
    return machine


def take(machine: LimitMachine, number: int, now: float) -> list[Flight]:
    """Take slots."""
    flights = [machine.acquire(now, CRITICAL) for _ in range(number)]
    assert all(isinstance(flight, Flight) for flight in flights)
    return flights  # type: ignore[return-value]


# ------------------------------------------------------------------ healthy dependencies

HEALTHY: dict[str, tuple[float, Latency]] = {
    "one or two calls in flight": (15.0, lambda source, _: source.expovariate(10.0)),
    "ten calls in flight": (100.0, lambda source, _: source.expovariate(10.0)),
    "1 ms, and 100 ms once in twenty times": (200.0, lambda source, _: 0.1 if source.random() < 0.05 else 0.001),
    "1 ms and 100 ms": (200.0, lambda source, _: 0.1 if source.random() < 0.5 else 0.001),
    "slower by half within a minute": (60.0, lambda source, now: (0.1 + now / 1200) * (0.5 + source.random())),
    "three times as slow within a minute": (50.0, lambda source, now: (0.1 + now / 300) * (0.5 + source.random())),
    "seconds": (3.0, lambda source, _: source.expovariate(0.5)),
    "half a second and heavy tails": (32.0, lambda source, _: source.lognormvariate(log(0.5) - 0.5, 1.0)),
    "heavy tails": (50.0, lambda source, _: 0.02 * source.paretovariate(1.5)),
}


@pytest.mark.parametrize("kind", LimitAlgorithm)
@pytest.mark.parametrize("case", HEALTHY)
def test_limit_refuses_nothing_of_a_healthy_dependency(case: str, kind: LimitAlgorithm) -> None:
    """However its response times are spread, and while they drift."""
    rate, latency = HEALTHY[case]
    seen = serve(machine_of(kind), latency, rate=rate)
    assert seen.refused == 0


@pytest.mark.parametrize("kind", LimitAlgorithm)
def test_limit_takes_a_burst_as_large_as_slots_and_line(kind: LimitAlgorithm) -> None:
    """Bursts of nearly twice the first limit come after little traffic, and none of it is refused."""
    seen = serve(
        machine_of(kind), lambda source, _: 0.05 * (0.5 + source.random()), rate=10.0, bursts=(36, 36, 36)
    )  # fmt: skip
    assert seen.refused == 0
    assert seen.waited > 0


def test_limit_grows_with_the_traffic_and_only_when_it_is_used() -> None:
    """A hundred calls in flight make it grow to more than that within seconds; two leave it as it was."""
    busy = serve(machine_of(), lambda source, _: 0.1 * (0.5 + source.random()), rate=1000.0, seconds=15.0)
    assert busy.limit > 100
    quiet = serve(machine_of(), lambda source, _: 0.1 * (0.5 + source.random()), rate=15.0, seconds=15.0)
    assert quiet.limit == 20


def test_limit_follows_a_dependency_that_has_become_slower_for_good() -> None:
    """After a step to three times the response time it shrinks, learns anew, and refuses nothing after 30 s."""
    machine = machine_of()
    serve(machine, lambda source, now: (0.1 if now < 20.0 else 0.3) * (0.5 + source.random()), rate=50.0, seconds=50.0)
    assert machine.limit >= 20
    assert machine.baseline == pytest.approx(0.3, rel=0.2)


def test_limit_refuses_nothing_for_a_pause() -> None:
    """Nothing is answered for 0.2 s, as in a garbage collection; all that comes meanwhile waits."""

    def pausing(source: random.Random, now: float) -> float:
        return source.expovariate(200.0) + max(0.0, 0.2 - now % 10.0)

    seen = serve(machine_of(), pausing, rate=400.0)
    assert seen.waited > 0
    assert seen.refused == 0


# ------------------------------------------------------------------ the line


def test_limit_lets_a_burst_wait_and_no_line_stand() -> None:
    """A line of `max_limit` for half a second, then one of as many as there are slots; the latest are sent away."""
    machine = machine_of(LimitAlgorithm.AIMD, initial_limit=2, max_limit=30)
    take(machine, 2, 0.0)
    places = [machine.acquire(0.0, CRITICAL) for _ in range(30)]
    assert all(isinstance(place, Place) for place in places)
    assert machine.acquire(0.0, CRITICAL) is None
    assert machine.longest_line == 30
    assert machine.acquire(0.4, CRITICAL) is None
    assert machine.waiting == 30
    assert machine.acquire(0.6, CRITICAL) is None
    assert machine.longest_line == machine.waiting == machine.limit == 2
    assert [place.gone for place in places if isinstance(place, Place)] == [False] * 2 + [True] * 28


def test_limit_keeps_a_line_whose_length_was_set() -> None:
    """`max_waiting` is not for a burst only."""
    machine = machine_of(initial_limit=2, max_waiting=5)
    take(machine, 2, 0.0)
    for _ in range(5):
        assert isinstance(machine.acquire(0.0, CRITICAL), Place)
    assert machine.acquire(5.0, CRITICAL) is None
    assert machine.longest_line == machine.waiting == 5


# ------------------------------------------------------------------ overload


def test_limit_shrinks_once_for_one_queue() -> None:
    """What ends within a response time after it has shrunk was sent before, and is not judged again."""
    machine = learnt(initial_limit=20)
    flights = take(machine, 20, 20.0)
    for flight in flights[:10]:
        machine.release(flight, 20.5, SUCCESS)  # five times as long as learnt
    once = machine.estimate
    assert once < 20.0
    for flight in flights[10:]:
        machine.release(flight, 20.62, SUCCESS)
    machine.catch_up(20.65)
    assert machine.estimate == once
    for flight in take(machine, 10, 21.1):
        machine.release(flight, 21.6, SUCCESS)
    machine.catch_up(21.8)
    assert machine.estimate < once


@pytest.mark.parametrize("kind", LimitAlgorithm)
def test_limit_goes_down_while_calls_hang(kind: LimitAlgorithm) -> None:
    """Before a single one has ended; and what comes holds no more than the slots there are."""
    machine = learnt(kind=kind)
    flights = take(machine, 20, 20.0)
    now = 20.0
    while now < 30.0:
        now += 0.1
        assert not isinstance(machine.acquire(now, CRITICAL), Flight)
    assert machine.running == len(flights) == 20
    assert machine.limit <= (6 if kind is LimitAlgorithm.VEGAS else 2)
    assert machine.waiting <= machine.limit
    for flight in flights[:10]:
        machine.release(flight, now, NEUTRAL)
    assert machine.running == 10, "a slot above the limit vanishes when it is given back"


def test_limit_is_not_pushed_down_by_one_call_that_hangs_among_many() -> None:
    """A call that never ends, such as a subscription, is one voice."""
    machine = learnt()
    take(machine, 1, 20.0)
    now = 20.0
    while now < 60.0:
        flights = take(machine, 10, now)
        now += 0.1
        for flight in flights:
            machine.release(flight, now, SUCCESS)
    assert machine.limit >= 19
    assert machine.baseline == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize("kind", LimitAlgorithm)
def test_limit_shrinks_by_overloads_however_fast_they_come(kind: LimitAlgorithm) -> None:
    """A dependency that says 503 within a millisecond is as overloaded as one that is late."""
    machine = learnt(kind=kind)
    now = 20.0
    while now < 25.0:
        flight = machine.acquire(now, CRITICAL)
        now += 0.001
        if isinstance(flight, Flight):
            machine.release(flight, now, OVERLOAD)
        now += 0.01
    assert machine.limit <= 2
    assert machine.running == 0


def test_limit_shrinks_by_overloads_before_it_knows_any_response_time() -> None:
    """A client that starts while its dependency is overloaded holds back as well."""
    machine = machine_of()
    for step in range(400):
        flight = machine.acquire(step * 0.05, CRITICAL)
        if isinstance(flight, Flight):
            machine.release(flight, step * 0.05 + 0.04, OVERLOAD)
    assert machine.baseline is None
    assert machine.limit <= 3


@pytest.mark.parametrize("verdict", [Verdict.IGNORED, Verdict.ABANDONED])
def test_limit_neutral_ends_count_for_nothing_and_give_the_slot_back(verdict: Verdict) -> None:
    """Refusals by inner layers, cancellations and errors that do not tell of overload, fast or slow."""
    machine = learnt()
    for step in range(300):
        flight = take(machine, 1, 20.0 + step)[0]
        machine.release(flight, 20.0 + step + (0.0001 if step % 2 else 0.4), verdict)
    assert machine.limit == 20
    assert machine.running == 0
    assert machine.baseline == pytest.approx(0.1, rel=0.01)


# ------------------------------------------------------------------ the line


def test_limit_evicts_the_least_critical_waiter_for_a_more_critical_arrival() -> None:
    """The latest of the least critical class; and a slot goes to the most critical, the oldest of its class."""
    machine = machine_of(initial_limit=1, max_limit=1, max_waiting=3)
    (flight,) = take(machine, 1, 0.0)
    places = [machine.acquire(0.0, rank) for rank in (3, 3, 2)]
    assert machine.acquire(0.0, 3) is None
    critical = machine.acquire(0.0, 0)
    assert isinstance(critical, Place)
    assert [place.gone for place in machine.woken] == [True]
    assert machine.woken == [places[1]]
    machine.woken.clear()
    machine.release(flight, 0.0, NEUTRAL)
    assert machine.woken == [critical]
    assert isinstance(critical.slot, Flight)
    assert machine.waiting == 2


def test_limit_without_a_line_refuses_at_once() -> None:
    """`max_waiting=0`."""
    machine = machine_of(initial_limit=2, max_waiting=0)
    take(machine, 2, 0.0)
    assert machine.acquire(0.0, 0) is None
    assert machine.waiting == 0


# ------------------------------------------------------------------ rules


def test_vegas_goes_down_when_more_calls_in_flight_bring_fewer_answers() -> None:
    """Whatever the response time says; with more answers it may grow."""
    worse, better = Vegas(), Vegas()
    reading = Reading(limit=20.0, ratio=1.0, tolerance=1.5, overloads=0.0, peak=20, throughput=0.0)
    for peak in range(10, 30):
        grown = better(reading._replace(peak=peak, throughput=10.0 * peak))
        shrunk = worse(reading._replace(peak=peak, throughput=1000.0 - 10.0 * peak))
    assert grown > 20.0
    assert shrunk < 20.0


def test_correlation_is_negative_beyond_chance_only() -> None:
    """Few pairs, constant ones and noise say nothing."""
    pairs = Correlation()
    source = random.Random(5)
    for _ in range(9):
        pairs.add(source.random(), 0.0)
    assert not pairs.negative
    pairs.clear()
    for place in range(50):
        pairs.add(float(place % 7), float(place % 5))
    assert not pairs.negative
    for place in range(50):
        pairs.add(float(place), -float(place) + source.random())
    assert pairs.negative


def test_limit_keeps_what_it_knows_under_another_configuration() -> None:
    """Limit, baseline and slots in use stay as far as the bounds allow."""
    machine = learnt()
    flights = take(machine, 10, 20.0)
    machine.reconfigure(AdaptiveLimitConfig(LimitAlgorithm.VEGAS, max_limit=8, initial_limit=8), 20.0)
    assert (machine.limit, machine.running) == (8, 10)
    assert machine.baseline == pytest.approx(0.1, rel=0.01)
    for flight in flights:
        machine.release(flight, 20.1, SUCCESS)
    assert machine.running == 0


def test_limit_reads_a_clock_that_goes_back_as_the_latest_time_seen() -> None:
    """Nothing negative is measured."""
    machine = learnt()
    for _ in range(100):
        (flight,) = take(machine, 1, 30.0)
        machine.release(flight, 1.0, SUCCESS)
    assert machine.baseline is not None
    assert machine.baseline > 0.0
    assert machine.limit == 20


@pytest.mark.parametrize(("bounds", "slots"), [({"max_limit": 3}, 3), ({"min_limit": 50}, 50), ({}, 20)])
def test_limit_begins_within_its_bounds(bounds: dict[str, int], slots: int) -> None:
    """One bound can be set without knowing where the limit begins by default; what is said must lie within both."""
    assert machine_of(**bounds).limit == slots
    with pytest.raises(ConfigError, match="initial_limit=4: must be from min_limit"):
        AdaptiveLimitConfig(initial_limit=4, max_limit=3)
