"""Rows for every table of the schema, made from its columns, so that a new table or column takes part by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Double, Integer, String, Table, insert, select

from scrollintel.models.base import JsonDocument, UtcDateTime
from scrollintel.models.fault_tolerance_models import metadata

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ODD_TEXT = "Ünïcödé 漢字 🎉 'quoted' \"double\" \\ back\nline\ttab % {brace} "
DOCUMENT = {"b": [1, 2.5, -0.1, 1e22, 1.0, None, True, "ü"], "a": {"z": {}, "y": []}, "": 9007199254740993}
CHOICES: dict[tuple[str, str], Any] = {
    ("circuit_breaker_configurations", "mode"): "enabled",
    ("circuit_breaker_configurations", "window_kind"): "count",
    ("circuit_breaker_states", "state"): "open",
    ("circuit_orders", "order"): "isolated",
    ("circuit_transitions", "old"): "closed",
    ("circuit_transitions", "new"): "open",
    ("health_checks", "status"): "degraded",
    ("recovery_operations", "outcome"): "recovered",
    ("recovery_operations", "status"): "finished",
    ("retry_configurations", "jitter"): "full",
    ("role_bindings", "role"): "operator",
    ("policies", "source"): "file",
    ("services", "source"): "api",
    ("service_dependencies", "kind"): "soft",
    ("system_failures", "severity"): "warning",
    ("incidents", "state"): "recovering",
    ("incidents", "severity"): 2,
    ("approvals", "decision"): "approved",
    ("told_alerts", "severity"): 2,
    ("told_alerts", "group_severity"): 1,
    ("idempotency_keys", "status"): 201,
    ("fault_tolerance_metrics", "resolution"): 60,
    ("retry_statistics", "resolution"): 60,
}
"""Values of columns that admit only some."""
LEVELS = {("service_degradations", "level"), ("degradation_changes", "old"), ("degradation_changes", "new")}


def rows_of(table: Table, count: int = 3) -> list[dict[str, Any]]:
    """Return rows for a table; what may be NULL is so in the first."""
    return [{column.name: _value(table, column, number) for column in table.c} for number in range(count)]


def _value(table: Table, column: Column[Any], number: int) -> Any:
    place = (table.name, column.name)
    if table.name == "fault_tolerance_configurations" and column.name in {"secret", "sealed", "value"}:
        secret = number % 2 == 1
        return {"secret": secret, "sealed": "sealed" if secret else None, "value": None if secret else DOCUMENT}[
            column.name
        ]
    if column.nullable and number == 0:
        return None
    if place in CHOICES:
        return CHOICES[place]
    if column.foreign_keys:
        target = next(iter(column.foreign_keys)).column
        return _value(target.table, target, number)
    match column.type:
        case UtcDateTime():
            return START + timedelta(seconds=number * 3600, microseconds=number)
        case JsonDocument():
            return DOCUMENT | {"number": number}
        case Boolean():
            return number % 2 == 1
        case Double():
            return number + 1.1
        case Integer():
            return number % 5 if place in LEVELS else number + 1
        case String():
            text = f"{ODD_TEXT}{table.name} {column.name} {number}"
            return text if column.type.length is None else text[-column.type.length :]
    raise AssertionError(f"what is a {column.type!r}?")


def fill(connection: Connection, count: int = 3) -> None:
    """Put rows into every table, in a transaction of the caller's."""
    for table in metadata.sorted_tables:
        connection.execute(insert(table), rows_of(table, count))


def contents(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, each table in the order of its key; in a transaction of the caller's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        keys = [column.name for column in table.primary_key]
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        found[table.name] = sorted(rows, key=lambda row: repr([row[key] for key in keys]))
    return found
