"""Services with levels: by hand, by health, by dependencies; counts, history and events."""

from __future__ import annotations

import gc
import itertools
import logging
import math
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel.core.clock import TimerHandle
from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.degradation import DegradationConfig, DegradationLevel
from scrollintel.core.errors import ConfigError, NotFoundError
from scrollintel.core.events import Event, LevelChanged
from scrollintel.core.hub import EventHub
from scrollintel.core.machines.degradation import HealthReading
from scrollintel.core.snapshot import Tally
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.core.strategies.degradation import GracefulDegradation

NONE, MINIMAL, MODERATE, SEVERE, CRITICAL = DegradationLevel
CONFIG = DegradationConfig(quiet_period=10.0)


class Clock:
    """A clock that stands still until it is moved; waits end when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.go = threading.Event()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_000_000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        self.go.set()
        return event.wait()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle | None:
        return None


class Log(EventHub):
    """A hub that keeps what is emitted, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        super().emit(event)
        self.events.append(event)

    def levels(self) -> list[tuple[str, DegradationLevel]]:
        return [(event.policy, event.new) for event in self.events if isinstance(event, LevelChanged)]


class House:
    """A degradation object with its clock and its events."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = Log()
        self.degradation = GracefulDegradation(clock=self.clock, hub=self.log)


@pytest.fixture
def house() -> House:
    """Return a fresh object with a manual clock and a hub of its own."""
    return House()


def test_degradation_service_starts_whole(house: House) -> None:
    """A registered service is at NONE and not listed as degraded."""
    house.degradation.register_service("search")
    assert house.degradation.level("search") is NONE
    assert house.degradation.services() == ("search",)
    assert house.degradation.degraded() == {}


def test_degradation_level_set_by_hand_is_an_event_with_its_reason(house: House) -> None:
    """An operator's decision is told with reason, times and that it was no automatic one."""
    house.degradation.register_service("search")
    house.degradation.set_level("search", SEVERE, "index is being rebuilt")
    (event,) = house.log.events
    assert isinstance(event, LevelChanged)
    assert (event.policy, event.old, event.new, event.at) == ("search", NONE, SEVERE, 1_000_100.0)
    assert (event.reason, event.automatic, event.sequence) == ("index is being rebuilt", False, 1)
    assert house.degradation.degraded() == {"search": SEVERE}


def test_degradation_level_set_by_hand_expires_when_read(house: House) -> None:
    """Expiry needs no background thread: whoever looks sees it, dated to its own time."""
    house.degradation.register_service("search")
    house.degradation.set_level("search", SEVERE, "for a while", expires_after=30.0)
    assert house.degradation.snapshot("search").expires_at == 1_000_130.0
    house.clock.now += 29.9
    assert house.degradation.level("search") is SEVERE
    house.clock.now += 5.0
    assert house.degradation.level("search") is NONE
    assert [(change.at, change.automatic) for change in house.degradation.snapshot("search").history] == [
        (1_000_100.0, False), (1_000_130.0, True),
    ]  # fmt: skip


def test_degradation_restore_ends_a_level_set_by_hand(house: House) -> None:
    """Restore gives the service back to its automatic level."""
    house.degradation.register_service("search", config=CONFIG)
    house.degradation.observe("search", error_rate=0.3, calls=20)
    house.degradation.set_level("search", CRITICAL, "stop")
    house.degradation.restore("search")
    assert house.degradation.level("search") is MODERATE
    house.degradation.restore("search", reason="all clear")
    assert house.degradation.snapshot("search").reason == "all clear"
    assert house.log.levels()[-1] == ("search", NONE)


def test_degradation_observed_error_rate_lifts_and_time_restores(house: House) -> None:
    """Up at once, down by one level for each quiet period."""
    house.degradation.register_service("search", config=CONFIG)
    house.degradation.observe("search", error_rate=0.6, calls=50)
    levels = []
    for _ in range(4):
        levels.append(house.degradation.level("search"))
        house.clock.now += 10.0
    assert levels == [SEVERE, MODERATE, MINIMAL, NONE]
    assert [event.sequence for event in house.log.events] == [1, 2, 3, 4]


