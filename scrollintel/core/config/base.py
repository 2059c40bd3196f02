"""How a configuration validates, describes and serialises itself."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, Self, TypeVar

from ..errors import ConfigError, Violation
from .known_names import one_of

SCHEMA_VERSION = 1
MAX_NAME_LENGTH = 200

E = TypeVar("E", bound=Enum)


class InvalidValue(Exception):
    """A value does not fit its rule; carried to the loop that collects violations."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What one field accepts: a conversion that raises on a bad value, and the words for what is allowed."""

    convert: Callable[[Any], Any]  # Any: the value is whatever the user passed
    allowed: str
    unit: str = ""
    optional: bool = False
    hook: bool = False
    dump: Callable[[Any], Any] | None = None  # Any: JSON values of mixed types
    schema: Mapping[str, Any] | None = None  # Any: JSON values of mixed types

    def json_schema(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return what the field accepts as a JSON Schema (draft 2020-12)."""
        schema = {} if self.schema is None else dict(self.schema)
        return {"anyOf": [schema, {"type": "null"}]} if self.optional and schema else schema

    def apply(self, value: object) -> object:
        """Return the normalised value; raises `InvalidValue` when it does not fit."""
        if value is None and self.optional:
            return None
        return self.convert(value)

    def text(self) -> str:
        """Return the allowed range as a reader sees it."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.allowed}{unit}" + (" or None" if self.optional else "")


def _range(kind: str, minimum: float, maximum: float, above: bool) -> str:
    lower = f"{kind} above {minimum:g}" if above else f"{kind} of at least {minimum:g}"
    return lower if maximum == math.inf else f"{lower} and at most {maximum:.12g}"


def number(
    *, minimum: float = 0.0, maximum: float = math.inf, above: bool = False, unit: str = "", optional: bool = False
) -> dict[str, Rule]:
    """Accept a finite real number; `above` makes the lower bound exclusive."""

    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValue
        try:
            result = float(value)
        except OverflowError:
            raise InvalidValue from None
        if not math.isfinite(result) or result > maximum or result < minimum or (above and result == minimum):
            raise InvalidValue
        return result

    schema: dict[str, Any] = {"type": "number", "exclusiveMinimum" if above else "minimum": minimum}
    if maximum != math.inf:
        schema["maximum"] = maximum
    return {"rule": Rule(convert, _range("a finite number", minimum, maximum, above), unit, optional, schema=schema)}


def integer(*, minimum: int = 0, maximum: float = math.inf, unit: str = "", optional: bool = False) -> dict[str, Rule]:
    """Accept a whole number; booleans and floats are refused."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise InvalidValue
        return value

    # Numbers beyond 2**53 are not the same number for every reader of JSON (RFC 8259, section 6).
    schema = {"type": "integer", "minimum": minimum, "maximum": int(min(maximum, 2**53 - 1))}
    return {"rule": Rule(convert, _range("a whole number", minimum, maximum, False), unit, optional, schema=schema)}


def boolean(*, optional: bool = False) -> dict[str, Rule]:
    """Accept True or False and nothing that merely looks like them."""

    def convert(value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue
        return value

    return {"rule": Rule(convert, "True or False", optional=optional, schema={"type": "boolean"})}


_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line separators (they break a log line in two) and lone surrogates (UTF-8 has none)."""


def name_problem(value: object) -> bool:
    """Tell whether `value` is unusable as a name: blank, over 200 characters, or with control characters."""
    return (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > MAX_NAME_LENGTH
        or _UNUSABLE.search(value) is not None
    )


NAME_PATTERN = (
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s\x00-\x1f\x7f-\x9f\u2028\u2029][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
)
"""The same as `name_problem` says, for JSON Schemas."""

NAME_ALLOWED = f"text of 1 to {MAX_NAME_LENGTH} characters, not blank and without control characters"


def check_name(value: object, subject: str = "name") -> str:
    """Return `value` when it is a valid name; raises ConfigError otherwise."""
    if name_problem(value):
        raise ConfigError(subject, [Violation("name", value, NAME_ALLOWED)])
    assert isinstance(value, str)
    return value


def name(*, optional: bool = False) -> dict[str, Rule]:
    """Accept a name that can be shown, logged and put in a path."""

    def convert(value: object) -> str:
        if name_problem(value):
            raise InvalidValue
        assert isinstance(value, str)
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": NAME_PATTERN}
    return {"rule": Rule(convert, NAME_ALLOWED, optional=optional, schema=schema)}


def choice(kind: type[E], *, aliases: Mapping[object, E] | None = None, optional: bool = False) -> dict[str, Rule]:
    """Accept a member of an enumeration or its value; `aliases` map further inputs to members."""

    def convert(value: object) -> E:
        if aliases is not None and isinstance(value, bool | str) and value in aliases:
            return aliases[value]
        try:
            return kind(value)
        except ValueError:
            raise InvalidValue from None

    values = [*(member.value for member in kind), *(aliases or ())]
    words = ", ".join(repr(value) for value in values)
    schema = {"enum": values}
    return {"rule": Rule(convert, f"one of {words}", "", optional, dump=lambda member: member.value, schema=schema)}


def _names_error(spec: object) -> bool:
    if isinstance(spec, str):
        # A class defined in a function is called "module.function.<locals>.Name".
        return all(part.isidentifier() or part == "<locals>" for part in spec.split("."))
    return isinstance(spec, type) and issubclass(spec, BaseException)


def errors() -> dict[str, Rule]:
    """Accept exception classes or their names, as a tuple, list or set."""

    def convert(value: object) -> tuple[object, ...]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise InvalidValue
        listed = tuple(value)
        if not all(_names_error(spec) for spec in listed):
            raise InvalidValue
        return listed

    def dump(listed: tuple[object, ...]) -> list[str]:
        return [f"{s.__module__}.{s.__qualname__}" if isinstance(s, type) else str(s) for s in listed]

    schema = {
        "type": "array",
        "items": {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"},
    }
    return {"rule": Rule(convert, "a list of exception classes or of their names", dump=dump, schema=schema)}


def hook() -> dict[str, Rule]:
    """Accept a callable or None; hooks are code, so they are left out of `to_dict`."""

    def convert(value: object) -> object:
        if not callable(value):
            raise InvalidValue
        return value

    return {"rule": Rule(convert, "a callable", "", optional=True, hook=True)}


def nested(
    kind: type[Config],
    *,
    shorthand: Callable[[Any], Any] | None = None,  # Any: the value is whatever the user passed
    words: str = "",
) -> dict[str, Rule]:
    """Accept another configuration, a dict of its fields, a shorthand for it (described by `words`), or None."""

    def convert(value: object) -> Config:
        if isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind.from_dict(value)
        if shorthand is not None and not isinstance(value, bool):
            converted = shorthand(value)
            if isinstance(converted, kind):
                return converted
        raise InvalidValue

    article = "an" if kind.__name__[0] in "AEIO" else "a"
    allowed = f"{article} {kind.__name__}" + (f" or {words}" if words else "")
    schema = kind.json_schema()
    return {"rule": Rule(convert, allowed, optional=True, dump=lambda config: config.to_dict(), schema=schema)}


class Config:
    """Base of the frozen configurations: validates on creation, serialises to plain JSON values."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # Any: as typeshed declares it

    def __post_init__(self) -> None:
        """Normalise every field and raise one ConfigError that names all violations."""
        violations: list[Violation] = []
        for item in dataclasses.fields(self):
            rule: Rule = item.metadata["rule"]
            value = getattr(self, item.name)
            try:
                object.__setattr__(self, item.name, rule.apply(value))
            except InvalidValue:
                violations.append(Violation(item.name, value, rule.text()))
            except ConfigError as error:
                violations.extend(
                    Violation(f"{item.name}.{v.field}".replace(".[", "["), v.value, v.allowed) for v in error.violations
                )
        broken = {violation.field for violation in violations}
        broken |= {re.split(r"[.\[]", field, maxsplit=1)[0] for field in broken}
        violations.extend(v for v in self._conflicts(broken) if v.field not in broken)
        if violations:
            raise ConfigError(type(self).__name__, violations)

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Yield violations between fields; `broken` names the fields that are invalid by themselves."""
        yield from ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the fields as JSON values, without hooks; `from_dict` reads them back."""
        result: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            rule: Rule = item.metadata["rule"]
            if rule.hook:
                continue
            value = getattr(self, item.name)
            result[item.name] = rule.dump(value) if rule.dump is not None and value is not None else value
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # Any: the value is whatever the user passed
        """Build from a mapping such as parsed JSON or TOML.

        Raises:
            ConfigError: when a key is unknown or missing or a value does not fit; all are listed.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(cls.__name__, [Violation("(root)", data, "a mapping of field names to values")])
        known = {item.name: item for item in dataclasses.fields(cls)}
        violations = [
            Violation(str(key), value, one_of(known, key, "fields")) for key, value in data.items() if key not in known
        ]
        fields = {key: value for key, value in data.items() if key in known}
        for item in known.values():
            required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            if required and item.name not in fields:
                violations.append(Violation(item.name, None, f"given: {item.metadata['rule'].text()}"))
                fields[item.name] = None
        missing = {violation.field for violation in violations}
        try:
            config = cls(**fields)
        except ConfigError as error:
            violations.extend(v for v in error.violations if v.field not in missing)
            raise ConfigError(cls.__name__, violations) from None
        if violations:
            raise ConfigError(cls.__name__, violations)
        return config

    @classmethod
    def json_schema(cls) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return what `from_dict` accepts as a JSON Schema (draft 2020-12); rules between fields are not in it."""
        properties: dict[str, Any] = {}
        required: list[str] = []
        for item in dataclasses.fields(cls):
            rule: Rule = item.metadata["rule"]
            if rule.hook:
                continue
            schema = rule.json_schema()
            if rule.unit:
                schema["description"] = f"in {rule.unit}"
            if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                required.append(item.name)
            elif item.default is not dataclasses.MISSING:
                schema["default"] = _dumped(rule, item.default)
            properties[item.name] = schema
        return {
            "title": cls.__name__,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    @classmethod
    def describe(cls) -> dict[str, dict[str, Any]]:  # Any: JSON values of mixed types
        """Return default, allowed range and unit of every field, for documentation and edges."""
        described: dict[str, dict[str, Any]] = {}
        for item in dataclasses.fields(cls):
            rule: Rule = item.metadata["rule"]
            default = None if item.default is dataclasses.MISSING else _dumped(rule, item.default)
            described[item.name] = {
                "default": default,
                "required": item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING,
                "allowed": rule.text(),
                "unit": rule.unit,
            }
        return described


def _dumped(rule: Rule, value: Any) -> Any:  # Any: JSON values of mixed types
    return rule.dump(value) if rule.dump is not None and value is not None else value


@dataclasses.dataclass(frozen=True, slots=True)
class NoOptions(Config):
    """A configuration without fields."""
