"""Which strategies are tried for a failure, and that nothing is restarted for what a restart does not help."""

from __future__ import annotations

import pytest

from scrollintel.recovery.planner import choose
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.symptom import FailureType
from scrollintel.recovery.target import Remedy, Target

KINDS = {"restart": Traits(restarts=True), "reset": Traits(), "wait": Traits()}


def chosen(failure_type: str, **strategies: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return what is tried and what is left out."""
    chains = {name: tuple(Remedy(kind=kind) for kind in kinds) for name, kinds in strategies.items()}
    choice = choose(Target(name="a", service="a", strategies=chains), failure_type, KINDS.get)
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


def test_chain_for_exactly_this_failure_is_taken_as_it_is() -> None:
    """Whoever wrote it knows the program; a failure of the network is the exception."""
    assert chosen("memory_high", default=["reset"], memory_high=["restart"]) == (["restart"], {})
    assert chosen("unreachable", unreachable=["restart", "wait"])[0] == ["wait"]


def test_chain_that_is_declared_empty_tries_nothing() -> None:
    """It says so for one failure; others have the default."""
    assert chosen("not_ready", default=["reset"], not_ready=[]) == ([], {})
    assert chosen("slow", default=["reset"], not_ready=[]) == (["reset"], {})
    assert chosen("slow") == ([], {})


def test_kind_that_is_not_there_is_left_out() -> None:
    """A plugin that has been taken out does not stop the rest."""
    assert chosen("exited", default=["gone", "wait"]) == (["wait"], {"gone": "there is no strategy of that kind"})
