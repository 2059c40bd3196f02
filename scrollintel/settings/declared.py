"""What a settings file declares: policies, circuit breakers and services.

A declaration is in force from the start and read-only in the API, which says where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any

from ..core.config import CircuitBreakerConfig, Policy
from ..core.config.base import NAME_ALLOWED, Config, integer, name, name_problem
from ..core.config.known_names import one_of
from ..core.config.presets import policy_of
from ..core.errors import ConfigError, Violation
from ..recovery.needs import needs
from ..recovery.selectors import SELECTOR_ALLOWED, is_everything
from ..recovery.target import Mode, Target
from . import rules
from .document import Document
from .findings import Findings
from .targets import SERVICE_KEYS, TARGET_KEYS, read_targets

_POLICY_FIELDS = (*(item.name for item in fields(Policy)), "service", "preset")


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
    depends_on: tuple[tuple[str, str], ...] = field(default=(), metadata=needs())

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
    targets: tuple[Target, ...] = ()


DECLARATIONS = ("circuit_breakers", "policies", "services", "runbooks", "notifications")


def read_declared(document: Document, findings: Findings, mode: Mode = Mode.OBSERVE) -> Declared:
    """Return what a file declares; every mistake is noted in `findings`, and `mode` holds where a service has none."""
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
    targets: list[Target] = []
    names = {}
    for index, row in _rows(document, "services", findings):
        service = _service(document, index, row, findings)
        if service is not None and _is_new(service.service.name, ("services", index), document, names, findings):
            services.append(service)
        targets += _targets(document, index, row, service, mode, findings)
    _check_targets(document, targets, findings)
    return Declared(tuple(policies), tuple(services), tuple(targets))


def _service(document: Document, index: int, row: dict[str, Any], findings: Findings) -> DeclaredService | None:
    known = (*SERVICE_KEYS, *TARGET_KEYS)
    for key, value in row.items():
        if key not in known:
            findings.add(document.where(("services", index, key)), value, one_of(known, key, "fields"), secret=True)
    try:
        service = ServiceDeclaration.from_dict({key: row[key] for key in SERVICE_KEYS if key in row})
    except ConfigError as error:
        findings.take(error, _places(document, "services", index))
        return None
    return DeclaredService(service, document.location(("services", index)))


def _targets(
    document: Document, index: int, row: dict[str, Any], service: DeclaredService | None, mode: Mode, findings: Findings
) -> list[Target]:
    """Return the targets of a service; when its own keys are wrong the others are checked all the same."""
    assert document.path is not None

    def report(path: tuple[str | int, ...], value: object, allowed: str, *, secret: bool = False) -> None:
        findings.add(document.where(("services", index, *path)), value, allowed, secret=secret)

    if not any(key in row for key in TARGET_KEYS):
        return []
    if service is None:
        row = {key: value for key, value in row.items() if key in TARGET_KEYS} | {"name": "service"}
    elif is_everything(service.service.name):
        report(("name",), service.service.name, SELECTOR_ALLOWED)
        return []
    return read_targets(row, mode, document.location(("services", index)), document.path, report)


def _check_targets(document: Document, targets: list[Target], findings: Findings) -> None:
    """Refuse two targets of one name, such as the service `shop/a` and the replica `a` of `shop`."""
    seen: dict[str, Target] = {}
    for target in targets:
        other = seen.setdefault(target.name, target)
        if other.service != target.service:
            findings.add(f"{target.location} services", target.name, f"a name of its own ({other.location} has it)")


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
            for field_name in [key for key in content if key not in _POLICY_FIELDS]:
                allowed = one_of(_POLICY_FIELDS, field_name, "fields")
                findings.add(document.where((kind, index, field_name)), content.pop(field_name), allowed)
            policy = policy_of(content)
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
