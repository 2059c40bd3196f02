"""The calls that decided a change of a circuit's state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema forward."""
    with op.batch_alter_table("circuit_transitions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "evidence",
                sa.Text(),
                nullable=True,
                comment="the calls that decided it, as JSON; NULL when an order or time did",
            )
        )


def downgrade() -> None:
    """Take the schema back."""
    with op.batch_alter_table("circuit_transitions", schema=None) as batch_op:
        batch_op.drop_column("evidence")
