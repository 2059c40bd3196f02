"""Names of tokens' owners are sealed.

The keys lie outside the database, so the control plane seals what is in the clear once it serves. Names that are sealed
cannot be opened here either: going back takes them out, and the tokens work on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COMMENTS = (
    ("api_tokens", "person it stands for", "opaque id of the person it stands for, and the name, sealed"),
    (
        "role_bindings",
        "person or group of the identity provider",
        "opaque id of a person or group, and the name, sealed",
    ),
)


def upgrade() -> None:
    """Take the schema forward."""
    for table, former, comment in COMMENTS:
        _describe(table, comment, former)


def downgrade() -> None:
    """Take the schema back."""
    tokens = sa.table("api_tokens", sa.column("subject", sa.Text()))
    op.execute(tokens.update().where(tokens.c.subject.like("sub%:sip1:%")).values(subject=None))
    for table, former, comment in COMMENTS:
        _describe(table, former, comment)


def _describe(table: str, comment: str, existing: str) -> None:
    """Comment a column where the database keeps comments."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, "subject", comment=comment, existing_comment=existing, existing_type=sa.Text())
