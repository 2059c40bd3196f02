"""What is measured: a bare call, hand-written floors, peers, and this library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Build = Callable[..., Any]
"""Wraps an operation; what comes back is called like the operation. Any: peers are not typed."""


class Kind(StrEnum):
    """Where a candidate comes from."""

    BARE = "bare"
    FLOOR = "floor"
    PEER = "peer"
    OURS = "ours"


class Form(StrEnum):
    """What a candidate is built from; a case measures one form.

    `PLAIN_BREAKER`, `COROUTINE_BREAKER`, `PLAIN_RETRY` and `COROUTINE_RETRY` wrap one operation. `COMBINED` and
    `COMBINED_TIMEOUT` wrap an operation and a fallback. `MANAGER` wraps a coroutine function without arguments.
    `CIRCUIT` takes a number and gives one circuit breaker, `USED_CIRCUIT` the same after a thousand calls. `KEYED`
    takes an operation of a key and a number, and how many keys there are; `HOSTS` an operation of a host and a number,
    and the hosts.
    """

    PLAIN_BREAKER = "plain breaker"
    COROUTINE_BREAKER = "coroutine breaker"
    PLAIN_RETRY = "plain retry"
    COROUTINE_RETRY = "coroutine retry"
    COMBINED = "combined"
    COMBINED_TIMEOUT = "combined with timeout"
    MANAGER = "manager"
    CIRCUIT = "circuit"
    USED_CIRCUIT = "used circuit"
    KEYED = "keyed"
    HOSTS = "hosts"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One competitor in one form. `promises` is False for a floor that protects nothing."""

    name: str
    kind: Kind
    build: Build
    promises: bool = True


@dataclass(slots=True)
class Field:
    """All candidates by form, and the peers that could not take part."""

    candidates: dict[Form, list[Candidate]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """Name of a candidate and the statement that imports it."""
    versions: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, form: Form, name: str, kind: Kind, build: Build, *, promises: bool = True) -> None:
        self.candidates.setdefault(form, []).append(Candidate(name, kind, build, promises))

    def of(self, form: Form) -> list[Candidate]:
        return list(self.candidates.get(form, []))
