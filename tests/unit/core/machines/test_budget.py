"""Retry budget: what pays, what it costs, and when it refuses."""

from __future__ import annotations

from scrollintel.core.config import BudgetConfig
from scrollintel.core.machines.budget import BudgetMachine


def drained(config: BudgetConfig) -> BudgetMachine:
    """Return a budget whose tokens are spent."""
    machine = BudgetMachine(config)
    while machine.withdraw():
        pass
    return machine


def test_budget_fresh_holds_its_reserve() -> None:
    """Ten retries are there at once, and not one more."""
    machine = BudgetMachine(BudgetConfig())
    assert machine.tokens == 10.0
    assert [machine.withdraw() for _ in range(11)] == [True] * 10 + [False]
    assert machine.tokens == 0.0


def test_budget_ten_calls_at_a_ratio_of_a_tenth_pay_exactly_one_retry() -> None:
    """Ten times 0.1 is one token, not 0.9999999999999999."""
    machine = drained(BudgetConfig())
    for _ in range(9):
        machine.deposit_call()
    assert not machine.withdraw()
    machine.deposit_call()
    assert machine.withdraw()
    assert machine.tokens == 0.0


def test_budget_over_a_long_outage_adds_a_tenth_of_the_calls() -> None:
    """A thousand calls that all want a retry get a hundred, after the reserve."""
    machine = drained(BudgetConfig())
    allowed = 0
    for _ in range(1000):
        machine.deposit_call()
        allowed += machine.withdraw()
    assert allowed == 100


def test_budget_deposits_beyond_the_reserve_are_lost() -> None:
    """A quiet day does not pay for a storm."""
    machine = BudgetMachine(BudgetConfig(reserve=2))
    for _ in range(1000):
        machine.deposit_call()
    assert machine.tokens == 2.0


def test_budget_with_less_than_one_cost_refuses_and_takes_nothing() -> None:
    """A retry that cannot be paid in full is refused."""
    machine = BudgetMachine(BudgetConfig(reserve=2.5, cost=1))
    assert [machine.withdraw() for _ in range(3)] == [True, True, False]
    assert machine.tokens == 0.5


def test_budget_threshold_must_be_exceeded() -> None:
    """At exactly half of the reserve there is no retry, with one more deposit there is."""
    machine = BudgetMachine(BudgetConfig(threshold=0.5))
    assert [machine.withdraw() for _ in range(6)] == [True] * 5 + [False]
    assert machine.tokens == 5.0
    machine.deposit_call()
    assert machine.withdraw()


def test_budget_refund_gives_back_what_a_retry_took() -> None:
    """A retry that did not start costs nothing, and a refund never exceeds the reserve."""
    machine = BudgetMachine(BudgetConfig(reserve=4, cost=3))
    assert machine.withdraw()
    machine.refund()
    assert machine.tokens == 4.0
    machine.refund()
    assert machine.tokens == 4.0


def test_budget_ratio_form_ignores_results() -> None:
    """Only calls and retries count."""
    machine = drained(BudgetConfig())
    machine.record_success()
    assert machine.tokens == 0.0
    machine = BudgetMachine(BudgetConfig())
    machine.record_failure()
    assert machine.tokens == 10.0


def test_budget_grpc_form_stops_at_half_and_needs_ten_successes_for_each_failure() -> None:
    """The numbers of gRFC A6: five failures from ten tokens stop retries, and 0.1 comes back with each success."""
    machine = BudgetMachine(BudgetConfig.grpc())
    for left in (9.0, 8.0, 7.0, 6.0):
        machine.record_failure()
        assert machine.tokens == left
        assert machine.withdraw()
    machine.record_failure()
    assert machine.tokens == 5.0
    assert not machine.withdraw()
    machine.record_success()
    assert machine.tokens == 5.1
    assert machine.withdraw()


def test_budget_grpc_form_takes_nothing_for_a_retry_or_a_call() -> None:
    """The failure before the retry has paid, so neither a withdrawal nor a refund changes the tokens."""
    machine = BudgetMachine(BudgetConfig.grpc())
    machine.record_failure()
    machine.deposit_call()
    assert machine.withdraw()
    assert machine.tokens == 9.0
    machine.refund()
    assert machine.tokens == 9.0


def test_budget_grpc_form_never_falls_below_zero() -> None:
    """After a long outage the way back starts at zero, not in debt."""
    machine = BudgetMachine(BudgetConfig.grpc())
    for _ in range(100):
        machine.record_failure()
    assert machine.tokens == 0.0
    for _ in range(51):
        machine.record_success()
    assert machine.withdraw()


def test_budget_reconfigured_keeps_its_tokens_within_the_new_reserve() -> None:
    """A smaller reserve takes what is above it, a larger one adds nothing."""
    machine = BudgetMachine(BudgetConfig(reserve=10))
    machine.reconfigure(BudgetConfig(reserve=4))
    assert machine.tokens == 4.0
    machine.reconfigure(BudgetConfig(reserve=100))
    assert machine.tokens == 4.0


def test_budget_reconfigured_follows_the_new_rules() -> None:
    """Ratio, cost and form are those of the new configuration."""
    machine = BudgetMachine(BudgetConfig(reserve=10))
    machine.reconfigure(BudgetConfig(ratio=0, reserve=10, cost=4, deposit_on_success=True))
    machine.record_failure()
    assert machine.tokens == 6.0
    machine.reconfigure(BudgetConfig(ratio=1, reserve=10, cost=4))
    machine.record_failure()
    machine.deposit_call()
    assert machine.tokens == 7.0
    assert machine.withdraw()
    assert machine.tokens == 3.0


def test_budget_smallest_amounts_still_count() -> None:
    """A reserve or a cost below the resolution is one unit of it, never nothing."""
    machine = BudgetMachine(BudgetConfig(reserve=1e-9, cost=1e-9, ratio=0))
    assert machine.withdraw()
    assert not machine.withdraw()


def test_budget_ratio_of_a_hundred_thousandth_adds_up() -> None:
    """Small shares are not rounded away."""
    machine = drained(BudgetConfig(ratio=0.00001, reserve=1, cost=0.0001))
    allowed = 0
    for _ in range(1000):
        machine.deposit_call()
        allowed += machine.withdraw()
    assert allowed == 100
