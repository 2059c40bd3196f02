"""Interleavings of degradation levels: by hand, by health, by time, and with services that come and go."""

from __future__ import annotations

import math
from typing import Any

from scrollintel.core.config.degradation import DegradationConfig, DegradationLevel
from scrollintel.core.hub import EventHub
from scrollintel.core.snapshot import Tally
from scrollintel.core.strategies.degradation import GracefulDegradation
from tests.concurrency.exploring import NoLock, Scene, StillClock, assert_caught, assert_holds

NONE, MINIMAL, MODERATE = DegradationLevel.NONE, DegradationLevel.MINIMAL, DegradationLevel.MODERATE
SEVERE, CRITICAL = DegradationLevel.SEVERE, DegradationLevel.CRITICAL


class Services:
    """A database, and an application that depends on it."""

    def __init__(self, *, locked: bool = True, alone: bool = False) -> None:
        self.clock = StillClock()
        self.tally = Tally()
        self.hub = EventHub()
        self.seen: list[Any] = []
        self.degradation = GracefulDegradation(clock=self.clock, hub=self.hub)  # type: ignore[arg-type]  # all it uses of a clock
        config = DegradationConfig(minimum_calls=10, quiet_period=30.0)
        self.degradation.register_service("database", config=config, health=self.health)
        if not alone:
            self.degradation.register_service("app", depends_on=["database"], config=config)
        if not locked:
            self.degradation._lock = NoLock()  # type: ignore[assignment]

    def health(self) -> Tally:
        """Return the counts of the database."""
        return self.tally

    def history_is_a_chain(self, service: str) -> list[DegradationLevel]:
        """Check that each change starts where the last one ended; return the levels."""
        found = self.degradation._services[service]
        level = NONE
        for change in found.history:
            assert change.old is level, f"{change} starts where the one before did not lead"
            level = change.new
        assert found.changes == len(found.history)
        assert level is found.machine.level is self.degradation._levels[service]
        return [change.new for change in found.history]


def two_levels_by_hand(*, locked: bool = True) -> Scene:
    """Two operators set a level for the database, on which the application depends."""

    def holds(services: Services) -> None:
        levels = services.history_is_a_chain("database")
        assert levels in ([SEVERE, CRITICAL], [CRITICAL, SEVERE])
        app = services.history_is_a_chain("app")
        assert app[-1] >= MINIMAL
        assert services.degradation._due == min(
            service.machine.due() for service in services.degradation._services.values()
        )

    threads = [
        lambda services: services.degradation.set_level("database", SEVERE, "slow"),
        lambda services: services.degradation.set_level("database", CRITICAL, "down"),
    ]
    return Scene(lambda: Services(locked=locked), threads, holds)


def test_degradation_two_levels_by_hand_make_one_history(seed: int) -> None:
    """Each change starts at the level to which the last one led, and dependents follow."""
    assert_holds(two_levels_by_hand(), seed)


def test_degradation_two_levels_by_hand_without_the_lock_are_caught(seed: int) -> None:
    """The twin publishes a level that is not the machine's, or breaks the history."""
    assert_caught(two_levels_by_hand(locked=False), seed)


def hand_against_health(*, locked: bool = True) -> Scene:
    """An operator restores the database while bad health comes in."""

    def setup() -> Services:
        services = Services(locked=locked)
        services.degradation.set_level("database", MODERATE, "for maintenance")
        return services

    def holds(services: Services) -> None:
        levels = services.history_is_a_chain("database")
        assert levels in ([MODERATE, SEVERE], [MODERATE, NONE, SEVERE]), levels
        services.history_is_a_chain("app")

    threads = [
        lambda services: services.degradation.restore("database"),
        lambda services: services.degradation.observe("database", error_rate=0.6, calls=100),
    ]
    return Scene(setup, threads, holds)


def test_degradation_restored_while_health_is_bad_ends_at_the_level_of_health(seed: int) -> None:
    """The automatic level goes on beneath the one set by hand, whichever comes first."""
    assert_holds(hand_against_health(), seed)