def test_degradation_pushed_circuit_state_lasts(house: House) -> None:
    """A circuit that was told open stays so until told otherwise."""
    house.degradation.register_service("search", config=CONFIG)
    house.degradation.observe("search", circuit_state=CircuitState.OPEN)
    house.clock.now += 1000.0
    assert house.degradation.level("search") is SEVERE
    house.degradation.observe("search", circuit_state=CircuitState.CLOSED)
    house.clock.now += 30.0
    assert house.degradation.level("search") is NONE


def test_degradation_unknown_service_is_not_found(house: House) -> None:
    """Each question about an unknown name says so and leaves nothing behind."""
    asked: list[Callable[[], Any]] = [
        lambda: house.degradation.level("search"),
        lambda: house.degradation.snapshot("search"),
        lambda: house.degradation.set_level("search", SEVERE, "why"),
        lambda: house.degradation.restore("search"),
        lambda: house.degradation.observe("search", error_rate=1.0),
        lambda: house.degradation.unregister_service("search"),
        lambda: house.degradation.feature("suggestions", service="search", up_to=MINIMAL),
        lambda: house.degradation.execute_blocking("search", int),
    ]
    for ask in asked:
        with pytest.raises(NotFoundError, match="no service is registered as 'search'"):
            ask()
    assert house.degradation.services() == ()
    assert house.degradation.features() == {}


# ---------------------------------------------------------------------- registration


def test_degradation_registration_lists_every_violation(house: House) -> None:
    """Bad arguments are reported at once, and nothing is registered."""
    with pytest.raises(ConfigError) as caught:
        house.degradation.register_service(
            "",
            fallbacks={NONE: int, 9: str, SEVERE: lambda one, two: None, CRITICAL: "text"},  # type: ignore[dict-item]
            depends_on=["database", "bad\nname"],
            config={"quiet_period": 1},  # type: ignore[arg-type]
            health="health",  # type: ignore[arg-type]
            watch=[object()],  # type: ignore[list-item]
        )
    fields = [violation.field for violation in caught.value.violations]
    assert [field.split("[")[0] for field in fields] == [
        "name", "fallbacks", "fallbacks", "fallbacks", "fallbacks", "depends_on", "config", "health", "watch",
    ]  # fmt: skip
    assert house.degradation.services() == ()


@pytest.mark.parametrize("arguments", [{"fallbacks": [1]}, {"depends_on": "database"}, {"watch": 3}])
def test_degradation_registration_wrong_kind_is_refused(house: House, arguments: dict[str, Any]) -> None:
    """A text is no list of names, and a list no mapping."""
    with pytest.raises(ConfigError):
        house.degradation.register_service("search", **arguments)


def test_degradation_registering_again_keeps_level_and_history(house: House) -> None:
    """An update changes the rules and nothing else."""
    house.degradation.register_service("search", config=CONFIG)
    house.degradation.observe("search", error_rate=0.9, calls=50)
    house.degradation.register_service("search", config=DegradationConfig(quiet_period=500.0), depends_on=["index"])
    snapshot = house.degradation.snapshot("search")
    assert (snapshot.level, snapshot.changes, snapshot.depends_on) == (CRITICAL, 1, ("index",))
    house.clock.now += 499.0
    assert house.degradation.level("search") is CRITICAL


def test_degradation_unregistered_service_is_forgotten_and_its_dependents_recover(house: House) -> None:
    """A dependency that is gone is one whose level is unknown."""
    house.degradation.register_service("database")
    house.degradation.register_service("search", depends_on=["database"], config=CONFIG)
    house.degradation.set_level("database", CRITICAL, "down")
    house.degradation.unregister_service("database")
    assert house.degradation.snapshot("search").unknown_dependencies == ("database",)
    house.clock.now += 20.0
    assert house.degradation.level("search") is NONE


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ((7, "why", None), ["level"]),
        ((True, "why", None), ["level"]),
        (("SEVERE", " ", -1.0), ["level", "reason", "expires_after"]),
        ((SEVERE, "why", math.nan), ["expires_after"]),
        ((SEVERE, None, 0.0), ["reason", "expires_after"]),
    ],
)
def test_degradation_bad_level_by_hand_lists_every_violation(
    house: House, arguments: tuple[Any, Any, Any], fields: list[str]
) -> None:
    """What does not fit is named, and the level stays."""
    house.degradation.register_service("search")
    level, reason, expires_after = arguments
    with pytest.raises(ConfigError) as caught:
        house.degradation.set_level("search", level, reason, expires_after=expires_after)
    assert [violation.field for violation in caught.value.violations] == fields
    assert house.degradation.level("search") is NONE


