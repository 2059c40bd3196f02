"""Locks that are free again in a forked child, and whole: no other thread was inside one when the fork came."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

_PURGE_STEP = 1024


class Configuring:
    """The one lock for changes of configuration, which are rare; its holder may take it again and take leaves.

    One lock for all registries and pipelines, because they change each other in both directions.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """Take the lock, so that no other thread is in the middle of a change."""
        self._held = self._lock.acquire(timeout=1.0)

    def after_fork_in_parent(self) -> None:
        """Release what was taken."""
        if self._held:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Release what was taken, or begin with a free lock."""
        if self._held:
            self._lock.release()
        else:
            self._lock = threading.RLock()


CONFIGURING = Configuring()


class _Locks:
    """All leaf locks of the engine, known by weak references."""

    def __init__(self) -> None:
        self._register = threading.Lock()
        self._known: list[weakref.ref[threading.RLock]] = []
        self._purge_at = _PURGE_STEP
        self._held: list[threading.RLock] = []

    def add(self, lock: threading.RLock) -> None:
        """Hold `lock` during every later fork; references to locks that are gone are dropped now and then."""
        with self._register:
            self._known.append(weakref.ref(lock))
            if len(self._known) >= self._purge_at:
                self._known = [reference for reference in self._known if reference() is not None]
                self._purge_at = _PURGE_STEP + 2 * len(self._known)

    def before_fork(self) -> None:
        """Take every lock, so that nobody else is changing what they guard."""
        CONFIGURING.before_fork()
        self._register.acquire()
        for reference in self._known:
            lock = reference()
            # A signal handler that forks while this very thread holds a lock must not wait for itself for ever.
            if lock is not None and lock.acquire(timeout=1.0):
                self._held.append(lock)

    def after_fork_in_parent(self) -> None:
        """Release what was taken."""
        self._release()
        CONFIGURING.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Release what was taken."""
        self._release()
        CONFIGURING.after_fork_in_child()

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()
        self._register.release()


_LOCKS = _Locks()


def new_lock() -> threading.RLock:
    """Return a lock that is held by the forking thread during a fork.

    So what it guards is consistent in the child, and the lock is free there. Such locks are leaves: their holder
    calls no user code and takes no other lock. They are re-entrant all the same, because the garbage collector and
    signal handlers run user code wherever they strike: a finalizer that ends a protected block in the middle of a
    guarded change must not wait for its own thread for ever.
    """
    lock = threading.RLock()
    _LOCKS.add(lock)
    return lock


class Renewable(Protocol):
    """What holds something for threads that do not exist in a forked child."""

    def after_fork_in_child(self) -> None:
        """Keep what belongs to the thread that lives on; no other one runs."""


_RENEWABLE: weakref.WeakSet[Renewable] = weakref.WeakSet()


def renew_after_fork(part: Renewable) -> None:
    """Call `after_fork_in_child` of `part` in every child that is forked while it exists, when the locks are free."""
    _RENEWABLE.add(part)


def _renew() -> None:
    for part in list(_RENEWABLE):
        part.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCKS.before_fork,
        after_in_parent=_LOCKS.after_fork_in_parent,
        after_in_child=_LOCKS.after_fork_in_child,
    )
    os.register_at_fork(after_in_child=_renew)
