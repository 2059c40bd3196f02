"""Which strategies are tried for a failure, in order, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .strategy import Traits
from .symptom import RESTARTABLE
from .target import Remedy, Target


@dataclass(frozen=True, slots=True)
class Choice:
    """What is tried, and what is not.

    Arguments:
        chain: Remedies in order.
        left_out: Kind → why it is not tried.
    """

    chain: tuple[Remedy, ...]
    left_out: Mapping[str, str]


def choose(target: Target, failure_type: str, traits_of: Callable[[str], Traits | None]) -> Choice:
    """Return the chain of a target for a failure type.

    A strategy that restarts is left out for a failure that is not one of `alive`: a process that runs and answers is
    not restarted because the network, a dependency or a slow reply is in the way. A chain that the target declares for
    exactly this failure type is taken as it is, because whoever wrote it knows the program; but never for a network
    failure.

    Arguments:
        traits_of: Gives the traits of a kind; None for one that there is none of.
    """
    chain, left_out = [], {}
    named = failure_type in target.strategies
    for remedy in target.chain(failure_type):
        traits = traits_of(remedy.kind)
        if traits is None:
            left_out[remedy.kind] = "there is no strategy of that kind"
        elif traits.restarts and failure_type == "unreachable":
            left_out[remedy.kind] = "it restarts, and the failure is one of the network"
        elif traits.restarts and failure_type not in RESTARTABLE and not named:
            left_out[remedy.kind] = f"it restarts, and {failure_type} says nothing about the process itself"
        else:
            chain.append(remedy)
    return Choice(tuple(chain), left_out)
