"""Revisions of policies, queried where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..models.policy_tables import PolicyRevisionRow


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a policy; `content` is None when it removed the policy."""

    name: str
    revision: int
    service: str | None
    content: Mapping[str, Any] | None  # Any: JSON values
    reason: str | None
    changed_at: datetime
    changed_by: str
    deleted: bool


def revisions(connection: Connection, name: str, *, before: int | None, limit: int) -> list[Revision]:
    """Return revisions of a policy, newest first.

    Arguments:
        before: Only those with a smaller number, or None for all.
        limit: How many at most.
    """
    table = PolicyRevisionRow.__table__
    query = select(table).where(table.c.name == name).order_by(table.c.revision.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.revision < before)
    return [Revision(**row) for row in connection.execute(query).mappings()]


def revision(connection: Connection, name: str, number: int) -> Revision | None:
    """Return one revision of a policy, or None."""
    table = PolicyRevisionRow.__table__
    query = select(table).where(table.c.name == name, table.c.revision == number)
    row = connection.execute(query).mappings().first()
    return None if row is None else Revision(**row)
