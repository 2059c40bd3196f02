"""The event hub: no listener can slow, break or deadlock a call, and nothing waits without a bound."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scrollintel import (
    CallRejected,
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    ConfigError,
    Event,
    EventHub,
    RetryConfig,
    RetryScheduled,
    Severity,
    StateChanged,
    Subscription,
    protect,
)
from scrollintel.core.registry import Registry
from scrollintel.testing import ManualClock


class Gate:
    """A listener that hangs until it is let go, and keeps what it was given."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.seen: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.entered.set()
        assert self.go.wait(10)
        self.seen.append(event)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a hanging listener that is let go in the end."""
    found = Gate()
    yield found
    found.go.set()


def rejected(policy: str = "service") -> Event:
    """Return an event."""
    return CallRejected(policy=policy, at=1.0, layer="breaker")


def fails() -> None:
    """Fail."""
    raise ConnectionError("down")


def trip(circuit: CircuitBreaker, times: int = 1) -> None:
    """Let calls fail."""
    for _ in range(times):
        with pytest.raises(ConnectionError):
            circuit.call(fails)


def breaker(clock: ManualClock, hub: EventHub, **options: Any) -> CircuitBreaker:
    """Return a circuit that tells its events to the hub."""
    return CircuitBreaker(CircuitBreakerConfig("service", **options), clock=clock, hub=hub)


def test_hub_delivers_in_order_with_rising_numbers(hub: EventHub) -> None:
    """Events arrive in the order in which they were told, numbered without gaps."""
    seen: list[Event] = []
    hub.subscribe(seen.append)
    for number in range(100):
        hub.emit(rejected(str(number)))
    assert hub.flush()
    assert [event.policy for event in seen] == [str(number) for number in range(100)]
    assert [event.sequence for event in seen] == list(range(1, 101))


def test_hub_order_survives_many_threads(hub: EventHub) -> None:
    """With many threads telling at once every listener sees every event in the order of the numbers."""
    first: list[int] = []
    second: list[int] = []
    hub.subscribe(lambda event: first.append(event.sequence))
    hub.subscribe(lambda event: second.append(event.sequence))

    def tell() -> None:
        for _ in range(200):
            hub.emit(rejected())

    threads = [threading.Thread(target=tell) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert hub.flush()
    assert first == second == list(range(1, 1601))


def test_hub_circuit_tells_each_transition_once_in_order(clock: ManualClock, hub: EventHub) -> None:
    """The life of a circuit arrives as it happened."""
    seen: list[Event] = []
    hub.subscribe(seen.append, kinds=[StateChanged])
    circuit = breaker(clock, hub, failure_threshold=1, success_threshold=1)
    trip(circuit)
    clock.advance(60)
    circuit.call(lambda: None)
    assert hub.flush()
    changes = [(event.old, event.new) for event in seen if isinstance(event, StateChanged)]
    assert changes == [
        (CircuitState.CLOSED, CircuitState.OPEN),
        (CircuitState.OPEN, CircuitState.HALF_OPEN),
        (CircuitState.HALF_OPEN, CircuitState.CLOSED),
    ]
    assert all(event.severity is Severity.WARNING for event in seen)


def test_hub_listener_that_hangs_delays_neither_calls_nor_others(clock: ManualClock, hub: EventHub, gate: Gate) -> None:
    """While one listener hangs, calls go on and other listeners hear of them."""
    seen: list[Event] = []
    hub.subscribe(gate)
    other = hub.subscribe(seen.append)
    circuit = breaker(clock, hub, failure_threshold=1)
    trip(circuit)
    assert gate.entered.wait(5)
    circuit.reset()
    trip(circuit)
    assert circuit.state is CircuitState.OPEN
    wait_for(lambda: other.delivered == 3)
    assert [event.event_name for event in seen] == ["circuit.state_changed"] * 3


def wait_for(condition: Callable[[], bool]) -> None:
    """Yield to other threads until something is so."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0005)


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(), KeyboardInterrupt()])
def test_hub_listener_that_raises_is_counted_and_goes_on(
    hub: EventHub, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Whatever a listener raises stays with it: the next event is delivered all the same."""

    def broken(event: Event) -> None:
        raise error

    with caplog.at_level(logging.WARNING, "scrollintel"):
        subscription = hub.subscribe(broken)
        for _ in range(3):
            hub.emit(rejected())
        assert hub.flush()
    assert (subscription.failed, subscription.delivered, subscription.dropped) == (3, 3, 0)
    assert len(caplog.records) == 1
    assert type(error).__name__ in caplog.text
    assert "bug" not in caplog.text


def test_hub_listener_may_use_the_library(clock: ManualClock, hub: EventHub, registry: Registry) -> None:
    """A listener may look at, operate and call what it listens to, subscribe and unsubscribe."""
    circuit = breaker(clock, hub, failure_threshold=1)
    protected = protect("inside", retry=RetryConfig(base_delay=0), registry=registry)
    done: list[object] = []

    def busy(event: Event) -> None:
        if isinstance(event, StateChanged) and event.new is CircuitState.OPEN:
            done.append(circuit.snapshot().state)
            circuit.close("by a listener")
            done.append(circuit.call(lambda: "called"))
            done.append(protected.call(lambda: "protected"))
            hub.subscribe(done.append, policy="never").cancel()
            hub.emit(rejected("nested"))

    hub.subscribe(busy)
    trip(circuit)
    wait_for(lambda: len(done) == 3)
    assert hub.flush()
    assert done == [CircuitState.OPEN, "called", "protected"]
    assert circuit.state is CircuitState.CLOSED


def test_hub_full_queue_drops_the_newest_and_counts(hub: EventHub, gate: Gate) -> None:
    """A listener that does not keep up loses events, and how many is known."""
    subscription = hub.subscribe(gate, queue_size=3)
    hub.emit(rejected("0"))
    assert gate.entered.wait(5)
    for number in range(1, 11):
        hub.emit(rejected(str(number)))
    assert subscription.dropped == 7
    gate.go.set()
    assert hub.flush()
    assert [event.policy for event in gate.seen] == ["0", "1", "2", "3"]
    assert subscription.delivered == 4


def test_hub_memory_stays_bounded_behind_a_hanging_listener(hub: EventHub, gate: Gate) -> None:
    """A hundred thousand events behind a hung listener leave no more than its queue."""
    subscription = hub.subscribe(gate, queue_size=100)
    for _ in range(100_000):
        hub.emit(rejected())
    assert subscription.dropped >= 99_899


def test_hub_filters_by_kind_and_policy(hub: EventHub) -> None:
    """A listener hears of what it asked for only."""
    kinds: list[Event] = []
    policies: list[Event] = []
    hub.subscribe(kinds.append, kinds=[RetryScheduled, StateChanged])
    hub.subscribe(policies.append, policy="b")
    hub.emit(rejected("a"))
    hub.emit(rejected("b"))
    hub.emit(RetryScheduled(policy="a", at=1.0, attempt=1, delay=1.0, error="E"))
    assert hub.flush()
    assert [event.event_name for event in kinds] == ["retry.scheduled"]
    assert [event.policy for event in policies] == ["b"]


def test_hub_unsubscribed_listener_hears_no_more(hub: EventHub) -> None:
    """What was told before is still delivered, what comes after is not, and the hub is idle again."""
    seen: list[Event] = []
    subscription = hub.subscribe(seen.append)
    assert hub.active
    hub.emit(rejected("before"))
    subscription.cancel()
    subscription.cancel()
    assert not hub.active
    hub.emit(rejected("after"))
    wait_for(lambda: subscription.delivered == 1)
    assert [event.policy for event in seen] == ["before"]


def test_hub_listener_may_cancel_itself(hub: EventHub) -> None:
    """A listener that wants one event only cancels its subscription from within."""
    seen: list[Event] = []
    holder: list[Subscription] = []

    def once(event: Event) -> None:
        seen.append(event)
        holder[0].cancel()

    holder.append(hub.subscribe(once))
    hub.emit(rejected("1"))
    wait_for(lambda: not hub.active)
    hub.emit(rejected("2"))
    assert [event.policy for event in seen] == ["1"]


def test_hub_thread_ends_with_its_subscription(hub: EventHub) -> None:
    """A cancelled subscription leaves no thread behind."""

    def listeners() -> int:
        return sum(thread.name == "scrollintel-listener" for thread in threading.enumerate())

    before = listeners()
    subscriptions = [hub.subscribe(lambda event: None) for _ in range(5)]
    assert listeners() == before + 5
    for subscription in subscriptions:
        subscription.cancel()
    wait_for(lambda: listeners() == before)


def test_hub_flush_tells_when_it_gives_up(hub: EventHub, gate: Gate) -> None:
    """Waiting for a hung listener ends after the given time with False."""
    hub.subscribe(gate)
    hub.emit(rejected())
    assert hub.flush(timeout=0.01) is False
    gate.go.set()
    assert hub.flush() is True


def test_hub_event_becomes_plain_values() -> None:
    """An event is frozen, and serialises without the free text of a failure."""
    from scrollintel import FailureSummary

    failure = FailureSummary("ConnectionError", "secret", 5.0)
    event = StateChanged(
        policy="service", at=1.0, old=CircuitState.CLOSED, new=CircuitState.OPEN, reason="r", era=1,
        last_failure=failure,
    )  # fmt: skip
    with pytest.raises(AttributeError):
        event.policy = "other"  # type: ignore[misc]
    values = event.to_dict()
    assert (values["event"], values["severity"], values["new"]) == ("circuit.state_changed", "warning", "open")
    assert values["last_failure"] == {"type": "ConnectionError", "at": 5.0}


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("listener", {"listener": "print"}),
        ("kinds", {"kinds": [int]}),
        ("kinds", {"kinds": ["circuit.nonsense"]}),
        ("kinds", {"kinds": 3}),
        ("policy", {"policy": 3}),
        ("queue_size", {"queue_size": 0}),
        ("queue_size", {"queue_size": "x"}),
    ],
)
def test_hub_bad_subscription_is_refused_and_reaches_no_call(field: str, arguments: dict[str, Any]) -> None:
    """A wrong argument fails where it is given, not in the calls that emit events."""
    hub = EventHub()
    with pytest.raises(ConfigError) as caught:
        hub.subscribe(**{"listener": print, **arguments})
    assert [violation.field for violation in caught.value.violations] == [field]
    assert not hub.active


def test_hub_kinds_are_classes_or_names_alone_or_listed() -> None:
    """The name that an event shows selects it as well as its class."""
    hub = EventHub()
    seen: list[Event] = []
    for kinds in (StateChanged, "circuit.state_changed", [StateChanged], ["circuit.state_changed"]):
        hub.subscribe(seen.append, kinds=kinds)
    breaker = CircuitBreaker(CircuitBreakerConfig("named"), hub=hub)
    breaker.isolate()
    assert hub.flush()
    assert len(seen) == 4
