"""The retry budget against a ledger kept in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scrollintel.core.config import BudgetConfig
from scrollintel.core.machines.budget import BudgetMachine
from tests.thoroughness import examples

thousandths = st.integers(0, 1000).map(lambda count: Fraction(count, 1000))
amounts = st.integers(1, 20_000).map(lambda count: Fraction(count, 1000))
terms = st.fixed_dictionaries(
    {
        "ratio": thousandths,
        "reserve": amounts,
        "cost": amounts | st.just(Fraction(1)),
        "threshold": st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1)]) | thousandths,
        "form": st.sampled_from(["calls", "successes", "layers"]),
    }
)


def config_of(agreed: dict[str, Any]) -> BudgetConfig:
    """Return the configuration that says the same in floats."""
    plain: dict[str, Any] = {name: float(value) for name, value in agreed.items() if name != "form"}
    form = agreed["form"]
    return BudgetConfig.from_dict(
        {**plain, "deposit_on_success": form == "successes", "across_layers": form == "layers"}
    )


class Ledger:
    """Every movement since the opening, written down; the balance is read by going through all of them."""

    def __init__(self, opening: Fraction) -> None:
        self.entries: list[tuple[str, Fraction]] = [("open", opening)]

    def balance(self) -> Fraction:
        """Go through the book: `add` stops at the limit, `pay` at zero, `limit` cuts off what lies above it."""
        balance = limit = Fraction(0)
        for what, amount in self.entries:
            if what == "open":
                balance = limit = amount
            elif what == "limit":
                limit = amount
                balance = min(balance, limit)
            elif what == "add":
                balance = min(limit, balance + amount)
            else:
                balance = max(Fraction(0), balance - amount)
        return balance


class BudgetComparison(RuleBasedStateMachine):
    """Drive the machine and the ledger side by side."""

    @initialize(agreed=terms)
    def open(self, agreed: dict[str, Any]) -> None:
        """Start both with the same terms."""
        self.agreed = agreed
        self.machine = BudgetMachine(config_of(agreed))
        self.ledger = Ledger(agreed["reserve"])
        self.allowance: Fraction | None = agreed["reserve"]
        self.owed_refunds = 0

    def add(self, amount: Fraction) -> None:
        """Write down a deposit, also as part of all that may ever be spent under the present terms."""
        self.ledger.entries.append(("add", amount))
        if self.allowance is not None:
            self.allowance += amount

    @rule()
    def call(self) -> None:
        """A call begins."""
        self.machine.deposit_call()
        if self.agreed["form"] == "calls":
            self.add(self.agreed["ratio"])

    @rule()
    def succeed(self) -> None:
        """An attempt succeeds."""
        self.machine.record_success()
        if self.agreed["form"] != "calls":
            self.add(self.agreed["ratio"])

    @rule()
    def fail(self) -> None:
        """An attempt fails."""
        self.machine.record_failure()
        if self.agreed["form"] == "successes":
            self.ledger.entries.append(("pay", self.agreed["cost"]))

    @rule()
    def retry(self) -> None:
        """An extra attempt is wanted: the machine allows it exactly when the ledger does."""
        balance = self.ledger.balance()
        above = balance > self.agreed["threshold"] * self.agreed["reserve"]
        if self.agreed["form"] == "successes":
            assert self.machine.withdraw() is above
            return
        allowed = above and balance >= self.agreed["cost"]
        assert self.machine.withdraw() is allowed
        if allowed:
            self.ledger.entries.append(("pay", self.agreed["cost"]))
            self.owed_refunds += 1
            if self.allowance is not None:
                self.allowance -= self.agreed["cost"]
                assert self.allowance >= 0, "more was spent than was ever there"

    @rule()
    def take_back(self) -> None:
        """An extra attempt that was allowed did not start."""
        if self.owed_refunds or self.agreed["form"] == "successes":
            self.machine.refund()
        if self.owed_refunds and self.agreed["form"] != "successes":
            self.owed_refunds -= 1
            self.add(self.agreed["cost"])

    @rule(agreed=terms)
    def renegotiate(self, agreed: dict[str, Any]) -> None:
        """The configuration is replaced."""
        self.machine.reconfigure(config_of(agreed))
        self.ledger.entries.append(("limit", agreed["reserve"]))
        self.agreed = agreed
        self.owed_refunds = 0
        self.allowance = self.ledger.balance()

    @invariant()
    def both_hold_the_same(self) -> None:
        """The balance is the same to the last thousandth and lies between nothing and the reserve."""
        if hasattr(self, "machine"):
            tokens = self.machine.tokens
            assert 0.0 <= tokens <= float(self.agreed["reserve"])
            assert Fraction(tokens).limit_denominator(1000) == self.ledger.balance()


BudgetComparison.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=60, deadline=None, derandomize=True
)
TestBudgetAgainstLedger = BudgetComparison.TestCase
