"""A policy that takes part in a simulation, as a table of a file describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..core.config.base import InvalidValue, boolean, name_problem
from ..core.config.known_names import one_of
from ..core.config.policy import Policy
from ..core.config.presets import policy_of
from ..core.errors import ConfigError, Violation

_FLAG = boolean()["rule"]
_BESIDE = ("preset", "keyed")
"""Fields of a table beside those of a policy."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One policy of a comparison.

    Attributes:
        policy: What protects the calls.
        keyed: Whether each host has a circuit of its own.
    """

    policy: Policy
    keyed: bool = False

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the policy as JSON values."""
        return {**self.policy.to_dict(), "keyed": self.keyed}


def contenders(value: object) -> dict[str, Contender]:
    """Return policies by name from a mapping of tables, or of policies, in its order; a list of named tables will do.

    Raises:
        ConfigError: with every violation.
    """
    if isinstance(value, list | tuple):
        value = _named(value)
    if not isinstance(value, Mapping) or not value:
        raise InvalidValue
    found: dict[str, Contender] = {}
    wrong: list[Violation] = []
    for name, table in value.items():
        try:
            found[name] = contender(name, table)
        except ConfigError as error:
            wrong.extend(
                Violation(f"{name}.{v.field}".replace(".[", "[").removesuffix("."), v.value, v.allowed)
                for v in error.violations
            )
    if wrong:
        raise ConfigError("policies", wrong)
    return found


def _named(rows: Sequence[object]) -> dict[str, object]:
    """Return policies by name from a list of tables, as `[[policies]]` in `scrollintel.toml` has them."""
    found: dict[str, object] = {}
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or row["name"] in found:
            raise InvalidValue
        found[row["name"]] = {key: item for key, item in row.items() if key != "service"}
    return found


def contender(name: str, table: object) -> Contender:
    """Return one policy from its table: the fields of a policy, `keyed` and `preset`; names may be left out.

    Raises:
        ConfigError: with every violation.
    """
    if isinstance(table, Contender):
        return table
    if isinstance(table, Policy):
        return Contender(_checked(table))
    if not isinstance(table, Mapping) or name_problem(name):
        raise ConfigError("policy", [Violation("", table, "a table with the fields of a policy")])
    content = dict(table)
    keyed, wrong = content.pop("keyed", False), []
    try:
        keyed = bool(_FLAG.apply(keyed))
    except InvalidValue:
        wrong.append(Violation("keyed", keyed, _FLAG.text()))
        keyed = False
    known = [*(item.name for item in fields(Policy)), *_BESIDE]
    unknown = [key for key in content if key not in known]
    wrong.extend(Violation(str(key), content.pop(key), one_of(known, key, "fields")) for key in unknown)
    if content.get("key") is not None and not callable(content["key"]):
        wrong.append(Violation("key", content.pop("key"), "None; keyed = true gives each host its own circuit"))
    content.setdefault("name", name)
    try:
        policy = _checked(policy_of(content))
    except ConfigError as error:
        raise ConfigError("policy", [*wrong, *error.violations]) from None
    if keyed and policy.breaker is None:
        wrong.append(Violation("keyed", True, "False unless there is a breaker"))
    if wrong:
        raise ConfigError("policy", wrong)
    return Contender(policy, keyed)


def _checked(policy: Policy) -> Policy:
    if policy.limits.in_thread:
        allowed = "False in a simulation, which has one thread"
        raise ConfigError("policy", [Violation("timeout.in_thread", True, allowed)])
    probe = None if policy.breaker is None else policy.breaker.health_probe
    if probe is not None:
        allowed = "None in a simulation, which asks no real service"
        raise ConfigError("policy", [Violation("breaker.health_probe", probe, allowed)])
    return policy


def policies_of(data: Mapping[str, object]) -> dict[str, Contender]:
    """Return the policies of a file: `[policies.NAME]` as in a scenario, or `[[policies]]` as in `scrollintel.toml`.

    Raises:
        ConfigError: with every violation; also when there is none.
    """
    try:
        return contenders(data.get("policies"))
    except InvalidValue:
        allowed = "tables [policies.NAME], or [[policies]] with different names"
        raise ConfigError("policies", [Violation("policies", data.get("policies"), allowed)]) from None
    except ConfigError as error:
        wrong = [Violation(f"policies.{v.field}", v.value, v.allowed) for v in error.violations]
        raise ConfigError("policies", wrong) from None
