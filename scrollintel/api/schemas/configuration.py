"""Configuration values as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

from ...control.records import ConfigurationRecord
from .bodies import Strict, Text


def _without_null_characters(value: Any) -> Any:  # Any: a JSON value
    if _has_null_character(value):
        raise PydanticCustomError("null_character", "must not hold the character U+0000")
    return value


def _has_null_character(value: Any) -> bool:  # Any: a JSON value
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_null_character(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_null_character(part) for part in value)


class ConfigurationSet(Strict):
    """A value to keep: any JSON of up to 64 KiB; one that is `secret` is sealed and never shown again."""

    value: Annotated[Any, AfterValidator(_without_null_characters)]  # Any: a JSON value
    secret: bool = False
    description: Text | None = None


class ConfigurationShown(BaseModel):
    """A value; of a secret one a keyed hash, or null when it cannot be opened now."""

    key: str
    secret: bool
    value: Any = None
    digest: str | None = None
    revision: int
    description: str | None
    updated_at: datetime
    updated_by: str


class ConfigurationPage(BaseModel):
    """A page of values, by key."""

    items: list[ConfigurationShown]
    next_cursor: str | None


def value_document(record: ConfigurationRecord, digest: str | None) -> dict[str, Any]:  # Any: JSON values
    """Return a value as JSON values."""
    shown = {"digest": digest} if record.secret else {"value": record.value}
    return {
        "key": record.key,
        "secret": record.secret,
        **shown,
        "revision": record.revision,
        "description": record.description,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
    }
