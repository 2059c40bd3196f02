"""Run by Alembic: the connection comes from `scrollintel.storage.schema`, which has opened and locked the database."""

from __future__ import annotations

from alembic import context

from scrollintel.models.fault_tolerance_models import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
