"""What a settings file declares: policies, circuit breakers and services.

A declaration is in force from the start and read-only in the API, which says where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from ..core.config import CircuitBreakerConfig, Policy
from ..core.config.base import NAME_ALLOWED, Config, InvalidValue, Rule, integer, name, name_problem
from ..core.errors import ConfigError, Violation
from . import rules
from .document import Document
from .findings import Findings

DEPENDENCY_KINDS = ("hard", "soft", "fallback")
MAX_DEPENDENCIES = 100


def _dependencies() -> dict[str, Rule]:
    def one(item: object) -> tuple[str, str]:
        if isinstance(item, str):
            item = {"name": item}
        elif isinstance(item, tuple) and len(item) == 2:  # as this rule itself gives it
            item = {"name": item[0], "kind": item[1]}
        if not isinstance(item, Mapping) or not {"name"} <= set(item) <= {"name", "kind"}:
            raise InvalidValue
        kind = item.get("kind", "hard")
        if name_problem(item["name"]) or kind not in DEPENDENCY_KINDS:
            raise InvalidValue
        return item["name"], kind

    def convert(value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, list | tuple) or len(value) > MAX_DEPENDENCIES:
            raise InvalidValue
        found = tuple(one(item) for item in value)
        if len({dependency for dependency, _ in found}) < len(found):
            raise InvalidValue
        return found

    allowed = f"a list of at most {MAX_DEPENDENCIES} names or {{name, kind}}, each name once; kind is hard, soft or "
    dump: Callable[[tuple[tuple[str, str], ...]], object] = lambda value: [  # noqa: E731
        {"name": dependency, "kind": kind} for dependency, kind in value
    ]
    return {"rule": Rule(convert, allowed + "fallback", dump=dump)}


@dataclass(frozen=True, slots=True)
class ServiceDeclaration(Config):
    """A service and what it needs.

    Arguments:
        name: 1 to 200 characters without control characters.
        tier: How much depends on it; 1 (most) to 5, default 3.
        owner: Who answers for it.
        description: One line for people.
        depends_on: Names of services, or pairs of name and kind: `hard` (default), `soft` (works without it, worse) or
            `fallback` (only used when another fails).
    """

    name: str = field(metadata=name())
    _: KW_ONLY
    tier: int = field(default=3, metadata=integer(minimum=1, maximum=5))
    owner: str | None = field(default=None, metadata=rules.text(optional=True))
    description: str | None = field(default=None, metadata=rules.text(optional=True))
    depends_on: tuple[tuple[str, str], ...] = field(default=(), metadata=_dependencies())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that a service does not wait for itself."""
        if not broken & {"name", "depends_on"} and any(needed == self.name for needed, _ in self.depends_on):
            yield Violation("depends_on", self.name, "names of other services")


@dataclass(frozen=True, slots=True)
class DeclaredPolicy:
    """A policy of the file; a declared circuit breaker is a policy with that breaker and nothing else.

    `service` None means all replicas; `location` is file name and line.
    """

    policy: Policy
    service: str | None
    location: str


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """A service of the file, with file name and line."""

    service: ServiceDeclaration
    location: str


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that a settings file declares."""

    policies: tuple[DeclaredPolicy, ...] = ()
    services: tuple[DeclaredService, ...] = ()


DECLARATIONS = ("circuit_breakers", "policies", "services")


def read_declared(document: Document, findings: Findings) -> Declared:
    """Return what a file declares; every mistake is noted in `findings`."""
    if document.path is None:
        return Declared()
    policies: list[DeclaredPolicy] = []
    names: dict[str, str] = {}
    for kind in ("circuit_breakers", "policies"):
        for index, row in _rows(document, kind, findings):
            declared = _policy(document, kind, index, row, findings)
            if declared is not None and _is_new(declared.policy.name, (kind, index), document, names, findings):
                policies.append(declared)
    services: list[DeclaredService] = []
    names = {}
    for index, row in _rows(document, "services", findings):
        try:
            service = ServiceDeclaration.from_dict(row)
        except ConfigError as error:
            findings.take(error, _places(document, "services", index))
            continue
        if _is_new(service.name, ("services", index), document, names, findings):
            services.append(DeclaredService(service, document.location(("services", index))))
    return Declared(tuple(policies), tuple(services))


def _rows(document: Document, kind: str, findings: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = document.content.get(kind, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        findings.add(document.where((kind,)), rows, f"tables headed [[{kind}]]")
        return
    yield from enumerate(rows)


def _places(document: Document, kind: str, index: int) -> Callable[[str], str]:
    return lambda name: document.where((kind, index, *(part for part in name.split(".") if part != "(root)")))


def _policy(
    document: Document, kind: str, index: int, row: dict[str, Any], findings: Findings
) -> DeclaredPolicy | None:
    content = dict(row)
    service = content.pop("service", None)
    if service is not None and name_problem(service):
        findings.add(document.where((kind, index, "service")), service, f"{NAME_ALLOWED}; or left out")
        service = None
    try:
        if kind == "policies":
            policy = Policy.from_dict(content)
        else:
            breaker = CircuitBreakerConfig.from_dict(content)
            policy = Policy(breaker.name, breaker=breaker)
    except ConfigError as error:
        findings.take(error, _places(document, kind, index))
        return None
    if policy.breaker is not None and policy.breaker.name != policy.name:
        allowed = f"{policy.name!r}, as the policy: its circuit has the same name"
        findings.add(document.where((kind, index, "breaker", "name")), policy.breaker.name, allowed)
        return None
    return DeclaredPolicy(policy, service, document.location((kind, index)))


def _is_new(found: str, path: tuple[str, int], document: Document, names: dict[str, str], findings: Findings) -> bool:
    where = document.where((*path, "name"))
    if found in names:
        findings.add(where, found, f"a name of its own ({names[found].partition(' ')[0]} has it)")
        return False
    names[found] = where
    return True
