"""Kinds of strategies: those that ship, and those that a program or a package registers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.clock import Clock
from ..core.config.base import Config
from ..recovery.runbook import Runbook
from ..recovery.strategy import RecoveryStrategy, Traits
from ..recovery.symptom import Depth, Look
from ..recovery.target import Target

if TYPE_CHECKING:
    from ..outbound.policy import OutboundPolicy


class Orders(Protocol):
    """What a strategy may order of the control plane; each order is on disk and in the audit log when it returns."""

    def reset_circuit(self, circuit: str, reason: str) -> None:
        """Reset a circuit on every replica."""

    def isolate_circuit(self, circuit: str, reason: str) -> None:
        """Hold a circuit open on every replica."""

    def release_circuit(self, circuit: str, reason: str) -> None:
        """End the isolation of a circuit."""

    def degrade(self, service: str, level: int, reason: str) -> None:
        """Hold a service at a degradation level, 1 to 4; 0 restores it."""

    def point(self, endpoint: str, address: str, reason: str) -> None:
        """Have the callers of an endpoint use another address from now on."""

    def address_of(self, endpoint: str) -> str | None:
        """Return the address that callers of an endpoint use now, or None."""

    def notify(self, text: str) -> None:
        """Tell people."""


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What a strategy is made for and may use. All of it may block; strategies run in threads of their own.

    Arguments:
        target: The target.
        directory: Folder for files of its own, such as pidfiles and logs.
        outbound: Which addresses may be spoken to.
        probe: Takes fresh looks at the target, at these depths, one for each check.
        orders: The control plane.
        clock: Source of time and waiting.
        runbooks: Programs that may be run, by name.
    """

    target: Target
    directory: Path
    outbound: OutboundPolicy
    probe: Callable[[Collection[Depth]], list[Look]]
    orders: Orders
    clock: Clock
    runbooks: Mapping[str, Runbook] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.fromtimestamp(self.clock.time(), UTC)


Build = Callable[[StrategyContext, Any], RecoveryStrategy]  # Any: an object of the kind's `options` class


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """A kind of strategy.

    Arguments:
        name: As a configuration names it.
        options: Class that validates the strategy's options.
        traits: What it says about itself; a built strategy may say more in its own `traits`.
        description: One sentence.
        build: Makes the strategy for a target.
    """

    name: str
    options: type[Config]
    traits: Traits
    description: str
    build: Build


_KINDS: dict[str, StrategyKind] = {}
_SHIPPED: set[str] = set()
_OWN: set[str] = set()


def register(kind: StrategyKind) -> None:
    """Add a kind of a program or package; it stands in for any other of its name, and for no strategy that is known."""
    _OWN.add(kind.name)
    _KINDS[kind.name] = replace(kind, traits=replace(kind.traits, known=False))


def ship(kind: StrategyKind) -> None:
    """Add a kind of this package, unless a program has its own of that name."""
    _SHIPPED.add(kind.name)
    _KINDS.setdefault(kind.name, kind)


def replaced_strategies() -> list[str]:
    """Return the names of shipped kinds that kinds of a program or package stand in for."""
    return sorted(strategy_kinds().keys() & _SHIPPED & _OWN)


def strategy_kinds() -> Mapping[str, StrategyKind]:
    """Return all kinds by name: those that ship, those of installed packages, and those registered here."""
    from . import shipped

    shipped.load()
    return _KINDS
