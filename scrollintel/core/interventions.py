"""What tests may change in the running engine: protection off, no waiting between attempts, injected faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .locks import new_lock

Injector = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Takes the name of a policy and an operation, and returns the operation to run instead."""


class Interventions:
    """The switches of this process.

    The hot path looks at `caution` alone while nothing has been switched and no deadline can be in force: the process
    has no time limit yet. `active` tells whether something is switched.
    """

    __slots__ = ("_deadlines", "_lock", "active", "caution", "immediate", "injectors", "off")

    def __init__(self) -> None:
        self._lock = new_lock()
        self._deadlines = False
        self.active = False
        self.caution = False
        self.off = 0
        self.immediate = 0
        self.injectors: tuple[Injector, ...] = ()

    def change(
        self, *, off: int = 0, immediate: int = 0, add: Injector | None = None, remove: Injector | None = None
    ) -> None:
        """Add to the counts of those who want protection off or retries immediate; add or remove an injector."""
        with self._lock:
            self.off += off
            self.immediate += immediate
            if add is not None:
                self.injectors = (*self.injectors, add)
            if remove is not None:
                self.injectors = tuple(item for item in self.injectors if item is not remove)
            self.active = bool(self.off or self.injectors)
            self.caution = self.active or self._deadlines

    def expect_deadlines(self) -> None:
        """Let every later call look for a deadline; to be called before the first one is set."""
        if not self._deadlines:
            with self._lock:
                self._deadlines = self.caution = True

    def inject(self, policy: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Return `operation` as the present injectors change it."""
        for injector in self.injectors:
            operation = injector(policy, operation)
        return operation


INTERVENTIONS = Interventions()
