"""Declarations that a file makes, as the control plane takes them."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.config.policy import Policy
from .records import Dependency


@dataclass(frozen=True, slots=True)
class PolicyDeclaration:
    """A policy that a file declares, with the place where it does."""

    policy: Policy
    service: str | None
    location: str


@dataclass(frozen=True, slots=True)
class ServiceDeclaration:
    """A service that a file declares, with the place where it does."""

    name: str
    tier: int
    owner: str | None
    description: str | None
    depends_on: tuple[Dependency, ...]
    location: str


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything that a file declares."""

    policies: tuple[PolicyDeclaration, ...] = ()
    services: tuple[ServiceDeclaration, ...] = ()
