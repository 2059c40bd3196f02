"""What every table shares: the base, naming, kinds of columns, and types that mean the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import TIMESTAMP, BigInteger, CheckConstraint, Dialect, Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME_LENGTH = 200
"""Characters of a name, as `scrollintel.core.config.base.MAX_NAME_LENGTH` allows them."""

Json = Any  # Any: a JSON value of any shape
DataClass = Literal["operational", "personal", "secret"]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name that follows from its columns, so that a migration can drop it on both databases."""


class Base(DeclarativeBase):
    """Base of all tables; `Base.metadata` holds them."""

    metadata = MetaData(naming_convention=NAMING)


def to_microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970-01-01 UTC; raises ValueError for a datetime without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    elapsed = moment - EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def from_microseconds(value: int) -> datetime:
    """Return the moment in UTC, exact to the microsecond."""
    return EPOCH + timedelta(microseconds=value)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always aware and in UTC.

    PostgreSQL stores `timestamptz`, SQLite whole microseconds since 1970-01-01 UTC: eight bytes that sort right and
    lose nothing. A datetime without a time zone is refused with ValueError.
    """

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # Any: int or datetime, by database
        """Return the type that the database stores."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # Any: int or datetime, by database
        """Return what is sent to the database."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return to_microseconds(value)
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # Any: int or datetime
        """Return the moment in UTC."""
        if value is None:
            return None
        return from_microseconds(value) if isinstance(value, int) else value.astimezone(UTC)

    @property
    def python_type(self) -> type[datetime]:
        """The type that programs see."""
        return datetime


def canonical_json(value: Json) -> str:
    """Return compact JSON with sorted keys.

    Raises:
        ValueError: for NaN, infinities, lone surrogates and the character U+0000, which PostgreSQL cannot store.
        TypeError: for what is not a JSON value.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if "\\u0000" in text and _has_null_character(value):
        raise ValueError("JSON text must not hold the character U+0000")
    text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return text


def _has_null_character(value: Json) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_null_character(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(_has_null_character(part) for part in value)


class JsonDocument(TypeDecorator[Json]):
    """A JSON value: `jsonb` on PostgreSQL, canonical compact text on SQLite; None is SQL NULL on both.

    What one of them could not store is refused by both, see `canonical_json`.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # Any: a JSON value of any shape
        """Return the type that the database stores."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else _JSONB)

    def bind_processor(self, dialect: Dialect) -> Callable[[Json], str | None]:
        """Return the function that makes what is sent to the database: text on both."""
        return lambda value: None if value is None else canonical_json(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Json], Json]:
        """Return the function that reads what the database gives: text on SQLite, a decoded value on PostgreSQL."""
        if dialect.name == "sqlite":
            return lambda value: None if value is None else json.loads(value)
        return lambda value: value

    @property
    def python_type(self) -> type[object]:
        """The type that programs see."""
        return object


_JSONB = JSONB(none_as_null=True)

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives out: SQLite does so only for a column called INTEGER, which has 64 bits there."""

Columns = MappedColumn[Any]  # Any: the annotation beside each column says the type


def _classified(data: DataClass) -> Callable[..., Columns]:
    def column(*args: Any, **options: Any) -> Columns:  # Any: the arguments of `mapped_column`
        return mapped_column(*args, info={"data": data}, **options)

    return column


# The data inventory is made from these: a column that is made in another way fails a test.
operational = _classified("operational")
"""A column that says nothing about a person."""
personal = _classified("personal")
"""A column that names a person, or holds text in which somebody may have named one."""
secret = _classified("secret")
"""A column that gives access to something, or helps in guessing what does: digests, wrapped keys, sealed values."""


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Return a constraint that admits these values only (and NULL, where the column does)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f'"{column}" IN ({listed})', name=column)


def at_least(column: str, minimum: float, maximum: float | None = None) -> CheckConstraint:
    """Return a constraint on the range of a number; both ends belong to it."""
    if maximum is None:
        return CheckConstraint(f'"{column}" >= {minimum:g}', name=column)
    return CheckConstraint(f'"{column}" BETWEEN {minimum:g} AND {maximum:g}', name=column)
