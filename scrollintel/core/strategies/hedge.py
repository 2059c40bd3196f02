"""Which attempts of a hedged call are sent, and which result is the call's."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from ..call import Call
from ..clock import Clock
from ..config.hedge import HedgeConfig
from ..errors import RejectedError, UnprotectedError
from ..hub import EventHub
from ..machines.hedge import launches
from ..retry_scope import Purse, pay, payers, refund, surrounding_retries
from .budget import Budget
from .meter import SharedCounter


class HedgeRule:
    """The rule of one policy's hedging; holds no state but a counter and the shared budget."""

    __slots__ = ("_by_success", "_clock", "_deposits", "_hub", "_name", "bad", "budget", "config", "hedges", "spans")

    def __init__(
        self,
        name: str,
        config: HedgeConfig,
        clock: Clock,
        hub: EventHub,
        *,
        budget: Budget | None,
        bad: Callable[[Any], bool] | None,
        hedges: SharedCounter | None = None,
        deposits: bool = True,
    ) -> None:
        self.config = config
        self.budget = budget
        self.spans = config.budget is not None and config.budget.across_layers
        self._deposits = deposits
        self._by_success = self.spans or (config.budget is not None and config.budget.deposit_on_success)
        self.bad = bad
        self.hedges = SharedCounter() if hedges is None else hedges
        self._name = name
        self._clock = clock
        self._hub = hub

    def race(self, call: Call) -> Race:
        """Return the bookkeeping of a new call, or of another attempt of a retry around it."""
        config = self.config
        if self.budget is not None and self._deposits and not self._by_success and call.attempt == 1:
            self.budget.deposit_call()
        if config.quantile is None:
            return Race(self, call, config.delay)
        measured, samples = call.circuit.quantile(config.quantile)
        return Race(self, call, launches(config, measured, samples))

    def succeeded(self) -> None:
        """Count a call that succeeded, when no retry around counts it."""
        budget = self.budget
        if budget is not None and self._deposits and self._by_success:
            outer = surrounding_retries()
            if outer is None or budget not in outer.purses:
                budget.record(True)

    def failed(self) -> None:
        """Count an attempt that failed, when no retry around counts it."""
        if self.budget is not None and self._deposits:
            self.budget.record(False)

    def tell(self, attempt: int, after: float) -> None:
        """Count a further attempt and tell it."""
        self.hedges.add()
        if self._hub.active:
            from ..events import HedgeLaunched

            self._hub.emit(HedgeLaunched(policy=self._name, at=self._clock.time(), attempt=attempt, after=after))


class Race:
    """The attempts of one hedged call.

    The first good result wins. A failure sends the next attempt at once; when all have failed the call ends as
    the first attempt did (Polly). An error that is no `Exception` ends the race. A refusal by an inner layer sends
    nothing: a rejected call is not tried again, and one that was refused gives back what it was paid.
    """

    __slots__ = ("_call", "_ended", "_paid", "_rule", "delay", "exhausted", "launched", "primary")

    def __init__(self, rule: HedgeRule, call: Call, delay: float) -> None:
        self._rule = rule
        self._call = call
        self.delay = delay
        self.launched = 1
        self.exhausted = False
        self._ended = 0
        self._paid: tuple[Purse, ...] = ()
        self.primary: tuple[BaseException | None, Any] = (None, None)

    @property
    def over(self) -> bool:
        """True when every attempt has failed and none may follow."""
        return self._ended >= self.launched and not self.may_launch

    @property
    def may_launch(self) -> bool:
        """True while a further attempt may be sent."""
        return not self.exhausted and self.launched <= self._rule.config.max_hedges

    @property
    def wait(self) -> float:
        """Seconds from one launch to the next; infinite when none may follow."""
        return self.delay if self.may_launch else inf

    def settle(self, number: int, error: BaseException | None, value: Any) -> bool:
        """Count the end of attempt `number` (1 for the first); True when it decides the race."""
        bad = self._rule.bad
        if error is None and (bad is None or not bad(value)):
            self._rule.succeeded()
            return True
        if error is not None and not isinstance(error, Exception):
            return True
        if isinstance(error, RejectedError | UnprotectedError):
            self.exhausted = True
            if number > 1:
                refund(self._paid)
        else:
            self._rule.failed()
        self._ended += 1
        if number == 1:
            self.primary = (error, value)
        return False

    def take_primary(self) -> BaseException:
        """Return the error of the first attempt, once; the caller raises it without a name for it."""
        (error, _), self.primary = self.primary, (None, None)
        assert error is not None
        return error

    def launch(self) -> bool:
        """Take leave for a further attempt; without it, or without budget, the race goes on with those there are."""
        rule = self._rule
        if not self._is_repeatable():
            self.exhausted = True
            return False
        outer = surrounding_retries()
        self._paid = payers(rule.budget, outer)
        if (outer is not None and outer.stands_down) or not pay(self._paid):
            self.exhausted = True
            return False
        self.launched += 1
        rule.tell(self.launched, self.delay)
        return True

    def _is_repeatable(self) -> bool:
        repeatable = self._rule.config.repeatable
        try:
            return repeatable is None or bool(repeatable(*self._call.args, **self._call.kwargs))
        except Exception:  # the attempt that runs may still succeed, whatever the hook does
            return False
