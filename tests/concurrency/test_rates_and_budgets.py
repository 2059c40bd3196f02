"""Interleavings of rate limits and budgets."""

from __future__ import annotations

from typing import Any

from scrollintel.core.call import Call
from scrollintel.core.config.rate_limit import RateLimitConfig
from scrollintel.core.config.retry import BudgetConfig
from scrollintel.core.errors import RateLimitedError
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.budget import Budget, Budgets
from scrollintel.core.strategies.gate import Wait
from scrollintel.core.strategies.rate_limit import RateLimit
from tests.concurrency.exploring import (
    NoLock,
    Scene,
    StillClock,
    assert_caught,
    assert_holds,
    without_the_configuring_lock,
)

CALL = Call("p", print, (), {}, 0.0)
"""A call without a deadline, which gates only read."""


# ---------------------------------------------------------------------------------------------- rate limit


class Tap:
    """A rate limit on a clock that stands still, and who got what."""

    def __init__(self, burst: int, *, max_wait: float = 0.0, locked: bool = True, kind: type = RateLimit) -> None:
        self.limit = kind("p", RateLimitConfig(1.0, burst=burst, max_wait=max_wait), StillClock(), EventHub())
        if not locked:
            self.limit._lock = NoLock()
        self.passed: list[object] = []
        self.refusals: list[RateLimitedError] = []
        self.waits: list[Wait] = []

    def enter(self) -> None:
        """Ask for a permit."""
        try:
            answer = self.limit.enter(CALL)
        except RateLimitedError as error:
            self.refusals.append(error)
            return
        if isinstance(answer, Wait):
            self.waits.append(answer)
        else:
            self.passed.append(answer)


def three_for_two_permits(*, locked: bool = True) -> Scene:
    """Three threads ask for two permits."""

    def holds(tap: Tap) -> None:
        assert (len(tap.passed), len(tap.refusals), tap.limit.rejections) == (2, 1, 1)
        assert tap.limit.available() == 0.0

    return Scene(lambda: Tap(2, locked=locked), [Tap.enter] * 3, holds)


def test_rate_limit_three_callers_get_two_permits(seed: int) -> None:
    """No more calls start than permits were saved up."""
    assert_holds(three_for_two_permits(), seed)


def test_rate_limit_without_the_lock_is_caught(seed: int) -> None:
    """The twin gives one permit twice."""
    assert_caught(three_for_two_permits(locked=False), seed)


def reservations_and_one_given_back(*, locked: bool = True) -> Scene:
    """Two threads reserve a permit each while a third one gives its own back."""

    def setup() -> Tap:
        tap = Tap(1, max_wait=10.0, locked=locked)
        tap.enter()
        tap.enter()
        assert (len(tap.passed), len(tap.waits)) == (1, 1)
        return tap

    def giving_up(tap: Tap) -> None:
        tap.limit.give_up(CALL, tap.waits[0])

    def holds(tap: Tap) -> None:
        seconds = sorted(wait.seconds for wait in tap.waits[1:])
        assert tap.limit.available() == -2.0
        assert len(seconds) == 2
        assert seconds in ([1.0, 2.0], [2.0, 2.0], [2.0, 3.0]), seconds

    return Scene(setup, [Tap.enter, giving_up, Tap.enter], holds)


def test_rate_limit_reservations_and_one_given_back_add_up(seed: int) -> None:
    """Each reservation is owed once, and what is given back is there once."""
    assert_holds(reservations_and_one_given_back(), seed)


def test_rate_limit_reservations_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses a reservation."""
    assert_caught(reservations_and_one_given_back(locked=False), seed)


def two_over_the_rate() -> Scene:
    """Two threads are refused."""

    def setup() -> Tap:
        tap = Tap(1)
        tap.enter()
        return tap

    def holds(tap: Tap) -> None:
        assert (len(tap.refusals), tap.limit.rejections) == (2, 2)

    return Scene(setup, [Tap.enter, Tap.enter], holds)


def test_rate_limit_refusals_of_two_threads_both_count(seed: int) -> None:
    """No refusal is lost from the count."""
    assert_holds(two_over_the_rate(), seed)


# ---------------------------------------------------------------------------------------------- budget


class Purse:
    """A budget, and how many extra attempts it paid for."""

    def __init__(self, tokens: float, *, locked: bool = True, kind: type[Budget] = Budget, **settings: Any) -> None:
        self.budget = kind(BudgetConfig(reserve=tokens, **settings))
        if not locked:
            self.budget._lock = NoLock()  # type: ignore[assignment]
        self.paid: list[bool] = []

    def withdraw(self) -> None:
        """Ask for an extra attempt."""
        if self.budget.withdraw():
            self.paid.append(True)


def three_for_two_tokens(*, locked: bool = True) -> Scene:
    """Three threads want to retry with two tokens left."""

    def holds(purse: Purse) -> None:
        assert purse.budget.tokens == 0.0
        assert len(purse.paid) == 2

    return Scene(lambda: Purse(2.0, locked=locked), [Purse.withdraw] * 3, holds)


def test_budget_three_retries_never_overdraw_two_tokens(seed: int) -> None:
    """Two retries are paid for, the third one is not."""
    assert_holds(three_for_two_tokens(), seed)


def test_budget_without_the_lock_is_caught(seed: int) -> None:
    """The twin is overdrawn, or pays three retries with two tokens."""
    assert_caught(three_for_two_tokens(locked=False), seed)


def deposits_against_withdrawals(*, locked: bool = True) -> Scene:
    """One retry is taken, one refunded and one call deposited at once."""

    def setup() -> Purse:
        purse = Purse(3.0, locked=locked, ratio=0.5)
        purse.withdraw()
        purse.withdraw()
        return purse

    threads = [Purse.withdraw, lambda purse: purse.budget.refund(), lambda purse: purse.budget.deposit_call()]

    def holds(purse: Purse) -> None:
        assert len(purse.paid) == 3
        assert purse.budget.tokens == 1.5

    return Scene(setup, threads, holds)


def test_budget_deposit_refund_and_withdrawal_add_up(seed: int) -> None:
    """The tokens are what one order after the other would leave."""
    assert_holds(deposits_against_withdrawals(), seed)


def test_budget_deposit_refund_and_withdrawal_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses a deposit."""
    assert_caught(deposits_against_withdrawals(locked=False), seed)


