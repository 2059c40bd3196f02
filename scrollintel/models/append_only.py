"""Tables whose rows are never changed or deleted: the database itself refuses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table, event, text

FUNCTION = """
CREATE OR REPLACE FUNCTION scrollintel_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append-only: rows of % are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""
"""The PostgreSQL function behind the triggers."""


def triggers(table: str, key: Sequence[str], dialect: str) -> list[str]:
    """Return the statements that make `table` append-only.

    SQLite's `INSERT OR REPLACE` deletes without a trigger unless `recursive_triggers` is on, hence the third trigger
    there: a row whose key exists is refused before it can replace anything.

    Arguments:
        table: Name of the table.
        key: Its primary key.
        dialect: "sqlite" or "postgresql".
    """
    if dialect == "postgresql":
        return [
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION scrollintel_append_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION scrollintel_append_only()",
        ]
    refuse = f"SELECT RAISE(ABORT, 'append-only: rows of {table} are never changed or deleted'); END"
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 # nosec B608 - our names
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refuse}",
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {exists} BEGIN {refuse}",
    ]


def make_append_only(table: Table) -> None:
    """Create the triggers whenever `table` is created by way of its metadata."""
    key = [column.name for column in table.primary_key]

    def create(target: Table, connection: Connection, **_: object) -> None:
        dialect = connection.dialect.name
        for statement in [FUNCTION] * (dialect == "postgresql") + triggers(target.name, key, dialect):
            connection.execute(text(statement))

    event.listen(table, "after_create", create)