def test_degradation_restored_without_the_lock_is_caught(seed: int) -> None:
    """The twin ends at another level than it tells."""
    assert_caught(hand_against_health(locked=False), seed)


def time_against_health(*, locked: bool = True) -> Scene:
    """A quiet period is over, which one thread notices by asking, while another brings bad health."""

    def setup() -> Services:
        services = Services(locked=locked, alone=True)
        services.degradation.feature("export", service="database", up_to=MINIMAL)
        services.degradation.observe("database", error_rate=0.3, calls=100)
        services.clock.now += 31.0
        return services

    def asking(services: Services) -> None:
        services.seen.append(services.degradation.is_enabled("export"))

    def holds(services: Services) -> None:
        levels = services.history_is_a_chain("database")
        assert levels == [MODERATE, MINIMAL, CRITICAL]
        assert services.degradation.is_enabled("export") is False

    threads = [asking, lambda services: services.degradation.observe("database", error_rate=0.9, calls=100)]
    return Scene(setup, threads, holds)


def test_degradation_quiet_period_that_ends_as_health_gets_worse_comes_first(seed: int) -> None:
    """What time brought is applied once, before what was observed later."""
    assert_holds(time_against_health(), seed)


def test_degradation_quiet_period_without_the_lock_is_caught(seed: int) -> None:
    """The twin lets the level fall twice, or after it rose."""
    assert_caught(time_against_health(locked=False), seed)


def registering_against_leaving(*, locked: bool = True) -> Scene:
    """A service leaves while another one that depends on it is registered, and its level is changed."""

    def setup() -> Services:
        services = Services(locked=locked)
        services.degradation.register_service("mail")
        return services

    def registering(services: Services) -> None:
        services.degradation.register_service("batch", depends_on=["mail"])

    def holds(services: Services) -> None:
        degradation = services.degradation
        assert set(degradation._services) == set(degradation._levels) == set(degradation._order)
        assert degradation.services() == ("database", "app", "batch")
        services.history_is_a_chain("batch")
        assert math.isinf(degradation._due)

    threads = [lambda services: services.degradation.unregister_service("mail"), registering]
    return Scene(setup, threads, holds)


def test_degradation_registering_while_a_dependency_leaves_keeps_services_and_order_alike(seed: int) -> None:
    """Services, levels and their order hold the same names."""
    assert_holds(registering_against_leaving(), seed)


def test_degradation_registering_without_the_lock_is_caught(seed: int) -> None:
    """The twin keeps an order with a service that is gone, or forgets one."""
    assert_caught(registering_against_leaving(locked=False), seed)


def two_evaluations(*, numbered: bool = True) -> Scene:
    """Two threads evaluate the database while its counts grow; what they do but for judging the readings."""

    def setup() -> Services:
        services = Services()
        services.tally = Tally(failures=100)
        return services

    def evaluating(services: Services) -> None:
        degradation = services.degradation
        database = degradation._services["database"]
        ((_, window, look),) = degradation._pull(database, database.windows)
        assert look is not None
        with degradation._lock:
            if numbered:
                services.seen.append(window.read_look(look, services.clock.now, 10))
            else:
                services.seen.append(window.read(look.health, services.clock.now, 10))

    def going_on(services: Services) -> None:
        services.tally = Tally(failures=150)

    def holds(services: Services) -> None:
        evaluating(services)
        assert sum(reading.calls or 0 for reading in services.seen) == 150

    return Scene(setup, [evaluating, going_on, evaluating], holds)


def test_degradation_two_evaluations_at_once_judge_each_call_once(seed: int) -> None:
    """No call is judged twice because an older look is read after a newer one."""
    assert_holds(two_evaluations(), seed)


def test_degradation_looks_without_an_order_are_caught(seed: int) -> None:
    """The twin takes an older look for counts that were reset, and judges the calls in between again."""
    assert_caught(two_evaluations(numbered=False), seed)
