"""What lies in columns that must hold ciphertext, as the database has it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ..models.configuration_tables import FaultToleranceConfiguration


def raw_configuration(connection: Connection, key: str) -> str:
    """Return what the database holds for a secret configuration value, nothing decrypted.

    That is the sealed column; when the value itself is there instead, the value as text.
    """
    row = FaultToleranceConfiguration
    sealed, value = connection.execute(select(row.sealed, row.value).where(row.key == key)).one()
    return str(sealed) if value is None else str(value)
