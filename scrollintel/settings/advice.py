"""What in valid settings is most likely not meant: circles, dead references, and repairs that can never happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..actions.kinds import replaced_strategies, strategy_kinds
from ..recovery.planner import may_restart
from ..recovery.symptom import RESTARTABLE, Depth
from ..recovery.target import DEFAULT_CHAIN, Mode, Remedy, Target
from ..watch.kinds import replaced_checks
from .addresses import Address, addresses, refusal
from .graph import circles
from .settings import Settings
from .slips import slips

_STORES = frozenset({"postgresql", "redis"})
_NEEDED = {"restart-process": "process", "stop-then-start": "process", "restart-unit": "unit"}
"""What strategies that ship need of their target."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to look at.

    Attributes:
        code: What sort of thing, for programs.
        about: The target or service.
        location: File and line, or None.
        detail: One sentence.
    """

    code: str
    about: str
    location: str | None
    detail: str

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return {"code": self.code, "about": self.about, "location": self.location, "detail": self.detail}


def advise(settings: Settings) -> tuple[Advice, ...]:
    """Return everything in the settings that is most likely not meant."""
    found = [*_dependencies(settings), *_replaced(settings)]
    sizes = Counter(target.group for target in settings.targets if target.group is not None)
    for target in settings.targets:
        for code, detail in (
            *_group(target, sizes),
            *_checks(target, settings),
            *_strategies(target, settings),
            *slips(target),
        ):
            found.append(Advice(code, target.name, target.location, detail))
    return tuple(dict.fromkeys(found))


def _replaced(settings: Settings) -> Iterator[Advice]:
    location = settings.sources.get("recovery.plugins")
    for what, names in (("check", replaced_checks()), ("strategy", replaced_strategies())):
        for name in names:
            detail = f"The {what} {name} is one that a plugin brings, in place of the one that ships."
            yield Advice("replaced_kind", name, location, detail)


def _dependencies(settings: Settings) -> Iterator[Advice]:
    declared = {item.service.name: item for item in settings.declared.services}
    for name, item in declared.items():
        for needed, kind in item.service.depends_on:
            if needed not in declared:
                detail = f"{name} depends on {needed} ({kind}), which is not declared."
                yield Advice("unknown_dependency", name, item.location, detail)
    needs = {name: [needed for needed, _ in item.service.depends_on] for name, item in declared.items()}
    for circle in circles(needs):
        detail = f"{', '.join(circle)} depend on each other in a circle: none of them is a root cause by itself."
        yield Advice("dependency_cycle", circle[0], declared[circle[0]].location, detail)


def _group(target: Target, sizes: Counter[str]) -> Iterator[tuple[str, str]]:
    if target.group is not None and sizes[target.group] == 1:
        yield "group_of_one", f"The group {target.group} has one member, which nothing stands in for."


def _checks(target: Target, settings: Settings) -> Iterator[tuple[str, str]]:
    others = _addresses_of_others(target, settings)
    for check in target.checks:
        spoken = list(addresses(check.options))
        if check.depth is Depth.ALIVE:
            owner = next((others[address] for address in spoken if address in others), None)
            if owner is not None or (check.kind in _STORES and target.depends_on):
                what = f"at {owner}" if owner is not None else f"at a store ({check.kind})"
                yield (
                    "alive_looks_at_dependency",
                    f"The check {check.name} is alive and looks {what}: when that is down, {target.name} is restarted"
                    " for nothing. Let it be ready or deep.",
                )
        for host, _ in spoken:
            missing = refusal(host, settings.outbound)
            if missing is not None:
                yield "address_not_allowed", f"The check {check.name} cannot reach {host}; it needs {missing}."
    if target.mode is Mode.RECOVER and all(check.depth is Depth.ALIVE for check in target.checks):
        yield "no_proof", "No check is ready or deep, so that a repair cannot be proved to have helped."


def _addresses_of_others(target: Target, settings: Settings) -> dict[Address, str]:
    own = {address for check in target.checks if check.depth is not Depth.ALIVE for address in addresses(check.options)}
    return {
        address: other.name
        for other in settings.targets
        if other.service != target.service
        for check in other.checks
        for address in addresses(check.options)
        if address[1] is not None and address not in own
    }


def _strategies(target: Target, settings: Settings) -> Iterator[tuple[str, str]]:
    if target.mode is Mode.RECOVER and not any(target.strategies.values()):
        yield "no_strategy", "It may be repaired (mode recover), and no strategy says how."
    for failure_type, chain in target.strategies.items():
        for remedy in chain:
            yield from _remedy(target, failure_type, remedy, settings)


def _remedy(target: Target, failure_type: str, remedy: Remedy, settings: Settings) -> Iterator[tuple[str, str]]:
    kind = strategy_kinds().get(remedy.kind)
    needed = _NEEDED.get(remedy.kind)
    if needed is not None and getattr(target, needed) is None and needed not in remedy.options:
        yield "nothing_to_restart", f"{remedy.kind} needs a {needed}, and {target.name} has none."
    if (
        kind is not None
        and kind.traits.restarts
        and not may_restart(target, failure_type)
        and failure_type != DEFAULT_CHAIN
    ):
        yield (
            "restart_without_alive",
            f"{remedy.kind} restarts, and {failure_type} is no failure of alive: it is passed over there. It may stand"
            f" under {', '.join(sorted(RESTARTABLE))}, and under what a check of alive tells of.",
        )
    for host, _ in addresses(remedy.options):
        missing = refusal(host, settings.outbound)
        if missing is not None:
            yield "address_not_allowed", f"{remedy.kind} cannot reach {host}; it needs {missing}."
    runbook = remedy.options.get("runbook")
    if isinstance(runbook, str) and runbook not in settings.runbooks:
        known = ", ".join(sorted(settings.runbooks)) or "there are none"
        yield "unknown_runbook", f"{remedy.kind} names the runbook {runbook}, which is not listed ({known})."
