"""Silences, and the alerts that people know of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from scrollintel.models.base import JsonDocument, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema forward."""
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("matchers", JsonDocument(), nullable=False, comment="all of which an alert has to fit"),
        sa.Column("reason", sa.Text(), nullable=False, comment="in the words of who asked for it"),
        sa.Column("created_by", sa.Text(), nullable=False, comment="identity of who asked for it"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
        comment="alerts that nobody is told of for a while",
    )
    op.create_table(
        "told_alerts",
        sa.Column("fingerprint", sa.String(length=32), nullable=False, comment="of its labels"),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("target", sa.String(length=401), nullable=True),
        sa.Column("variant", sa.String(length=64), nullable=False, comment="which of several about one thing"),
        sa.Column("severity", sa.Integer(), nullable=False, comment="1 (worst) to 4"),
        sa.Column("summary", sa.Text(), nullable=False, comment="what people were told"),
        sa.Column("evidence", JsonDocument(), nullable=False, comment="what it rests on"),
        sa.Column("since", UtcDateTime(), nullable=False, comment="true since then"),
        sa.Column("fired_at", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False, comment="when people were told last"),
        sa.Column("group_severity", sa.Integer(), nullable=False, comment="the worst that was told of its group"),
        sa.CheckConstraint('"severity" BETWEEN 1 AND 4', name=op.f("ck_told_alerts_severity")),
        sa.CheckConstraint('"group_severity" BETWEEN 1 AND 4', name=op.f("ck_told_alerts_group_severity")),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_told_alerts")),
        comment="alerts that people know of, so that a restart tells nothing twice",
    )


def downgrade() -> None:
    """Take the schema back."""
    op.drop_table("told_alerts")
    op.drop_table("silences")
