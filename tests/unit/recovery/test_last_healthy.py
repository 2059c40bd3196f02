"""Nothing that a recovery does takes the last healthy replica of a group down."""

from __future__ import annotations

import pytest

from scrollintel.recovery.guardrail import ActionRequest, Ruling, SafetyState, decide
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.target import Limits, Mode

RESTART = Traits(restarts=True)
RESET = Traits()
ALONE = SafetyState(group_size=3, group_healthy=0, healthy_here=True)


def asked(traits: Traits, state: SafetyState, *, automatic: bool = False) -> tuple[Ruling, str]:
    """Ask about one replica of a group."""
    request = ActionRequest(
        target="web/a", group="web", mode=Mode.RECOVER, limits=Limits(), traits=traits, kind="any", automatic=automatic
    )
    verdict = decide(request, state)
    return verdict.ruling, verdict.guard


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("traits", [RESTART, Traits(destructive=True), Traits(failover=True)])
def test_last_healthy_replica_is_not_taken_down_for_anybody(traits: Traits, automatic: bool) -> None:
    """Not by automation, and not by a person either."""
    assert asked(traits, ALONE, automatic=automatic) == (Ruling.REFUSE, "last_healthy")


@pytest.mark.parametrize(
    ("traits", "state"),
    [
        (RESET, ALONE),
        (RESTART, SafetyState(group_size=3, group_healthy=1, healthy_here=True)),
        (RESTART, SafetyState(group_size=3, group_healthy=0, healthy_here=False)),
        (RESTART, SafetyState(group_size=1, group_healthy=0, healthy_here=True)),
    ],
)
def test_what_takes_nobody_down_may_be_done(traits: Traits, state: SafetyState) -> None:
    """A reset, a replica beside others, one that serves nobody anyway, one that has no group."""
    assert asked(traits, state) == (Ruling.GO, "")
