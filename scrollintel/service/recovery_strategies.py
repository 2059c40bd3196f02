"""Which strategies a recovery tries: those that are named, or those registered for the service, or the built-in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import ConfigError, NotFoundError, Violation
from ..recovery.runner import RecoveryRunner
from ..recovery.strategy import RecoveryStrategy
from .built_in_recovery import BUILT_IN, BuiltIn, Errand
from .caller import Caller


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy that a recovery of a service can name.

    Arguments:
        name: Its name.
        built_in: Whether it comes with the control plane; others were registered by the program that runs it.
        failure_types: What it is registered for; None for everything.
        default: Whether it may be tried when a request names none.
        description: What it does, or None.
    """

    name: str
    built_in: bool
    failure_types: tuple[str, ...] | None
    default: bool
    description: str | None


class Strategies:
    """The strategies of a process. On the event loop.

    The rule: strategies that a request names are tried in the order in which it names them. Without names, those are
    tried that are registered for the service and the failure type, in the order in which they were registered. If
    there are none, it is the first built-in one, "reset-circuits". A registered strategy stands in for the built-in
    one of its name.
    """

    def __init__(self, runner: RecoveryRunner) -> None:
        self._runner = runner

    def choices(self, service: str) -> list[Choice]:
        """Return what a recovery of a service can name, those first that are tried without being named."""
        registered = self._runner.registered(service)
        found = [
            Choice(strategy.name, False, None if kinds is None else tuple(sorted(kinds)), True, None)
            for strategy, kinds in registered
        ]
        names = {choice.name for choice in found}
        for_everything = any(kinds is None for _, kinds in registered)
        found += [
            Choice(kind.name, True, None, number == 0 and not for_everything, kind.description)
            for number, kind in enumerate(BUILT_IN)
            if kind.name not in names
        ]
        return found

    def check(self, caller: Caller, service: str, failure_type: str, names: Sequence[str]) -> None:
        """Raise unless a caller may have a service recovered by these strategies, or by those tried without names.

        Raises:
            ConfigError: naming each strategy that there is none of, and the ones that there are.
            AccessDeniedError: when a built-in strategy would do what the caller may not.
        """
        choices = [choice.name for choice in self.choices(service)]
        allowed = f"one of {', '.join(choices)}, each once"
        wrong = [
            Violation(f"strategies.{number}", name, allowed)
            for number, name in enumerate(names)
            if name not in choices or name in names[:number]
        ]
        if wrong:
            raise ConfigError("recovery", wrong)
        for found in self._found(service, failure_type, names):
            if isinstance(found, type):
                caller.require_for_new(found.permission, service)

    def chain(self, errand: Errand, failure_type: str, names: Sequence[str]) -> list[RecoveryStrategy]:
        """Return the strategies that are to be tried, in order.

        Raises:
            NotFoundError: when one that is named has been taken out meanwhile.
        """
        found = self._found(errand.service, failure_type, names)
        return [kind(errand) if isinstance(kind, type) else kind for kind in found]

    def _found(self, service: str, failure_type: str, names: Sequence[str]) -> list[RecoveryStrategy | BuiltIn]:
        if not names:
            return [*self._runner.chain(service, failure_type)] or [BUILT_IN[0]]
        known: dict[str, RecoveryStrategy | BuiltIn] = {kind.name: kind for kind in BUILT_IN}
        known.update((strategy.name, strategy) for strategy, _ in self._runner.registered(service))
        if missing := [name for name in names if name not in known]:
            raise NotFoundError("recovery strategy", missing[0])
        return [known[name] for name in names]
