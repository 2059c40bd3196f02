"""The order of layers in a policy: which ones make sense, and how a few named layers change places."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from scrollintel.core.config import Policy
from scrollintel.core.config.order import DEFAULT_ORDER, full_order, order_problem
from scrollintel.core.errors import ConfigError


def test_order_problem_accepts_exactly_the_sensible_permutations() -> None:
    """Retries outside hedges outside breaker, throttle and limit; what may let wait outside the limit."""
    orders = [("fallback", *inner, "timeout") for inner in permutations(DEFAULT_ORDER[1:-1])]
    accepted = {order for order in orders if order_problem(order) is None}
    sensible = {
        order
        for order in orders
        if order.index("retry") < order.index("hedge") < order.index("breaker")
        and order.index("hedge") < order.index("throttle")
        and max(order.index("hedge"), order.index("rate_limit"), order.index("bulkhead")) < order.index("limit")
    }
    assert accepted == sensible
    assert DEFAULT_ORDER in accepted


@pytest.mark.parametrize("layer", DEFAULT_ORDER)
def test_order_problem_nothing_stands_outside_the_fallback_or_inside_the_time_limit(layer: str) -> None:
    """The fallback is outermost and the time limit innermost."""
    assert layer == "fallback" or order_problem((layer, "fallback")) is not None
    assert layer == "timeout" or order_problem(("timeout", layer)) is not None


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("breaker", "cache"), "'cache' is no layer; the layers are fallback, "),
        (("breaker", "retry", "breaker"), "'breaker' stands twice"),
        (("timeout", "retry"), "'retry' must stand outside 'timeout': the time limit is one for each attempt"),
        (("retry", "fallback"), "'fallback' must stand outside 'retry': a fallback inside the retry"),
    ],
)
def test_order_problem_says_what_is_wrong(order: tuple[str, ...], problem: str) -> None:
    """The reason names the layers and what would happen."""
    found = order_problem(order)
    assert found is not None
    assert found.startswith(problem)


def test_full_order_lets_named_layers_change_places_among_themselves() -> None:
    """The other layers stay where they are."""
    assert full_order(()) == DEFAULT_ORDER
    assert full_order(("breaker", "retry")) == (
        "fallback", "breaker", "hedge", "retry", "throttle", "rate_limit", "bulkhead", "limit", "timeout",
    )  # fmt: skip


def test_policy_layers_are_the_default_order_or_its_own() -> None:
    """A policy without an order has the documented one."""
    assert Policy("orders").layers == DEFAULT_ORDER
    assert Policy("orders", order=("bulkhead", "breaker")).layers.index("bulkhead") == 3


@pytest.mark.parametrize(
    "order",
    ["retry", {"retry"}, {"retry": 1}, 3, True, [1], ["cache"], ["retry", "retry"], ["timeout", "retry"]],
    ids=repr,
)
def test_policy_order_that_makes_no_sense_is_refused(order: Any) -> None:
    """Text, unordered collections, unknown or doubled layers and nonsensical orders."""
    with pytest.raises(ConfigError) as caught:
        Policy("orders", order=order)
    (violation,) = caught.value.violations
    assert violation.field == "order"
    assert violation.allowed.startswith("a sensible order of layers, such as fallback, retry")
