"""Which strategies are tried for a failure, and that nothing is restarted for what a restart does not help."""

from __future__ import annotations

import pytest

from scrollintel.recovery.planner import choose
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.symptom import RESTARTABLE, Depth, FailureType
from scrollintel.recovery.target import Check, Remedy, Target

KINDS = {"restart": Traits(restarts=True), "reset": Traits(), "wait": Traits()}


def chosen(failure_type: str, *checks: Check, **strategies: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return what is tried and what is left out."""
    chains = {name: tuple(Remedy(kind=kind) for kind in kinds) for name, kinds in strategies.items()}
    choice = choose(Target(name="a", service="a", checks=checks, strategies=chains), failure_type, KINDS.get)
    return [remedy.kind for remedy in choice.chain], dict(choice.left_out)


@pytest.mark.parametrize("failure_type", [FailureType.EXITED, FailureType.UNRESPONSIVE, FailureType.STALLED])
def test_process_that_has_gone_or_does_not_get_on_is_restarted(failure_type: str) -> None:
    """A failed `alive`, and a stalled progress signal counts as one."""
    assert chosen(failure_type, default=["restart", "wait"]) == (["restart", "wait"], {})


@pytest.mark.parametrize(
    "failure_type",
    [FailureType.NOT_READY, FailureType.INCORRECT, FailureType.DISK_FULL, FailureType.CERTIFICATE, "error_rate"],
)
def test_process_that_lives_is_not_restarted(failure_type: str) -> None:
    """The rest of the chain is tried, and the reason is told."""
    kinds, left_out = chosen(failure_type, default=["restart", "reset"])
    assert kinds == ["reset"]
    assert failure_type in left_out["restart"]


@pytest.mark.parametrize("failure_type", [item for item in FailureType if item not in RESTARTABLE])
def test_chain_for_exactly_this_failure_restarts_nothing_that_lives(failure_type: str) -> None:
    """Only a failed `alive` may lead to a restart, whatever a chain says."""
    check = Check(name="port", kind="tcp", depth=Depth.READY)
    assert chosen(failure_type, check, **{failure_type: ["restart", "wait"]})[0] == ["wait"]


@pytest.mark.parametrize(
    ("failure_type", "kind", "options"),
    [
        ("memory_high", "memory", {}),
        ("disk_full", "disk", {}),
        ("cannot_write", "command", {"failure_type": "cannot_write"}),
        ("out_of_tokens", "a-kind-of-a-plugin", {}),
    ],
)
def test_failure_that_a_check_of_alive_tells_of_may_be_restarted_for(
    failure_type: str, kind: str, options: dict[str, str]
) -> None:
    """Whoever declares the check as alive says that the process is as good as dead then; a chain has to name it."""
    alive, ready = (Check(name="it", kind=kind, depth=depth, options=options) for depth in (Depth.ALIVE, Depth.READY))
    assert chosen(failure_type, alive, **{failure_type: ["restart"]}) == (["restart"], {})
    assert chosen(failure_type, alive, default=["restart"])[0] == []
    assert chosen(failure_type, ready, **{failure_type: ["restart"]})[0] == []
    other = Check(name="port", kind="tcp", depth=Depth.ALIVE)
    assert chosen(failure_type, other, ready, **{failure_type: ["restart"]})[0] == []


def test_chain_that_is_declared_empty_tries_nothing() -> None:
    """It says so for one failure; others have the default."""
    assert chosen("not_ready", default=["reset"], not_ready=[]) == ([], {})
    assert chosen("slow", default=["reset"], not_ready=[]) == (["reset"], {})
    assert chosen("slow") == ([], {})


def test_kind_that_is_not_there_is_left_out() -> None:
    """A plugin that has been taken out does not stop the rest."""
    assert chosen("exited", default=["gone", "wait"]) == (["wait"], {"gone": "there is no strategy of that kind"})