def test_degradation_history_is_bounded_and_counts_are_not() -> None:
    """Old changes are dropped from the history and stay in the count."""
    degradation = GracefulDegradation(clock=Clock(), hub=EventHub(), history_size=3)
    degradation.register_service("search")
    for level in (MINIMAL, MODERATE, SEVERE, CRITICAL, NONE):
        degradation.set_level("search", level, "exercise")
    snapshot = degradation.snapshot("search")
    assert snapshot.changes == 5
    assert [change.new for change in snapshot.history] == [SEVERE, CRITICAL, NONE]
    with pytest.raises(ConfigError):
        GracefulDegradation(history_size=0)


def test_degradation_snapshot_is_json(house: House) -> None:
    """The dict of a snapshot holds plain values and no free text of errors."""

    def broken() -> Tally:
        raise ConnectionError("secret")

    house.degradation.register_service("search", health=broken, fallbacks={SEVERE: int})
    house.degradation.observe("search", error_rate=0.6, calls=50, circuit_state=CircuitState.OPEN)
    shown = house.degradation.snapshot("search").to_dict()
    assert (shown["level"], shown["history"][0]["new"], shown["fallback_levels"]) == ("SEVERE", "SEVERE", ["SEVERE"])
    assert shown["health_error"] == {"type": "ConnectionError", "at": 1_000_100.0}
    assert shown["reading"]["circuit_state"] == "open"
    assert "secret" not in str(shown)
    house.degradation.register_service("page")
    assert house.degradation.snapshot("page").to_dict()["health_error"] is None


# ---------------------------------------------------------------------- dependencies


def test_degradation_severe_dependency_lifts_dependents_transitively_in_order(house: House) -> None:
    """CRITICAL lifts to MODERATE; a level travels on only from SEVERE, so the page stays whole."""
    degradation = house.degradation
    degradation.register_service("page", depends_on=["search"], config=CONFIG)
    degradation.register_service("search", depends_on=["index"], config=CONFIG)
    degradation.register_service("index", config=CONFIG)
    degradation.set_level("index", CRITICAL, "disk is gone")
    assert house.log.levels() == [("index", CRITICAL), ("search", MODERATE)]
    degradation.observe("search", error_rate=0.9, calls=50)
    assert house.log.levels()[2:] == [("search", CRITICAL), ("page", MODERATE)]


def test_degradation_dependents_are_restored_after_their_dependency(house: House) -> None:
    """Each step down is dated to its own time, also when nobody looked for long."""
    degradation = house.degradation
    degradation.register_service("search", depends_on=["index"], config=CONFIG)
    degradation.register_service("index", config=CONFIG)
    degradation.observe("index", error_rate=0.9, calls=50)
    house.clock.now += 1000.0
    assert degradation.level("search") is NONE
    index, search = degradation.snapshot("index"), degradation.snapshot("search")
    assert [(change.at - 1_000_100.0, change.new) for change in index.history] == [
        (0.0, CRITICAL), (10.0, SEVERE), (20.0, MODERATE), (30.0, MINIMAL), (40.0, NONE),
    ]  # fmt: skip
    # MODERATE is supported until CRITICAL ends at 10, MINIMAL until SEVERE ends at 20.
    assert [(change.at - 1_000_100.0, change.new) for change in search.history] == [
        (0.0, MODERATE), (20.0, MINIMAL), (30.0, NONE),
    ]  # fmt: skip


