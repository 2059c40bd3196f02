"""Changes of state of circuits, queried where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from ..models.circuit_tables import CircuitTransitionRow


def newest(connection: Connection, limit: int) -> list[Mapping[str, Any]]:  # Any: the columns' values
    """Return the newest changes of all circuits, oldest first."""
    table = CircuitTransitionRow.__table__
    query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    rows: list[Mapping[str, Any]] = [dict(row) for row in connection.execute(query).mappings()]
    rows.reverse()
    return rows
