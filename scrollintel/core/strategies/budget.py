"""Retry and hedge budgets at run time, shared by name."""

from __future__ import annotations

import weakref

from ..config.retry import BudgetConfig
from ..locks import CONFIGURING, new_lock
from ..machines.budget import BudgetMachine


class Budget:
    """A budget that several policies may share.

    Attributes:
        is_full: Whether a deposit would change nothing.
    """

    __slots__ = ("__weakref__", "_lock", "_machine", "config", "is_full")

    def __init__(self, config: BudgetConfig) -> None:
        self.config = config
        self._lock = new_lock()
        self._machine = BudgetMachine(config)
        self.is_full = self._machine.is_full

    @property
    def tokens(self) -> float:
        """Tokens left."""
        return self._machine.tokens

    @property
    def affords(self) -> bool:
        """True when it can pay for an extra attempt now."""
        return self._machine.affords

    def deposit_call(self) -> None:
        """Count a call."""
        if not self.is_full:
            with self._lock:
                self._machine.deposit_call()
                self.is_full = self._machine.is_full

    def record(self, succeeded: bool) -> None:
        """Count the end of an attempt."""
        if succeeded and self.is_full:
            return
        with self._lock:
            if succeeded:
                self._machine.record_success()
            else:
                self._machine.record_failure()
            self.is_full = self._machine.is_full

    def withdraw(self) -> bool:
        """Take the price of an extra attempt; False when there is not enough."""
        with self._lock:
            paid = self._machine.withdraw()
            self.is_full = self._machine.is_full
        return paid

    def refund(self) -> None:
        """Give the price of an extra attempt that did not start back."""
        with self._lock:
            self._machine.refund()
            self.is_full = self._machine.is_full

    def reconfigure(self, config: BudgetConfig) -> None:
        """Go on with other parameters and the tokens there are."""
        if config != self.config:
            with self._lock:
                self.config = config
                self._machine.reconfigure(config)
                self.is_full = self._machine.is_full


class Budgets:
    """The named budgets of one registry; one that no policy uses any more is forgotten."""

    def __init__(self) -> None:
        self._named: weakref.WeakValueDictionary[str, Budget] = weakref.WeakValueDictionary()

    def get(self, config: BudgetConfig | None, own: Budget | None = None) -> Budget | None:
        """Return the budget for `config`: the shared one of its name, `own` reconfigured, or a new one."""
        if config is None:
            return None
        if config.name is None:
            if own is None or own.config.name is not None:
                return Budget(config)
            own.reconfigure(config)
            return own
        with CONFIGURING:
            budget = self._named.get(config.name)
            if budget is None:
                budget = self._named[config.name] = Budget(config)
        budget.reconfigure(config)
        return budget