def test_degradation_dependency_may_be_registered_later(house: House) -> None:
    """An unknown dependency is reported, and followed from its registration on."""
    house.degradation.register_service("search", depends_on=["index", "disk"], config=CONFIG)
    assert house.degradation.snapshot("search").unknown_dependencies == ("index", "disk")
    house.degradation.register_service("index")
    house.degradation.set_level("index", SEVERE, "slow")
    assert house.degradation.level("search") is MINIMAL


def test_degradation_circle_of_dependencies_is_refused_and_named(house: House) -> None:
    """A registration that closes a circle changes nothing."""
    degradation = house.degradation
    degradation.register_service("page", depends_on=["search"])
    degradation.register_service("search", depends_on=["index"])
    with pytest.raises(
        ConfigError,
        match=r"index -> page -> search -> index|page -> search -> index -> page|search -> index -> page -> search",
    ):
        degradation.register_service("index", depends_on=["page"])
    with pytest.raises(ConfigError, match="own -> own"):
        degradation.register_service("own", depends_on=["own"])
    with pytest.raises(ConfigError):
        degradation.register_service("search", depends_on=["page"])
    assert degradation.services() == ("page", "search")
    assert degradation.snapshot("search").depends_on == ("index",)


# ---------------------------------------------------------------------- evaluation


class Counts:
    """A watched thing whose counts a test moves."""

    def __init__(self, successes: int = 0, failures: int = 0) -> None:
        self.successes = successes
        self.failures = failures

    def add(self, successes: int, failures: int) -> None:
        self.successes += successes
        self.failures += failures

    def health(self) -> Tally:
        return Tally(successes=self.successes, failures=self.failures)


def test_degradation_evaluation_judges_the_calls_since_the_last_one(house: House) -> None:
    """A bad hour before registration and a bad minute before the last evaluation do not count."""
    counts = Counts(0, 1000)
    house.degradation.register_service("search", health=counts.health, config=CONFIG)
    house.degradation.evaluate()
    assert house.degradation.level("search") is NONE
    counts.add(5, 15)
    house.degradation.evaluate()
    assert house.degradation.level("search") is SEVERE
    for _ in range(5):
        house.clock.now += 10.0
        counts.add(20, 0)
        house.degradation.evaluate()
    assert house.degradation.level("search") is NONE
    assert [level for _, level in house.log.levels()] == [SEVERE, MODERATE, MINIMAL, NONE]


def test_degradation_evaluation_without_traffic_keeps_nobody_degraded(house: House) -> None:
    """A service whose fallbacks spare its dependency all calls comes back by itself."""
    counts = Counts()
    house.degradation.register_service("search", health=counts.health, config=CONFIG)
    counts.add(0, 20)
    house.degradation.evaluate()
    for _ in range(60):
        house.clock.now += 1.0
        house.degradation.evaluate()
    assert house.degradation.level("search") is NONE


def test_degradation_evaluation_takes_health_as_it_is(house: House) -> None:
    """A callable may answer with a reading of its own."""
    readings = [HealthReading(), HealthReading(latency=9.0), HealthReading(error_rate=0.9, calls=3)]
    config = DegradationConfig(latency=4.0)
    house.degradation.register_service("search", health=lambda: readings.pop(0), config=config)
    house.degradation.evaluate()
    assert house.degradation.level("search") is MODERATE
    house.degradation.evaluate()
    assert house.degradation.level("search") is MODERATE


def test_degradation_evaluation_oscillating_health_does_not_flap(house: House) -> None:
    """Health that swings across every threshold at each evaluation makes no more than the first rises."""
    counts = Counts()
    house.degradation.register_service("search", health=counts.health, config=CONFIG)
    for tick in range(500):
        counts.add(*((100, 0) if tick % 2 else (45, 55)))
        house.degradation.evaluate()
        house.clock.now += 1.0
    assert house.log.levels() == [("search", SEVERE)]


