"""Where facts go: one bounded queue and one thread for each listener, so that no listener reaches a call."""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .errors import ConfigError, Violation

if TYPE_CHECKING:
    from .event_buffer import EventBuffer
    from .events import Event

Listener: TypeAlias = "Callable[[Event], object]"
DEFAULT_QUEUE_SIZE = 10_000


class Receiver(Protocol):
    """What a hub hands events to, in the thread that emits and under its locks.

    Nothing here may block, raise or call anything of the engine.
    """

    @property
    def follows_calls(self) -> bool:
        """True when it wants more than changes of states and configurations."""

    @property
    def idle(self) -> bool:
        """True when everything offered so far has been handled."""

    @property
    def dropped(self) -> int:
        """Events that were lost because it could not take them."""

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether events of `kind` are worth making."""

    def offer(self, event: Event) -> None:
        """Take an event, or let it pass."""

    def start(self) -> None:
        """Begin, again after a fork."""

    def renew(self) -> None:
        """Forget what the parent of a forked child had."""

    def cancel(self) -> None:
        """Take no further events."""


class Subscription:
    """One listener with its queue; ends with `cancel`.

    Attributes:
        delivered: Events that the listener has handled.
        failed: Events on which it raised; the error is logged once per minute at most.
        dropped: Events lost because its queue was full.
    """

    __slots__ = (
        "__weakref__",
        "_accepts",
        "_hub",
        "_last_log",
        "_limit",
        "_listener",
        "_policy",
        "_queue",
        "_sent",
        "_thread",
        "active",
        "delivered",
        "dropped",
        "failed",
    )  # fmt: skip

    def __init__(
        self, hub: EventHub, listener: Listener, kinds: tuple[type[Event], ...], policy: str | None, limit: int
    ) -> None:
        self._hub = hub
        self._listener = listener
        self._accepts = kinds
        self._policy = policy
        self._limit = limit
        self.delivered = 0
        self.failed = 0
        self.dropped = 0
        self.active = True
        self._last_log = -60.0
        self.renew()

    def renew(self) -> None:
        """Start with an empty queue and no thread, as a forked child must."""
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._sent = self.delivered

    def start(self) -> None:
        """Start the thread that feeds the listener; the hub's lock is held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="scrollintel-listener", daemon=True)
            self._thread.start()

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether the listener asked for events of `kind`."""
        return not self._accepts or issubclass(kind, self._accepts)

    def offer(self, event: Event) -> None:
        """Queue `event` when the listener wants it; never blocks."""
        if self._policy is not None and event.policy != self._policy:
            return
        if self._accepts and not isinstance(event, self._accepts):
            return
        if self._queue.qsize() >= self._limit:
            self.dropped += 1
            return
        self._sent += 1
        self._queue.put(event)

    def _run(self) -> None:
        queue = self._queue
        while True:
            event = queue.get()
            if event is None:
                return
            try:
                self._listener(event)
            except BaseException as error:  # a listener's error is its own, even an exit; it is counted and told
                self.failed += 1
                self._complain(error)
            self.delivered += 1

    def _complain(self, error: BaseException) -> None:
        now = time.monotonic()
        if now - self._last_log >= 60.0:
            self._last_log = now
            from logging import getLogger

            logger = getLogger("scrollintel")
            logger.warning("an event listener raised %s; %d failures so far", type(error).__name__, self.failed)

    @property
    def follows_calls(self) -> bool:
        """True when the listener wants more than changes of states and configurations."""
        from .events import CHANGES

        return not self._accepts or not all(issubclass(kind, CHANGES) for kind in self._accepts)

    @property
    def idle(self) -> bool:
        """True when everything offered so far has been handled."""
        return self.delivered >= self._sent

    def cancel(self) -> None:
        """End the subscription; events already queued are still delivered."""
        if self.active:
            self.active = False
            self._hub._remove(self)
            self._queue.put(None)


class EventHub:
    """Hand facts to listeners in the order in which they happened.

    `emit` only appends to queues, so it may be called under a lock. Each listener runs in a thread of its
    own: one that hangs, fails or is slow delays neither calls nor other listeners.

    Attributes:
        watched: True while there is any listener.
        active: True while a listener wants facts about single calls, which are then worth making.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Receiver, ...] = ()
        self._numbering = threading.RLock()  # emitters may hold a lock of theirs, so this is none of `new_lock`
        self._sequence = itertools.count(1)
        self._orphaned = False
        self._dropped = 0
        self.active = False
        self.watched = False
        _HUBS.add(self)

    def subscribe(
        self,
        listener: Listener,
        *,
        kinds: type[Event] | str | Iterable[type[Event] | str] = (),
        policy: str | None = None,
        queue_size: int = DEFAULT_QUEUE_SIZE,
    ) -> Subscription:
        """Call `listener` with every later event, in a thread of its own.

        Arguments:
            listener: Takes one event. Its errors are counted and logged.
            kinds: Event classes that it wants, or their names such as "circuit.state_changed"; all by default.
            policy: Name of the only policy that it wants; all by default.
            queue_size: Events that may wait for it; further ones are dropped and counted. Default 10,000.

        Raises:
            ConfigError: with every violation.
        """
        accepted = _checked(listener, kinds, policy, queue_size)
        subscription = Subscription(self, listener, accepted, policy, queue_size)
        with self._lock:
            subscription.start()
            self._set((*self._subscriptions, subscription))
        return subscription

    def buffer(self, *, size: int = DEFAULT_QUEUE_SIZE, wake: Callable[[], object] | None = None) -> EventBuffer:
        """Keep later changes of states, levels and policies until somebody takes them; there is no thread.

        Arguments:
            size: Events that are kept; further ones are dropped and counted. At least 1, default 10,000.
            wake: Called when the buffer is no longer empty, by the thread that emits and under its locks: it must
                neither block nor raise nor call anything of the engine.
        """
        from .event_buffer import EventBuffer

        buffer = EventBuffer(self._remove, size, wake)
        self.attach(buffer)
        return buffer

    @property
    def listeners(self) -> int:
        """Listeners there are now."""
        return len(self._subscriptions)

    @property
    def dropped(self) -> int:
        """Events that some listener has lost because its queue was full, those of listeners that are gone included."""
        with self._lock:
            return self._dropped + sum(subscription.dropped for subscription in self._subscriptions)

    def attach(self, receiver: Receiver) -> None:
        """Hand later events to `receiver` at once; see there what it must not do. `detach` ends it."""
        with self._lock:
            self._set((*self._subscriptions, receiver))

    def detach(self, receiver: Receiver) -> None:
        """Hand nothing more to `receiver`."""
        self._remove(receiver)

    def _remove(self, subscription: Receiver) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._dropped += subscription.dropped
            self._set(tuple(item for item in self._subscriptions if item is not subscription))

    def _set(self, subscriptions: tuple[Receiver, ...]) -> None:
        self._subscriptions = subscriptions
        self.watched = bool(subscriptions)
        self.active = any(subscription.follows_calls for subscription in subscriptions)

    def emit(self, event: Event) -> None:
        """Number `event` and queue it for every listener that wants it."""
        if self._orphaned:
            self._restart()
        with self._numbering:  # so that the order of numbers is the order of delivery
            object.__setattr__(event, "sequence", next(self._sequence))
            for subscription in self._subscriptions:
                subscription.offer(event)

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether any listener wants events of `kind`, so that those nobody wants need not be made."""
        return any(subscription.wants(kind) for subscription in self._subscriptions)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until listeners have handled what was emitted so far; False when `timeout` seconds pass first."""
        end = time.monotonic() + timeout
        while not all(subscription.idle for subscription in self._subscriptions):
            if time.monotonic() >= end:
                return False
            time.sleep(0.001)
        return True

    def _restart(self) -> None:
        with self._lock:
            for subscription in self._subscriptions:
                subscription.start()
            self._orphaned = False

    def after_fork_in_child(self) -> None:
        """Forget the parent's threads and queues; listeners go on with the child's own events."""
        self._lock = threading.Lock()
        self._numbering = threading.RLock()
        for subscription in self._subscriptions:
            subscription.renew()
        self._orphaned = bool(self._subscriptions)


