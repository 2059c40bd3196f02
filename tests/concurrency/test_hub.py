"""Interleavings of the event hub: emitting, subscribing, cancelling."""

from __future__ import annotations

import pytest

from scrollintel.core.events import Event, PolicyReplaced
from scrollintel.core.hub import EventHub, Subscription
from tests.concurrency.exploring import NoLock, Scene, assert_caught, assert_holds


@pytest.fixture(autouse=True)
def still_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave events in their queues: a listener's thread is none that the scheduler could steer."""
    monkeypatch.setattr(Subscription, "start", lambda subscription: None)


class Post:
    """A hub with one subscription, and events to emit."""

    def __init__(self, *, locked: bool = True, size: int = 100) -> None:
        self.hub = EventHub()
        self.subscriptions = [self.hub.subscribe(print, queue_size=size)]
        self.events = [PolicyReplaced(policy="p", at=0.0, changed=(), revision=number) for number in range(4)]
        if not locked:
            self.hub._lock = self.hub._numbering = NoLock()  # type: ignore[assignment]

    def emit(self, *numbers: int) -> None:
        """Emit some of the events."""
        for number in numbers:
            self.hub.emit(self.events[number])

    def received(self, subscription: Subscription) -> list[Event]:
        """Return what is in the queue of a subscription, up to its end."""
        found = []
        while subscription._queue.qsize():
            event = subscription._queue.get_nowait()
            if event is None:
                break
            found.append(event)
        return found


def emissions_against_subscribing(*, locked: bool = True) -> Scene:
    """Two threads emit while a third one subscribes."""

    def subscribing(post: Post) -> None:
        post.subscriptions.append(post.hub.subscribe(print))

    def holds(post: Post) -> None:
        early, late = (post.received(subscription) for subscription in post.subscriptions)
        sequences = [event.sequence for event in early]
        assert sequences == sorted(sequences), "a listener hears of a fact before an earlier one"
        assert {id(event) for event in early} == {id(event) for event in post.events}
        assert sorted(event.sequence for event in post.events) == [1, 2, 3, 4]
        numbers = [event.sequence for event in late]
        assert numbers == list(range(5 - len(numbers), 5)), "a later listener missed an event in between"

    threads = [lambda post: post.emit(0, 1), lambda post: post.emit(2, 3), subscribing]
    return Scene(lambda: Post(locked=locked), threads, holds)


def test_hub_events_of_two_threads_reach_listeners_once_and_in_order(seed: int) -> None:
    """Numbers rise in every queue, and who subscribes meanwhile misses only what came before."""
    assert_holds(emissions_against_subscribing(), seed)


def test_hub_events_without_the_lock_are_caught(seed: int) -> None:
    """The twin delivers a later fact first."""
    assert_caught(emissions_against_subscribing(locked=False), seed)


def cancelling_against_subscribing(*, locked: bool = True) -> Scene:
    """The only listener leaves while another one comes, and an event follows."""

    def setup() -> Post:
        return Post(locked=locked)

    def cancelling(post: Post) -> None:
        post.subscriptions[0].cancel()

    def subscribing(post: Post) -> None:
        post.subscriptions.append(post.hub.subscribe(print))

    def holds(post: Post) -> None:
        assert post.hub.active, "a listener is there, and nothing is told"
        assert post.hub._subscriptions == (post.subscriptions[1],)
        post.emit(0)
        assert post.received(post.subscriptions[1]) == [post.events[0]]

    return Scene(setup, [cancelling, subscribing], holds)


def test_hub_subscribing_while_the_last_listener_leaves_is_kept(seed: int) -> None:
    """The new listener hears of the next event."""
    assert_holds(cancelling_against_subscribing(), seed)


def test_hub_subscribing_without_the_lock_is_caught(seed: int) -> None:
    """The twin loses the new listener, or goes silent."""
    assert_caught(cancelling_against_subscribing(locked=False), seed)


def full_queue(*, locked: bool = True) -> Scene:
    """Two threads emit two events each into a queue with room for one."""

    def holds(post: Post) -> None:
        (subscription,) = post.subscriptions
        assert subscription.dropped == 3
        assert subscription._sent == 1
        assert len(post.received(subscription)) == 1

    return Scene(
        lambda: Post(locked=locked, size=1), [lambda post: post.emit(0, 1), lambda post: post.emit(2, 3)], holds
    )


def test_hub_queue_that_is_full_counts_every_event_it_drops(seed: int) -> None:
    """The queue never exceeds its bound, and what is dropped is counted."""
    assert_holds(full_queue(), seed)


def test_hub_queue_without_the_lock_is_caught(seed: int) -> None:
    """The twin exceeds the bound, or loses count."""
    assert_caught(full_queue(locked=False), seed)


def cancelled_twice() -> Scene:
    """Two threads cancel the same subscription while an event comes."""

    def cancelling(post: Post) -> None:
        post.subscriptions[0].cancel()

    def holds(post: Post) -> None:
        assert not post.hub.active
        assert post.hub._subscriptions == ()
        assert post.received(post.subscriptions[0]) in ([], [post.events[0]])

    return Scene(Post, [cancelling, cancelling, lambda post: post.emit(0)], holds)


def test_hub_subscription_cancelled_twice_ends_once(seed: int) -> None:
    """The listener hears of the event or not, and the hub forgets it."""
    assert_holds(cancelled_twice(), seed)