def test_degradation_watched_circuit_leads_the_level(house: House) -> None:
    """A circuit is watched by its snapshot: held open it lifts at once, closed it lets the level fall."""
    circuit = Circuit(CircuitBreakerConfig(name="index"), house.clock, house.log)
    house.degradation.register_service("search", watch=[circuit], config=CONFIG)
    circuit.isolate()
    house.degradation.evaluate()
    assert house.degradation.level("search") is SEVERE
    house.clock.now += 100.0
    circuit.close()
    house.degradation.evaluate()
    house.clock.now += 10.0
    assert house.degradation.level("search") is MODERATE


def test_degradation_failing_health_is_told_and_hurts_no_other(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """An error of one callable is kept and logged once a minute; the others are evaluated."""
    counts = Counts()

    def broken() -> Tally:
        raise ConnectionError("secret")

    house.degradation.register_service("page", health=broken)
    house.degradation.register_service("search", health=counts.health)
    counts.add(0, 20)
    with caplog.at_level(logging.WARNING, logger="scrollintel"):
        house.degradation.evaluate()
        house.degradation.evaluate()
    assert house.degradation.level("search") is CRITICAL
    assert house.degradation.last_error is not None
    assert (house.degradation.last_error.type, house.degradation.last_error.at) == ("ConnectionError", 1_000_100.0)
    assert house.degradation.snapshot("page").health_error == house.degradation.last_error
    assert house.degradation.snapshot("search").health_error is None
    house.clock.now += 60.0
    with caplog.at_level(logging.WARNING, logger="scrollintel"):
        house.degradation.evaluate()
        house.degradation.evaluate()
    assert [record.getMessage() for record in caplog.records] == [
        "the health of 'page' raised ConnectionError; 1 failures so far",
        "the health of 'page' raised ConnectionError; 4 failures so far",
    ]


def test_degradation_health_of_another_type_is_an_error_of_the_callable(house: House) -> None:
    """A callable that answers with something else is told what is wanted."""
    house.degradation.register_service("search", health=lambda: 1)  # type: ignore[arg-type, return-value]
    assert house.degradation.last_error is not None
    assert "not int" in house.degradation.last_error.message


def test_degradation_service_that_is_not_automatic_is_not_asked(house: House) -> None:
    """Without automatic rules no health is pulled."""
    asked: list[int] = []

    def health() -> Tally:
        asked.append(1)
        return Tally()

    house.degradation.register_service("search", health=health, config=DegradationConfig(automatic=False))
    house.degradation.evaluate()
    assert asked == []


def test_degradation_health_may_use_the_object_it_belongs_to(house: House) -> None:
    """No lock is held while health callables run: they may read, register and unregister."""

    def health() -> HealthReading:
        house.degradation.register_service("born", depends_on=["search"])
        if "search" in house.degradation.services():
            house.degradation.unregister_service("search")
        return HealthReading(error_rate=1.0)

    house.degradation.register_service("search", health=health)
    house.degradation.evaluate()
    assert house.degradation.services() == ("born",)


def test_degradation_listener_may_use_the_object_it_listens_to() -> None:
    """Listeners run in their own thread and hold nothing up."""
    hub = EventHub()
    degradation = GracefulDegradation(clock=Clock(), hub=hub)
    degradation.register_service("search")
    degradation.register_service("page")
    subscription = hub.subscribe(
        lambda event: degradation.set_level("page", MINIMAL, f"{event.policy} changed"), policy="search"
    )
    degradation.set_level("search", SEVERE, "why")
    assert hub.flush()
    subscription.cancel()
    assert degradation.level("page") is MINIMAL


# ---------------------------------------------------------------------- background evaluation


def test_degradation_background_evaluation_starts_at_once_and_stops(house: House) -> None:
    """One thread of the object evaluates until `stop`; a second start only changes the interval."""
    counts = Counts()
    house.degradation.register_service("search", health=counts.health)
    counts.add(0, 20)
    house.degradation.start()
    assert house.clock.go.wait(5.0)
    house.degradation.start(interval=2.0)
    assert house.degradation.running
    threads = [thread for thread in threading.enumerate() if thread.name == "scrollintel-degradation"]
    assert [thread.daemon for thread in threads] == [True]
    assert house.degradation.level("search") is CRITICAL
    house.degradation.stop()
    house.degradation.stop()
    assert [thread.is_alive() for thread in threads] == [False]


def test_degradation_background_evaluation_starts_again(house: House) -> None:
    """After a stop the evaluation can be started anew."""
    house.degradation.start()
    house.degradation.stop()
    house.clock.go.clear()
    house.degradation.start()
    assert house.clock.go.wait(5.0)
    house.degradation.stop()


@pytest.mark.parametrize("interval", [0.0, -1.0, math.nan, math.inf, "1", True])
def test_degradation_background_evaluation_bad_interval_is_refused(house: House, interval: Any) -> None:
    """An interval is a finite number of seconds above 0."""
    with pytest.raises(ConfigError, match="interval"):
        house.degradation.start(interval)
    assert not house.degradation.running


def test_degradation_background_evaluation_survives_its_own_errors(house: House) -> None:
    """A round that fails as a whole is told; the next one comes."""
    rounds = []

    class Faulty(GracefulDegradation):
        def evaluate(self) -> None:
            rounds.append(1)
            raise RuntimeError("round failed")

    faulty = Faulty(clock=house.clock, hub=house.log)
    faulty.start()
    assert house.clock.go.wait(5.0)
    assert faulty.running and faulty.last_error is not None and faulty.last_error.type == "RuntimeError"
    faulty.stop()


def test_degradation_background_evaluation_may_stop_itself(house: House) -> None:
    """A health callable that stops the evaluation does not wait for its own thread."""
    stopped = threading.Event()

    def health() -> HealthReading:
        if house.degradation.running:
            house.degradation.stop()
            stopped.set()
        return HealthReading()

    house.degradation.register_service("search", health=health)
    house.degradation.start()
    assert stopped.wait(5.0)
    assert not house.degradation.running


def test_degradation_background_evaluation_keeps_no_object_alive() -> None:
    """The thread holds its object weakly between two rounds."""

    class Steps(Clock):
        def __init__(self) -> None:
            super().__init__()
            self.proceed = threading.Event()

        def wait(self, event: threading.Event, timeout: float | None) -> bool:
            self.go.set()
            return self.proceed.wait(5.0)

    clock = Steps()
    degradation = GracefulDegradation(clock=clock, hub=EventHub())
    degradation.start()
    assert clock.go.wait(5.0)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "scrollintel-degradation"]
    gone = weakref.ref(degradation)
    del degradation
    gc.collect()
    clock.proceed.set()
    thread.join(5.0)
    assert gone() is None and not thread.is_alive()


