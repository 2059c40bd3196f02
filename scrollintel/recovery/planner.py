"""Which strategies are tried for a failure, in order, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .strategy import Traits
from .symptom import RESTARTABLE, Depth, FailureType
from .target import Check, Remedy, Target


@dataclass(frozen=True, slots=True)
class Choice:
    """What is tried, and what is not.

    Arguments:
        chain: Remedies in order.
        left_out: Kind → why it is not tried.
    """

    chain: tuple[Remedy, ...]
    left_out: Mapping[str, str]


def may_restart(target: Target, failure_type: str) -> bool:
    """Tell whether a failure may lead to a restart of a target, because only a failed `alive` does.

    Failure types such as `exited` and `stalled` say by themselves that `alive` has failed. One that a program names, or
    that disk and memory have, does where a check of `alive` tells of it and a chain is declared for exactly this type:
    whoever wrote both knows the program. Everything else says that the process lives.
    """
    if failure_type in RESTARTABLE:
        return True
    if failure_type in _LIVES or failure_type not in target.strategies:
        return False
    return any(check.depth is Depth.ALIVE and _tells(check, failure_type) for check in target.checks)


_LIVES = frozenset(FailureType) - RESTARTABLE - {FailureType.DISK_FULL, FailureType.MEMORY_HIGH}
_KINDS = {"disk": FailureType.DISK_FULL, "memory": FailureType.MEMORY_HIGH}
_PLAIN = frozenset({"http", "tcp", "process", "postgresql", "redis", "grpc", "systemd"})
"""Kinds that tell of nothing but the types that ship."""


def _tells(check: Check, failure_type: str) -> bool:
    if check.kind in _KINDS:
        return _KINDS[check.kind] == failure_type
    if check.kind == "command":
        return bool(check.options.get("failure_type") == failure_type)
    return check.kind not in _PLAIN


def choose(target: Target, failure_type: str, traits_of: Callable[[str], Traits | None]) -> Choice:
    """Return the chain of a target for a failure type.

    A strategy that restarts is left out for a failure that is not one of `alive`: a process that runs and answers is
    not restarted because the network, a dependency or a slow reply is in the way; see `may_restart`.

    Arguments:
        traits_of: Gives the traits of a kind; None for one that there is none of.
    """
    chain, left_out = [], {}
    restartable = may_restart(target, failure_type)
    for remedy in target.chain(failure_type):
        traits = traits_of(remedy.kind)
        if traits is None:
            left_out[remedy.kind] = "there is no strategy of that kind"
        elif traits.restarts and not restartable:
            left_out[remedy.kind] = f"it restarts, and {failure_type} says nothing about the process itself"
        else:
            chain.append(remedy)
    return Choice(tuple(chain), left_out)