class PublishesLate(Budget):
    """Says whether it is full after it has let go of the lock."""

    __slots__ = ()

    def refund(self) -> None:
        """Give the price of an extra attempt back."""
        with self._lock:
            self._machine.refund()
        self.is_full = self._machine.is_full


def refund_against_a_withdrawal(*, kind: type[Budget] = Budget) -> Scene:
    """A budget becomes full while a retry is taken from it."""

    def setup() -> Purse:
        purse = Purse(2.0, kind=kind, ratio=0.5)
        purse.withdraw()
        return purse

    def holds(purse: Purse) -> None:
        purse.budget.deposit_call()
        assert purse.budget.tokens == 1.5, "a call passes by a budget that is not full"

    return Scene(setup, [lambda purse: purse.budget.refund(), Purse.withdraw], holds)


def test_budget_that_is_not_full_sees_every_call(seed: int) -> None:
    """Calls pass by a full budget without its lock, and by no other one."""
    assert_holds(refund_against_a_withdrawal(), seed)


def test_budget_that_says_late_whether_it_is_full_is_caught(seed: int) -> None:
    """The twin is taken for full with a token missing."""
    assert_caught(refund_against_a_withdrawal(kind=PublishesLate), seed)


class ConfiguredOutside(Budget):
    """Takes the new configuration before it takes the lock."""

    __slots__ = ()

    def reconfigure(self, config: BudgetConfig) -> None:
        """Go on under `config`."""
        if config != self.config:
            self.config = config
            with self._lock:
                self._machine.reconfigure(config)


def two_configurations(*, kind: type[Budget] = Budget) -> Scene:
    """Two policies that share a budget bring different configurations."""

    dear, dearer = BudgetConfig(reserve=5.0, cost=2.0), BudgetConfig(reserve=5.0, cost=3.0)

    def holds(purse: Purse) -> None:
        purse.withdraw()
        assert purse.budget.tokens == 5.0 - purse.budget.config.cost, "it says one price and takes another"

    threads = [lambda purse: purse.budget.reconfigure(dear), lambda purse: purse.budget.reconfigure(dearer)]
    return Scene(lambda: Purse(5.0, kind=kind), threads, holds)


def test_budget_reconfigured_by_two_policies_follows_the_configuration_it_shows(seed: int) -> None:
    """Whichever configuration comes last is the one in force."""
    assert_holds(two_configurations(), seed)


def test_budget_configured_outside_the_lock_is_caught(seed: int) -> None:
    """The twin shows one configuration and follows another."""
    assert_caught(two_configurations(kind=ConfiguredOutside), seed)


def one_name(*, locked: bool = True) -> Scene:
    """Two policies ask for the same budget by name."""

    config = BudgetConfig("shared")

    class Shop:
        def __init__(self) -> None:
            self.budgets = Budgets()
            self.got: list[Budget | None] = []
            if not locked:
                without_the_configuring_lock()

        def get(self) -> None:
            self.got.append(self.budgets.get(config))

    def holds(shop: Shop) -> None:
        assert shop.got[0] is not None
        assert shop.got[0] is shop.got[1]

    return Scene(Shop, [Shop.get, Shop.get], holds)


def test_budgets_two_policies_share_one_by_name(seed: int) -> None:
    """Both get the same budget."""
    assert_holds(one_name(), seed)


def test_budgets_by_name_without_the_lock_are_caught(seed: int) -> None:
    """The twin makes two budgets of one name."""
    assert_caught(one_name(locked=False), seed)