def test_degradation_forked_child_has_levels_and_no_thread(house: House) -> None:
    """A child keeps the levels, runs no evaluation, and can start one; the lock is free there."""
    house.degradation.register_service("search")
    house.degradation.set_level("search", SEVERE, "before the fork")
    house.degradation.start()
    assert house.clock.go.wait(5.0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"failed"
        try:
            house.degradation.stop()
            house.clock.go = threading.Event()
            stopped = not house.degradation.running
            kept = house.degradation.level("search") is SEVERE
            house.degradation.set_level("search", MINIMAL, "in the child")
            house.degradation.start()
            if stopped and kept and house.clock.go.wait(5.0) and house.degradation.running:
                answer = b"right"
        finally:
            os.write(write, answer)
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"right"
    assert house.degradation.level("search") is SEVERE
    house.degradation.stop()


def test_degradation_many_threads_lose_no_change() -> None:
    """Levels set by many threads are each told once, as an unbroken chain."""
    log = Log()
    degradation = GracefulDegradation(clock=Clock(), hub=log, history_size=10_000)
    degradation.register_service("search")
    start = threading.Barrier(8)

    def work(offset: int) -> None:
        start.wait()
        for turn in range(200):
            degradation.set_level("search", DegradationLevel((turn + offset) % 5), "exercise")
            degradation.level("search")

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = degradation.snapshot("search")
    chain = [(change.old, change.new) for change in snapshot.history]
    assert snapshot.changes == len(chain) == len(log.events)
    assert all(left[1] is right[0] for left, right in itertools.pairwise(chain))
    assert chain[-1][1] is snapshot.level
