"""Every limit of automation: where it lies, whom it holds back, and that its refusal names limit and value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scrollintel.recovery.guardrail import GO, ActionRequest, Ruling, SafetyState, Verdict, approval_needed, decide
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.target import Limits, Mode

REQUEST = ActionRequest(
    target="web/a", group="web", mode=Mode.RECOVER, limits=Limits(), traits=Traits(restarts=True), kind="restart",
    beginning=True,
)  # fmt: skip
CALM = SafetyState(group_size=10, group_healthy=9)


def asked(request: dict[str, Any] | None = None, **state: Any) -> Verdict:
    """Ask about a restart of one replica of ten, with these differences."""
    return decide(replace(REQUEST, **(request or {})), replace(CALM, **state))


def test_recovery_that_no_limit_concerns_may_begin() -> None:
    """Nothing holds it back, and nothing is said."""
    assert asked() == GO


@pytest.mark.parametrize(
    ("state", "ruling", "guard", "said"),
    [
        ({"stopped": "by ann: storm"}, Ruling.REFUSE, "stop_switch", "all automation is stopped by ann: storm"),
        ({"braked": "4 of 10 failed"}, Ruling.REFUSE, "storm_brake", "until a person releases it: 4 of 10 failed"),
        ({"window": "a maintenance window holds: weekly"}, Ruling.WAIT, "window", "weekly"),
        ({"attempts": 3}, Ruling.REFUSE, "attempts", "3 recoveries did not keep it up, 3 are the limit"),
        ({"since_recovery": 59.5}, Ruling.WAIT, "cool_down", "cool-down of 60 s since the last recovery"),
        ({"running_here": True}, Ruling.WAIT, "one_per_target", "being recovered already"),
        ({"running": 5}, Ruling.WAIT, "max_running", "5 recoveries run, 5 may at once"),
        ({"group_busy": 2}, Ruling.WAIT, "group_share", "2 of 10 replicas are under repair, 2 may be at once"),
        ({"stale": "the incident is over"}, Ruling.REFUSE, "precondition", "the incident is over"),
    ],
)
def test_limit_that_is_reached_holds_a_recovery_back(state: Any, ruling: Ruling, guard: str, said: str) -> None:
    """At the limit itself; the sentence names it."""
    verdict = asked(**state)
    assert (verdict.ruling, verdict.guard) == (ruling, guard)
    assert said in verdict.why


@pytest.mark.parametrize(
    "state",
    [
        {"attempts": 2}, {"since_recovery": 60.0}, {"running": 4}, {"group_busy": 1}, {"since_failover": 1.0},
        {"running_kind": 100}, {"since_kind": 0.0},
    ],
)  # fmt: skip
def test_one_less_than_the_limit_goes(state: Any) -> None:
    """And what concerns only failovers, or strategies with limits of their own, does not concern a restart."""
    assert asked(**state) == GO


def test_cool_down_says_how_long_it_lasts() -> None:
    """What is left of it, so that the recovery begins right then."""
    assert asked(since_recovery=45.0).seconds == 15.0


def test_failover_rests_for_an_hour_and_is_refused_meanwhile() -> None:
    """Not waited for: another strategy may help sooner."""
    failover = {"traits": Traits(failover=True)}
    verdict = asked(failover, since_failover=3599.0)
    assert (verdict.ruling, verdict.guard) == (Ruling.REFUSE, "failover_cool_down")
    assert "3599 s ago, 3600 s have to pass" in verdict.why
    assert asked(failover, since_failover=3600.0) == GO


def test_strategy_has_limits_of_its_own() -> None:
    """A cool-down between two uses on one target, and how many may run at once."""
    own = {"traits": Traits(cool_down=300.0, concurrency=2)}
    assert asked(own, since_kind=299.0).guard == "strategy_cool_down"
    assert asked(own, since_kind=300.0) == GO
    assert asked(own, running_kind=2).guard == "strategy_concurrency"
    assert asked(own, running_kind=1) == GO


def test_target_that_is_only_observed_is_left_alone() -> None:
    """That is the default of every target."""
    assert asked({"mode": Mode.OBSERVE}).guard == "mode"


@pytest.mark.parametrize("name", ["", "  ", "all", "ALL", "Every", "web*", "*"])
@pytest.mark.parametrize("automatic", [True, False])
def test_name_that_could_stand_for_everything_is_refused_for_everybody(name: str, automatic: bool) -> None:
    """Whoever asks: an empty selector and "all" are never one target."""
    verdict = asked({"target": name, "automatic": automatic})
    assert (verdict.ruling, verdict.guard, verdict.final) == (Ruling.REFUSE, "selector", True)


def test_person_passes_what_only_holds_automation_back() -> None:
    """Mode, brake, windows, attempts and cool-downs are for automation."""
    by_hand = {"automatic": False, "mode": Mode.OBSERVE, "traits": Traits(failover=True, cool_down=60.0)}
    held = {
        "braked": "x", "window": "x", "attempts": 9, "since_recovery": 0.0, "since_failover": 0.0, "since_kind": 0.0,
    }  # fmt: skip
    assert asked(by_hand, **held) == GO


@pytest.mark.parametrize(
    ("state", "guard"),
    [
        ({"stopped": "x"}, "stop_switch"), ({"running_here": True}, "one_per_target"), ({"running": 5}, "max_running"),
        ({"group_busy": 2}, "group_share"),
    ],
)  # fmt: skip
def test_person_is_held_back_by_what_holds_for_everybody(state: Any, guard: str) -> None:
    """The stop switch, one recovery for each target, so many in all, and the share of a group."""
    assert asked({"automatic": False}, **state).guard == guard


def test_recovery_that_runs_is_not_held_back_by_limits_of_a_beginning() -> None:
    """It counts itself otherwise; stop switch and windows hold for it all the same, and so do recoveries before it."""
    step = {"beginning": False, "acting": True}
    assert asked(step, attempts=3, since_recovery=0.0) == GO
    assert asked(step, running_here=True).guard == "one_per_target"
    assert asked(step, running=5).guard == "max_running"
    assert asked(step, stopped="x").guard == "stop_switch"
    assert asked(step, braked="x").guard == "storm_brake"
    assert asked(step, window="x").guard == "window"


@pytest.mark.parametrize(
    ("size", "busy", "guard"), [(1, 0, ""), (3, 0, ""), (3, 1, "group_share"), (9, 1, "group_share")]
)
def test_one_of_a_small_group_may_always_be_repaired(size: int, busy: int, guard: str) -> None:
    """A fifth of three is none; one at a time is the least that helps."""
    assert asked(group_size=size, group_busy=busy, group_healthy=size - 1 - busy).guard == guard


def test_strategy_that_touches_the_whole_group_waits_until_none_serves() -> None:
    """Restarting all of a deployment for one replica takes the others down."""
    whole = {"traits": Traits(affects="group", restarts=True)}
    assert asked(whole, group_healthy=1).guard == "last_healthy"
    assert asked(whole, group_healthy=0) == GO
    assert asked({"traits": Traits(affects="nothing")}, group_busy=9) == GO


@pytest.mark.parametrize(
    ("traits", "waived", "why"),
    [
        (Traits(), None, None),
        (Traits(), True, "chain asks"),
        (Traits(destructive=True), None, "lose data"),
        (Traits(destructive=True), False, "lose data"),
        (Traits(failover=True), False, "another place"),
        (Traits(known=False), None, "does not ship"),
        (Traits(known=False), False, None),
    ],
)
def test_person_is_asked_about_what_destroys_moves_or_is_unknown(
    traits: Traits, waived: bool | None, why: str | None
) -> None:
    """A chain can always ask for one; it can waive asking only about what is merely unknown."""
    found = approval_needed(traits, waived, automatic=True)
    assert (found is None) == (why is None)
    assert why is None or why in str(found)
