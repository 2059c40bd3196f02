"""Which strategies a recovery tries: those that are named, or those of the target or service, or the built-in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..actions.kinds import StrategyContext, StrategyKind, strategy_kinds
from ..core.errors import ConfigError, NotFoundError, Violation
from ..recovery.runner import RecoveryRunner
from ..recovery.strategy import RecoveryStrategy, Traits, traits_of
from ..recovery.target import Remedy, Target
from ..security.access import Binding, Identity, IdentityKind
from .built_in_recovery import BUILT_IN, Errand
from .caller import SYSTEM, Caller


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


RemedyDocument = Mapping[str, Any]  # Any: JSON values of mixed types
MakeErrand = Callable[[str, Caller], Errand]


class Strategies:
    """The strategies of a process.

    The rule: strategies that a request names are tried in the order in which it names them. Without names, it is the
    chain that a watched target declares for the failure type; then those that are registered for the service and the
    failure type, in the order in which they were registered; then the first built-in one, "reset-circuits". A
    registered strategy stands in for the built-in one of its name.

    Arguments:
        runner: Holds the strategies that the program has registered.
        targets: The watched targets by name.
        context: Makes what a strategy of a target may use.
        errand: Makes what a built-in strategy is made for, in the name of a caller.
    """

    def __init__(
        self,
        runner: RecoveryRunner,
        *,
        targets: Callable[[], Mapping[str, Target]],
        context: Callable[[Target], StrategyContext],
        errand: MakeErrand,
    ) -> None:
        self.runner = runner
        self._targets = targets
        self._context = context
        self._errand = errand

    def service_of(self, name: str) -> str | None:
        """Return the service that a watched target belongs to, or None when no target has that name."""
        target = self._targets().get(name)
        return None if target is None else target.service

    def choices(self, service: str) -> list[Choice]:
        """Return what a recovery of a service can name, those first that are tried without being named."""
        target = self._targets().get(service)
        found: dict[str, Choice] = {}
        for failure_type, chain in () if target is None else target.strategies.items():
            for remedy in chain:
                known = found.get(remedy.kind)
                types = {failure_type} | set(() if known is None else known.failure_types or ())
                found[remedy.kind] = Choice(remedy.kind, True, tuple(sorted(types)), True, _described(remedy.kind))
        registered = self.runner.registered(service)
        for strategy, kinds in registered:
            types_of = None if kinds is None else tuple(sorted(kinds))
            found.setdefault(strategy.name, Choice(strategy.name, False, types_of, target is None, None))
        is_covered = target is not None or any(kinds is None for _, kinds in registered)
        for number, kind in enumerate(BUILT_IN):
            default = number == 0 and not is_covered
            found.setdefault(kind.name, Choice(kind.name, True, None, default, kind.description))
        return list(found.values())

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
        built_in = {kind.name: kind for kind in BUILT_IN}
        for remedy in self.remedies(caller, service, failure_type, names):
            if remedy["kind"] in built_in and self._registered(service, remedy["kind"]) is None:
                caller.require_for_new(built_in[remedy["kind"]].permission, service)

    def remedies(
        self, caller: Caller, service: str, failure_type: str, names: Sequence[str] = ()
    ) -> list[dict[str, Any]]:  # Any: JSON values of mixed types
        """Return what is to be tried, in order, as the engine keeps it.

        Built-in strategies carry the bindings of who asked: they touch nothing that the caller may not touch.
        """
        target = self._targets().get(service)
        bindings = [binding.to_dict() for binding in caller.identity.bindings]
        declared = {} if target is None else {r.kind: r for chain in target.strategies.values() for r in chain}
        if names:
            return [remedy_document(declared.get(name, Remedy(kind=name)), bindings) for name in names]
        if target is not None and target.chain(failure_type):
            return [remedy_document(remedy, bindings) for remedy in target.chain(failure_type)]
        chain = [Remedy(kind=strategy.name) for strategy in self.runner.chain(service, failure_type)]
        return [remedy_document(remedy, bindings) for remedy in chain or [Remedy(kind=BUILT_IN[0].name)]]

    def make(self, target: Target, remedy: RemedyDocument, requested_by: str) -> RecoveryStrategy:
        """Make the strategy of a remedy.

        Raises:
            NotFoundError: when there is none of that name any more.
            ConfigError: when its options are not what the kind takes.
        """
        name = remedy["kind"]
        registered = self._registered(target.name, name) or self._registered(target.service, name)
        if registered is not None:
            return registered
        for kind in BUILT_IN:
            if kind.name == name:
                return kind(self._errand(target.service, _caller(remedy, requested_by)))
        found = strategy_kinds().get(name)
        if found is None:
            raise NotFoundError("recovery strategy", name)
        return found.build(self._context(target), found.options.from_dict(dict(remedy.get("options", {}))))

    def traits(self, target: Target, remedy: RemedyDocument) -> Traits:
        """Return what a strategy says about itself, without making it."""
        name = remedy["kind"]
        registered = self._registered(target.name, name) or self._registered(target.service, name)
        if registered is not None:  # whoever wrote the program has vouched for it by registering it there
            found = traits_of(registered)
            return found if found.known else Traits(idempotency=found.idempotency)
        kind: StrategyKind | None = strategy_kinds().get(name)
        return Traits() if kind is None else kind.traits

    def known_traits(self, target: Target, name: str) -> Traits | None:
        """Return what a strategy says about itself; None when there is none of that name."""
        registered = self._registered(target.name, name) or self._registered(target.service, name)
        if registered is None and name not in strategy_kinds() and all(kind.name != name for kind in BUILT_IN):
            return None
        return self.traits(target, {"kind": name})

    def _registered(self, service: str, name: str) -> RecoveryStrategy | None:
        return next((strategy for strategy, _ in self.runner.registered(service) if strategy.name == name), None)


def remedy_document(remedy: Remedy, bindings: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:  # Any: JSON values
    """Return a remedy as the engine keeps it."""
    found: dict[str, Any] = {
        "kind": remedy.kind,
        "options": dict(remedy.options),
        "attempts": remedy.attempts,
        "approval": remedy.approval,
    }
    if bindings and any(kind.name == remedy.kind for kind in BUILT_IN):
        found["bindings"] = list(bindings)
    return found


def _caller(remedy: RemedyDocument, requested_by: str) -> Caller:
    """Return who asked for a recovery, with what they might do then."""
    if requested_by == SYSTEM.identity.id:
        return SYSTEM
    bindings = tuple(Binding.from_dict(binding) for binding in remedy.get("bindings", ()))
    return Caller(Identity(requested_by, IdentityKind.TOKEN, bindings=bindings))


def _described(name: str) -> str | None:
    kind = strategy_kinds().get(name)
    return None if kind is None else kind.description