def _checked(listener: object, kinds: object, policy: object, queue_size: object) -> tuple[type[Event], ...]:
    """Return the event classes; a bad argument must fail here and not in the calls that emit events."""
    from . import events

    known = {kind.event_name: kind for kind in events.Event.__subclasses__()}
    listed = [kinds] if isinstance(kinds, type | str) else list(kinds) if isinstance(kinds, Iterable) else [None]
    found = [known.get(kind) if isinstance(kind, str) else kind for kind in listed]
    violations = []
    if not callable(listener):
        violations.append(Violation("listener", listener, "a callable that takes one event"))
    if not all(isinstance(kind, type) and issubclass(kind, events.Event) for kind in found):
        violations.append(Violation("kinds", kinds, f"event classes or names: {', '.join(sorted(known))}"))
    if policy is not None and not isinstance(policy, str):
        violations.append(Violation("policy", policy, "the name of a policy or None"))
    if isinstance(queue_size, bool) or not isinstance(queue_size, int) or queue_size < 1:
        violations.append(Violation("queue_size", queue_size, "a whole number of at least 1 events"))
    if violations:
        raise ConfigError("EventHub.subscribe", violations)
    return tuple(kind for kind in found if isinstance(kind, type))


_HUBS: weakref.WeakSet[EventHub] = weakref.WeakSet()


def _renew_hubs() -> None:
    for hub in list(_HUBS):
        hub.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_hubs)

DEFAULT_HUB = EventHub()
"""The hub of `ft_manager` and of circuits that are made on their own."""
