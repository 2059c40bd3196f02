"""Incidents with their timelines, approvals, endpoints, and the times of recoveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from scrollintel.models.base import JsonDocument, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema forward."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=True),
        sa.Column("recovery", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=401), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("plan", JsonDocument(), nullable=False, comment="as it was shown"),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the plan; an answer names it"),
        sa.Column("why", sa.Text(), nullable=False, comment="why a person has to agree"),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="identity of who started the recovery"),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False, comment="afterwards it is refused"),
        sa.Column("decision", sa.String(length=16), nullable=True, comment="NULL while it stands"),
        sa.Column("decided_by", sa.Text(), nullable=True, comment="identity of who answered"),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="in the words of who answered"),
        sa.Column(
            "confirmed_twice",
            sa.Boolean(),
            nullable=False,
            comment="whether a second confirmation of the same person stood in for a second person",
        ),
        sa.CheckConstraint("\"decision\" IN ('approved', 'refused', 'expired')", name=op.f("ck_approvals_decision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        comment="plans that people have to agree to",
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_recovery"), ["recovery"], unique=False)
        batch_op.create_index(batch_op.f("ix_approvals_requested_at"), ["requested_at"], unique=False)

    op.create_table(
        "endpoints",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True, comment="address before the order"),
        sa.Column("reason", sa.Text(), nullable=False, comment="in the words of who ordered it"),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="identity of who ordered it"),
        sa.Column(
            "fleet_sequence", sa.BigInteger(), nullable=False, comment="number of the change among all told to replicas"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_endpoints")),
        comment="addresses that callers use by order",
    )
    op.create_table(
        "incident_events",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="identity of who did it, or system"),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("data", JsonDocument(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_events")),
        comment="timelines of incidents; rows are only added, until they expire",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("incident_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incident_events_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_incident_events_incident_at"), ["incident", "at"], unique=False)

    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=401), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("replica_group", sa.String(length=200), nullable=True, comment="targets that stand in for it"),
        sa.Column("failure_type", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False, comment="1 (worst) to 4"),
        sa.Column("root", sa.String(length=64), nullable=True, comment="incident that this one is held for"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="recoveries that were started"),
        sa.Column("relapses", sa.Integer(), nullable=False, comment="times that it failed again after a repair"),
        sa.Column("recovery", sa.String(length=64), nullable=True, comment="recovery that runs or ran last"),
        sa.Column("detected_at", UtcDateTime(), nullable=False, comment="first look that failed"),
        sa.Column("declared_at", UtcDateTime(), nullable=False, comment="failure declared"),
        sa.Column("recovering_at", UtcDateTime(), nullable=True, comment="first step on disk"),
        sa.Column("acted_at", UtcDateTime(), nullable=True, comment="last action carried out"),
        sa.Column("validated_at", UtcDateTime(), nullable=True, comment="proven healthy last"),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True, comment="identity of who has taken note"),
        sa.Column("impact", JsonDocument(), nullable=False, comment="affected services, severity, inputs"),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint('"severity" BETWEEN 1 AND 4', name=op.f("ck_incidents_severity")),
        sa.CheckConstraint(
            "\"state\" IN ('open', 'held', 'recovering', 'waiting', 'watched', 'escalated', 'resolved', 'cancelled')",
            name=op.f("ck_incidents_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        comment="failures of watched targets from detection to end",
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incidents_declared_at"), ["declared_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_incidents_service_declared_at"), ["service", "declared_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_incidents_state_declared_at"), ["state", "declared_at"], unique=False)

    with op.batch_alter_table("recovery_operations", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "incident",
                sa.String(length=64),
                nullable=True,
                comment="what it is about; NULL when a person started it",
            )
        )
        batch_op.add_column(sa.Column("target", sa.String(length=401), nullable=True, comment="what is repaired"))
        batch_op.add_column(
            sa.Column("remedies", JsonDocument(), nullable=True, comment="strategies to be tried, in order")
        )
        batch_op.add_column(sa.Column("detected_at", UtcDateTime(), nullable=True, comment="first look that failed"))
        batch_op.add_column(sa.Column("initiated_at", UtcDateTime(), nullable=True, comment="first step on disk"))
        batch_op.add_column(sa.Column("acted_at", UtcDateTime(), nullable=True, comment="last action carried out"))
        batch_op.add_column(sa.Column("validated_at", UtcDateTime(), nullable=True, comment="proven healthy"))
        batch_op.add_column(
            sa.Column("epoch", sa.BigInteger(), nullable=True, comment="fencing token of the last action")
        )


def downgrade() -> None:
    """Take the schema back."""
    with op.batch_alter_table("recovery_operations", schema=None) as batch_op:
        batch_op.drop_column("epoch")
        batch_op.drop_column("validated_at")
        batch_op.drop_column("acted_at")
        batch_op.drop_column("initiated_at")
        batch_op.drop_column("detected_at")
        batch_op.drop_column("remedies")
        batch_op.drop_column("target")
        batch_op.drop_column("incident")

    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_incidents_state_declared_at"))
        batch_op.drop_index(batch_op.f("ix_incidents_service_declared_at"))
        batch_op.drop_index(batch_op.f("ix_incidents_declared_at"))

    op.drop_table("incidents")
    with op.batch_alter_table("incident_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_incident_events_incident_at"))
        batch_op.drop_index(batch_op.f("ix_incident_events_at"))

    op.drop_table("incident_events")
    op.drop_table("endpoints")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approvals_requested_at"))
        batch_op.drop_index(batch_op.f("ix_approvals_recovery"))

    op.drop_table("approvals")
