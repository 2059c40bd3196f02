"""Kinds of checks: those that ship, and those that a program or a package registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..core.config.base import Config
from ..recovery.symptom import Depth, Look
from ..recovery.target import Check, Target

if TYPE_CHECKING:
    from ..outbound.policy import OutboundPolicy


class Probe(Protocol):
    """One check of one target, ready to look. Used on the event loop of the watcher."""

    async def look(self) -> Look:
        """Look once; bounded by the check's timeout by whoever calls it.

        A failed look is a result. An exception counts as a failed look as well, with its class as detail.
        """

    async def close(self) -> None:
        """Let go of sockets and files; it may be opened again by the next look."""


@runtime_checkable
class Sentinel(Protocol):
    """A probe that notices something by itself, between the looks."""

    async def lost(self) -> Look:
        """Return a bad look the moment that it happens: a process exits, a held connection ends.

        Raises:
            Exception: when there is nothing to wait for now; it is tried again after the check's interval.
        """


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe may use.

    Arguments:
        outbound: Which addresses may be spoken to.
        pid_of: Number and start time (as `psutil.Process.create_time()` gives it) of a target's process, or None.
    """

    outbound: OutboundPolicy
    pid_of: Callable[[Target], tuple[int, float] | None]


Build = Callable[[Target, Check, Any, ProbeContext], Probe]  # Any: an object of the kind's `options` class


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A kind of check.

    Arguments:
        name: As a configuration names it.
        options: Class that validates the check's options.
        depth: Depth of a check that names none.
        description: One sentence.
        build: Makes the probe of a target.
    """

    name: str
    options: type[Config]
    depth: Depth
    description: str
    build: Build


_KINDS: dict[str, CheckKind] = {}
_SHIPPED: set[str] = set()
_OWN: set[str] = set()


def register(kind: CheckKind) -> None:
    """Add a kind of a program or package; it stands in for any other of its name."""
    _OWN.add(kind.name)
    _KINDS[kind.name] = kind


def ship(kind: CheckKind) -> None:
    """Add a kind of this package, unless a program has its own of that name."""
    _SHIPPED.add(kind.name)
    _KINDS.setdefault(kind.name, kind)


def replaced_checks() -> list[str]:
    """Return the names of shipped kinds that kinds of a program or package stand in for."""
    return sorted(check_kinds().keys() & _SHIPPED & _OWN)


def check_kinds() -> Mapping[str, CheckKind]:
    """Return all kinds by name: those that ship, those of installed packages, and those registered here."""
    from . import shipped

    shipped.load()
    return _KINDS
