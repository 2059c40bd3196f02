"""How request bodies become domain objects: configurations validate themselves, texts and names have their rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import PydanticCustomError, core_schema

from ...core.config.base import MAX_NAME_LENGTH, NAME_PATTERN, Config, check_name
from ...core.config.breaker import CircuitBreakerConfig
from ...core.config.policy import Policy
from ...core.config.presets import policy_of, policy_schema
from ...core.errors import ConfigError
from ...security.access import EVERY_SERVICE

C = TypeVar("C", bound=Config)


class Strict(BaseModel):
    """A request body: unknown fields are refused, and nothing is converted that only looks like the wanted type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OfConfig(Generic[C]):
    """Marks a field that holds a configuration: validated by the configuration itself, with all of its violations."""

    def __init__(
        self,
        kind: type[C],
        read: Callable[[Any], C] | None = None,  # Any: what a body holds
        schema: Callable[[], dict[str, Any]] | None = None,  # Any: JSON values
    ) -> None:
        self._kind = kind
        self._read: Callable[[Any], C] = read or kind.from_dict
        self._schema = schema or kind.json_schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Return the schema that builds the configuration."""
        kind, read = self._kind, self._read

        def build(value: object) -> C:
            if isinstance(value, kind):
                return value
            try:
                return read(value)
            except ConfigError as error:
                raise PydanticCustomError("invalid_config", "{reason}", _context(error)) from None

        return core_schema.no_info_plain_validator_function(build)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return what the configuration says of itself."""
        return self._schema()


def _context(error: ConfigError) -> dict[str, Any]:
    return {"reason": "not valid", "config_error": error}


class _NameRule:
    """Validates a name as the engine does."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def check(value: str) -> str:
            try:
                return check_name(value)
            except ConfigError as error:
                raise PydanticCustomError("invalid_name", "must be {allowed}", _allowed(error)) from None

        return core_schema.no_info_after_validator_function(check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH, "pattern": NAME_PATTERN}


def _allowed(error: ConfigError) -> dict[str, Any]:
    return {"allowed": error.violations[0].allowed}


class _NoStar:
    """Refuses the name that stands for all services in bindings."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def check(value: str) -> str:
            if value == EVERY_SERVICE:
                raise PydanticCustomError("invalid_name", '"*" stands for all services and names none')
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "not": {"const": EVERY_SERVICE}}


TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+$"

Name = Annotated[str, _NameRule()]
"""A name of the engine's: 1 to 200 characters, not blank, without control characters."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=TEXT_PATTERN)]
"""Free text of an operator: 1 to 1000 characters without control characters."""


def _written_out(value: object) -> object:
    """Refuse numbers, which would be taken for seconds since 1970."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("must be a moment in RFC 3339, such as 2026-01-31T09:30:00Z")
    return value


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def _within_the_calendar(value: datetime) -> datetime:
    """Return the moment in UTC; what no log can reach becomes the nearest that databases and calendars hold."""
    if value.year < 1970:
        return _EARLIEST
    return _LATEST if value.year >= 9999 else max(value.astimezone(UTC), _EARLIEST)


Moment = Annotated[
    AwareDatetime, BeforeValidator(_written_out), AfterValidator(_within_the_calendar), Field(strict=False)
]
"""A moment in RFC 3339 with its offset, in UTC afterwards."""

ServiceName = Annotated[Name, _NoStar()]
"""A name that a service can have."""

PathName = Annotated[Name, Path(description="1 to 200 characters")]
ServicePath = Annotated[ServiceName, Path(description="1 to 200 characters")]
CircuitBreakerBody = Annotated[CircuitBreakerConfig, OfConfig(CircuitBreakerConfig)]
PolicyBody = Annotated[Policy, OfConfig(Policy, policy_of, policy_schema)]

Limit = Annotated[int, Query(ge=1, le=1000, description="items of a page; default 100")]
Cursor = Annotated[str | None, Query(max_length=2000, description="next_cursor of the page before")]


class Reason(Strict):
    """Why something is done by hand."""

    reason: Text


class OptionalReason(Strict):
    """Why something is done by hand, where that may be left open."""

    reason: Text | None = None
