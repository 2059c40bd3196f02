"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from scrollintel.models.append_only import FUNCTION, triggers
from scrollintel.models.base import JsonDocument, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = (
    ("audit_records", ["sequence"]),
    ("audit_checkpoints", ["size"]),
    ("policy_revisions", ["name", "revision"]),
)


def upgrade() -> None:
    """Take the schema forward."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the token, hex"),
        sa.Column("subject", sa.Text(), nullable=True, comment="person it stands for"),
        sa.Column("bindings", JsonDocument(), nullable=False, comment="list of role and services"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False, comment="identity of who created it"),
        sa.Column("expires_at", UtcDateTime(), nullable=True, comment="NULL: never"),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        comment="API tokens",
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_api_tokens_digest"), ["digest"], unique=True)
        batch_op.create_index(op.f("ix_api_tokens_subject"), ["subject"], unique=False)

    op.create_table(
        "audit_checkpoints",
        sa.Column(
            "size",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="records it covers",
        ),
        sa.Column("log_id", sa.String(length=128), nullable=False, comment="which log"),
        sa.Column(
            "root", sa.String(length=128), nullable=False, comment="root of the Merkle tree over the records, hex"
        ),
        sa.Column("head_hash", sa.String(length=128), nullable=False, comment="hash of the last record, hex"),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("key_id", sa.String(length=128), nullable=False, comment="public key that verifies the signature"),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.CheckConstraint('"size" >= 0', name=op.f("ck_audit_checkpoints_size")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoints")),
        comment="signed checkpoints of the audit log; append-only",
    )
    op.create_table(
        "audit_records",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="without a gap",
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="identity of who did it"),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("target_kind", sa.String(length=200), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("body", sa.Text(), nullable=False, comment="canonical JSON of the whole record, as it was hashed"),
        sa.Column(
            "hash", sa.String(length=128), nullable=False, comment="hash over the former record's hash and body, hex"
        ),
        sa.CheckConstraint('"sequence" >= 0', name=op.f("ck_audit_records_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_records")),
        comment="the audit log; append-only",
    )
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_audit_records_action_sequence"), ["action", "sequence"], unique=False)
        batch_op.create_index(op.f("ix_audit_records_actor_sequence"), ["actor", "sequence"], unique=False)
        batch_op.create_index(op.f("ix_audit_records_at"), ["at"], unique=False)
        batch_op.create_index(op.f("ix_audit_records_service_sequence"), ["service", "sequence"], unique=False)
        batch_op.create_index(op.f("ix_audit_records_target_sequence"), ["target", "sequence"], unique=False)

    op.create_table(
        "circuit_breaker_configurations",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True, comment="owning service; NULL for all replicas"),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="revision of the policy that it comes from"),
        sa.Column(
            "failure_threshold", sa.BigInteger(), nullable=False, comment="failures that open the circuit, calls"
        ),
        sa.Column("recovery_timeout", sa.Double(), nullable=False, comment="from opening to the first probe, seconds"),
        sa.Column(
            "success_threshold", sa.BigInteger(), nullable=False, comment="probes that must succeed to close, calls"
        ),
        sa.Column("timeout", sa.Double(), nullable=True, comment="limit of one attempt, seconds; NULL for none"),
        sa.Column(
            "window_kind", sa.String(length=16), nullable=False, comment="consecutive, count, time or count_in_time"
        ),
        sa.Column("mode", sa.String(length=16), nullable=False, comment="enabled, disabled or metrics_only"),
        sa.Column("enabled", sa.Boolean(), nullable=False, comment="whether the circuit may refuse calls"),
        sa.Column("content", JsonDocument(), nullable=False, comment="CircuitBreakerConfig.to_dict()"),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            '"failure_threshold" >= 1', name=op.f("ck_circuit_breaker_configurations_failure_threshold")
        ),
        sa.CheckConstraint(
            "\"mode\" IN ('enabled', 'disabled', 'metrics_only')", name=op.f("ck_circuit_breaker_configurations_mode")
        ),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_circuit_breaker_configurations_revision")),
        sa.CheckConstraint(
            '"success_threshold" >= 1', name=op.f("ck_circuit_breaker_configurations_success_threshold")
        ),
        sa.CheckConstraint(
            "\"window_kind\" IN ('consecutive', 'count', 'time', 'count_in_time')",
            name=op.f("ck_circuit_breaker_configurations_window_kind"),
        ),
        sa.CheckConstraint("recovery_timeout > 0", name=op.f("ck_circuit_breaker_configurations_recovery_timeout")),
        sa.CheckConstraint("timeout > 0", name=op.f("ck_circuit_breaker_configurations_timeout")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_circuit_breaker_configurations")),
        comment="configuration of each circuit, as the policy in force sets it",
    )
    with op.batch_alter_table("circuit_breaker_configurations", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_circuit_breaker_configurations_service"), ["service"], unique=False)

    op.create_table(
        "circuit_breaker_states",
        sa.Column("circuit", sa.String(length=200), nullable=False),
        sa.Column(
            "key", sa.String(length=200), server_default="", nullable=False, comment="part of a circuit; '' for whole"
        ),
        sa.Column("replica", sa.String(length=200), nullable=False, comment="instance of the replica"),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="why it is in this state; an operator's words when one set it"
        ),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=True, comment="moment of the next probe while open"),
        sa.Column("successes", sa.BigInteger(), nullable=False, comment="calls since the replica started"),
        sa.Column("failures", sa.BigInteger(), nullable=False, comment="calls since the replica started"),
        sa.Column("consecutive_failures", sa.BigInteger(), nullable=False, comment="calls"),
        sa.Column("last_failure_type", sa.Text(), nullable=True, comment="name of the error's class; never its text"),
        sa.Column("last_failure_at", UtcDateTime(), nullable=True),
        sa.Column("reported_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint('"consecutive_failures" >= 0', name=op.f("ck_circuit_breaker_states_consecutive_failures")),
        sa.CheckConstraint('"failures" >= 0', name=op.f("ck_circuit_breaker_states_failures")),
        sa.CheckConstraint(
            "\"state\" IN ('closed', 'open', 'half_open', 'isolated', 'disabled', 'metrics_only')",
            name=op.f("ck_circuit_breaker_states_state"),
        ),
        sa.CheckConstraint('"successes" >= 0', name=op.f("ck_circuit_breaker_states_successes")),
        sa.PrimaryKeyConstraint("circuit", "key", "replica", name=op.f("pk_circuit_breaker_states")),
        comment="last reported state of each circuit on each replica",
    )
    with op.batch_alter_table("circuit_breaker_states", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_circuit_breaker_states_replica"), ["replica"], unique=False)
        batch_op.create_index(op.f("ix_circuit_breaker_states_service"), ["service"], unique=False)
        batch_op.create_index(op.f("ix_circuit_breaker_states_state"), ["state"], unique=False)

    op.create_table(
        "circuit_orders",
        sa.Column("circuit", sa.String(length=200), nullable=False),
        sa.Column(
            "order", sa.String(length=16), nullable=False, comment="isolated: refuse every call until told otherwise"
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="in the words of who gave it"),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="identity of who gave it"),
        sa.Column(
            "fleet_sequence", sa.BigInteger(), nullable=False, comment="number of the change among all told to replicas"
        ),
        sa.CheckConstraint("\"order\" IN ('isolated')", name=op.f("ck_circuit_orders_order")),
        sa.PrimaryKeyConstraint("circuit", name=op.f("pk_circuit_orders")),
        comment="standing orders of operators about circuits",
    )
    op.create_table(
        "circuit_transitions",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("circuit", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), server_default="", nullable=False),
        sa.Column("replica", sa.String(length=200), nullable=False, comment="instance of the replica"),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("old", sa.String(length=16), nullable=False),
        sa.Column("new", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="why; an operator's words when one caused it"),
        sa.CheckConstraint(
            "\"new\" IN ('closed', 'open', 'half_open', 'isolated', 'disabled', 'metrics_only')",
            name=op.f("ck_circuit_transitions_new"),
        ),
        sa.CheckConstraint(
            "\"old\" IN ('closed', 'open', 'half_open', 'isolated', 'disabled', 'metrics_only')",
            name=op.f("ck_circuit_transitions_old"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_circuit_transitions")),
        comment="changes of circuits' states; rows are only added, until they expire",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("circuit_transitions", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_circuit_transitions_at"), ["at"], unique=False)
        batch_op.create_index(op.f("ix_circuit_transitions_circuit_at"), ["circuit", "at"], unique=False)
        batch_op.create_index(op.f("ix_circuit_transitions_service_at"), ["service", "at"], unique=False)

    op.create_table(
        "control_state",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", JsonDocument(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_control_state")),
        comment="facts about the control plane itself",
    )
    op.create_table(
        "data_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False, comment="the key, sealed by the key-encryption key"),
        sa.Column("key_encryption_key_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.Column(
            "seals_reserved",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            server_default="0",
            nullable=False,
            comment="uses counted so far, in blocks; a key has at most 2**32",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
        comment="wrapped data keys",
    )
    op.create_table(
        "degradation_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("old", sa.Integer(), nullable=False, comment="level, 0 to 4"),
        sa.Column("new", sa.Integer(), nullable=False, comment="level, 0 to 4"),
        sa.Column("reason", sa.Text(), nullable=False, comment="in the words of who changed it"),
        sa.Column(
            "automatic", sa.Boolean(), nullable=False, comment="whether it follows measurements instead of an operator"
        ),
        sa.Column("changed_by", sa.Text(), nullable=True, comment="identity of who changed it"),
        sa.CheckConstraint('"new" BETWEEN 0 AND 4', name=op.f("ck_degradation_changes_new")),
        sa.CheckConstraint('"old" BETWEEN 0 AND 4', name=op.f("ck_degradation_changes_old")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_degradation_changes")),
        comment="changes of degradation levels; rows are only added, until they expire",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("degradation_changes", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_degradation_changes_at"), ["at"], unique=False)
        batch_op.create_index(op.f("ix_degradation_changes_service_at"), ["service", "at"], unique=False)

    op.create_table(
        "fault_tolerance_configurations",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", JsonDocument(), nullable=True, comment="NULL when secret"),
        sa.Column("sealed", sa.Text(), nullable=True, comment="encrypted value; NULL when not secret"),
        sa.Column("secret", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="rises by one with each change, from 1"),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False, comment="identity of who changed it"),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_fault_tolerance_configurations_revision")),
        sa.CheckConstraint(
            "CASE WHEN secret THEN value IS NULL ELSE sealed IS NULL END",
            name=op.f("ck_fault_tolerance_configurations_secret_is_sealed"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fault_tolerance_configurations")),
        comment="configuration values; secret ones are sealed",
    )
    op.create_table(
        "fault_tolerance_metrics",
        sa.Column("circuit", sa.String(length=200), nullable=False),
        sa.Column(
            "resolution", sa.Integer(), autoincrement=False, nullable=False, comment="length of the bucket, seconds"
        ),
        sa.Column("bucket_start", UtcDateTime(), nullable=False, comment="a multiple of resolution"),
        sa.Column("service", sa.String(length=200), nullable=True),
        sa.Column("successes", sa.BigInteger(), nullable=False, comment="calls"),
        sa.Column("failures", sa.BigInteger(), nullable=False, comment="calls"),
        sa.Column(
            "slow",
            sa.BigInteger(),
            nullable=False,
            comment="calls that took too long; counted as success or failure too",
        ),
        sa.Column("rejections", sa.BigInteger(), nullable=False, comment="calls that were not started"),
        sa.Column("timeouts", sa.BigInteger(), nullable=False, comment="calls; counted as failure too"),
        sa.Column("p50", sa.Double(), nullable=True, comment="median of response times, seconds; NULL without calls"),
        sa.Column("p95", sa.Double(), nullable=True, comment="seconds; after merging an upper bound"),
        sa.Column("p99", sa.Double(), nullable=True, comment="seconds; after merging an upper bound"),
        sa.Column("mean", sa.Double(), nullable=True, comment="seconds"),
        sa.Column("max", sa.Double(), nullable=True, comment="seconds"),
        sa.Column(
            "replicas", sa.Integer(), nullable=False, comment="replicas that reported; after merging the most at once"
        ),
        sa.CheckConstraint('"failures" >= 0', name=op.f("ck_fault_tolerance_metrics_failures")),
        sa.CheckConstraint('"rejections" >= 0', name=op.f("ck_fault_tolerance_metrics_rejections")),
        sa.CheckConstraint('"replicas" >= 0', name=op.f("ck_fault_tolerance_metrics_replicas")),
        sa.CheckConstraint('"slow" >= 0', name=op.f("ck_fault_tolerance_metrics_slow")),
        sa.CheckConstraint('"successes" >= 0', name=op.f("ck_fault_tolerance_metrics_successes")),
        sa.CheckConstraint('"timeouts" >= 0', name=op.f("ck_fault_tolerance_metrics_timeouts")),
        sa.CheckConstraint("resolution IN (1, 10, 60, 3600)", name=op.f("ck_fault_tolerance_metrics_resolution")),
        sa.PrimaryKeyConstraint("circuit", "resolution", "bucket_start", name=op.f("pk_fault_tolerance_metrics")),
        comment="calls through circuits, in buckets of 1, 10, 60 and 3600 seconds",
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("fault_tolerance_metrics", schema=None) as batch_op:
        batch_op.create_index(
            op.f("ix_fault_tolerance_metrics_resolution_bucket_start"), ["resolution", "bucket_start"], unique=False
        )
        batch_op.create_index(
            op.f("ix_fault_tolerance_metrics_service_resolution_bucket_start"),
            ["service", "resolution", "bucket_start"],
            unique=False,
        )

    op.create_table(
        "health_checks",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False, comment="healthy, degraded, unhealthy or unknown"),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("latency", sa.Double(), nullable=True, comment="how long the look took, seconds"),
        sa.Column("source", sa.String(length=200), nullable=False, comment="who looked"),
        sa.CheckConstraint('"latency" >= 0', name=op.f("ck_health_checks_latency")),
        sa.CheckConstraint(
            "\"status\" IN ('healthy', 'degraded', 'unhealthy', 'unknown')", name=op.f("ck_health_checks_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_checks")),
        comment="looks at services; rows are only added, until they expire",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("health_checks", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_health_checks_at"), ["at"], unique=False)
        batch_op.create_index(op.f("ix_health_checks_service_at"), ["service", "at"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column(
            "fingerprint",
            sa.String(length=128),
            nullable=False,
            comment="digest of method, path and body of the request",
        ),
        sa.Column("status", sa.Integer(), nullable=False, comment="HTTP status of the answer"),
        sa.Column("headers", JsonDocument(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="body of the answer; must hold no secret"),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint('"status" BETWEEN 100 AND 599', name=op.f("ck_idempotency_keys_status")),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_idempotency_keys")),
        comment="answers that are given again when a request comes again",
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_idempotency_keys_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "policies",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True, comment="owning service; NULL for all replicas"),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="rises by one with each change, from 1"),
        sa.Column("content", JsonDocument(), nullable=False, comment="Policy.to_dict()"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was changed, in the words of who did"),
        sa.Column("source", sa.String(length=8), nullable=False, comment="api, file or code"),
        sa.Column("location", sa.Text(), nullable=True, comment="file and line of the declaration when source is file"),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="identity of who changed it"),
        sa.Column(
            "fleet_sequence", sa.BigInteger(), nullable=False, comment="number of the change among all told to replicas"
        ),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_policies_revision")),
        sa.CheckConstraint("\"source\" IN ('api', 'file', 'code')", name=op.f("ck_policies_source")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_policies")),
        comment="policies in force",
    )
    with op.batch_alter_table("policies", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_policies_service"), ["service"], unique=False)

    op.create_table(
        "policy_revisions",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True, comment="owning service; NULL for all replicas"),
        sa.Column(
            "content", JsonDocument(), nullable=True, comment="Policy.to_dict(); NULL when the policy was deleted"
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it was changed, in the words of who did"),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="identity of who changed it"),
        sa.Column("deleted", sa.Boolean(), nullable=False, comment="whether this revision removed the policy"),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_policy_revisions_revision")),
        sa.PrimaryKeyConstraint("name", "revision", name=op.f("pk_policy_revisions")),
        comment="every revision of every policy; append-only",
    )
    op.create_table(
        "recovery_operations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("failure_type", sa.String(length=200), nullable=False, comment="what it was asked to recover from"),
        sa.Column("status", sa.String(length=16), nullable=False, comment="pending, running, finished or interrupted"),
        sa.Column("outcome", sa.String(length=16), nullable=True, comment="NULL until it has finished"),
        sa.Column("strategy", sa.String(length=200), nullable=True, comment="what brought the service back"),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="identity of who asked for it"),
        sa.Column("reason", sa.Text(), nullable=True, comment="in the words of who asked for it"),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True, comment="from request to end, seconds"),
        sa.Column("steps", JsonDocument(), nullable=False, comment="what was done, in order"),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True, comment="of the request that asked for it"),
        sa.CheckConstraint('"duration" >= 0', name=op.f("ck_recovery_operations_duration")),
        sa.CheckConstraint(
            "\"outcome\" IN ('recovered', 'not_needed', 'refused', 'failed')",
            name=op.f("ck_recovery_operations_outcome"),
        ),
        sa.CheckConstraint(
            "\"status\" IN ('pending', 'running', 'finished', 'interrupted')",
            name=op.f("ck_recovery_operations_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_operations")),
        comment="recoveries from request to end",
    )
    with op.batch_alter_table("recovery_operations", schema=None) as batch_op:
        batch_op.create_index(
            op.f("ix_recovery_operations_service_started_at"), ["service", "started_at"], unique=False
        )
        batch_op.create_index(op.f("ix_recovery_operations_started_at"), ["started_at"], unique=False)
        batch_op.create_index(op.f("ix_recovery_operations_status_started_at"), ["status", "started_at"], unique=False)

    op.create_table(
        "retry_configurations",
        sa.Column("policy", sa.String(length=200), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=True, comment="owning service; NULL for all replicas"),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="revision of the policy that it comes from"),
        sa.Column("max_attempts", sa.Integer(), nullable=False, comment="attempts, the first included"),
        sa.Column("base_delay", sa.Double(), nullable=False, comment="wait before the second attempt, seconds"),
        sa.Column("max_delay", sa.Double(), nullable=False, comment="longest wait, seconds"),
        sa.Column("exponential_base", sa.Double(), nullable=False, comment="factor from one wait to the next"),
        sa.Column("jitter", sa.String(length=16), nullable=False, comment="none, full, equal or decorrelated"),
        sa.Column("content", JsonDocument(), nullable=False, comment="RetryConfig.to_dict()"),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint('"base_delay" >= 0', name=op.f("ck_retry_configurations_base_delay")),
        sa.CheckConstraint('"exponential_base" >= 1', name=op.f("ck_retry_configurations_exponential_base")),
        sa.CheckConstraint(
            "\"jitter\" IN ('none', 'full', 'equal', 'decorrelated')", name=op.f("ck_retry_configurations_jitter")
        ),
        sa.CheckConstraint('"max_attempts" >= 1', name=op.f("ck_retry_configurations_max_attempts")),
        sa.CheckConstraint('"max_delay" >= 0', name=op.f("ck_retry_configurations_max_delay")),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_retry_configurations_revision")),
        sa.PrimaryKeyConstraint("policy", name=op.f("pk_retry_configurations")),
        comment="retries of each policy, as the policy in force sets them",
    )
    with op.batch_alter_table("retry_configurations", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_retry_configurations_service"), ["service"], unique=False)

    op.create_table(
        "retry_statistics",
        sa.Column("policy", sa.String(length=200), nullable=False),
        sa.Column(
            "resolution", sa.Integer(), autoincrement=False, nullable=False, comment="length of the bucket, seconds"
        ),
        sa.Column("bucket_start", UtcDateTime(), nullable=False, comment="a multiple of resolution"),
        sa.Column("calls", sa.BigInteger(), nullable=False, comment="calls"),
        sa.Column("attempts", sa.BigInteger(), nullable=False, comment="attempts, the first of each call included"),
        sa.Column("retries", sa.BigInteger(), nullable=False, comment="attempts after the first"),
        sa.Column("given_up", sa.BigInteger(), nullable=False, comment="calls that failed after their last attempt"),
        sa.Column("hedges", sa.BigInteger(), nullable=False, comment="extra attempts against slowness"),
        sa.Column("fallbacks", sa.BigInteger(), nullable=False, comment="calls that a fallback answered"),
        sa.Column("budget", sa.Double(), nullable=True, comment="retries left in the budget; after merging the least"),
        sa.CheckConstraint('"attempts" >= 0', name=op.f("ck_retry_statistics_attempts")),
        sa.CheckConstraint('"calls" >= 0', name=op.f("ck_retry_statistics_calls")),
        sa.CheckConstraint('"fallbacks" >= 0', name=op.f("ck_retry_statistics_fallbacks")),
        sa.CheckConstraint('"given_up" >= 0', name=op.f("ck_retry_statistics_given_up")),
        sa.CheckConstraint('"hedges" >= 0', name=op.f("ck_retry_statistics_hedges")),
        sa.CheckConstraint('"retries" >= 0', name=op.f("ck_retry_statistics_retries")),
        sa.CheckConstraint("resolution IN (1, 10, 60, 3600)", name=op.f("ck_retry_statistics_resolution")),
        sa.PrimaryKeyConstraint("policy", "resolution", "bucket_start", name=op.f("pk_retry_statistics")),
        comment="retries of policies, in buckets of 1, 10, 60 and 3600 seconds",
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("retry_statistics", schema=None) as batch_op:
        batch_op.create_index(
            op.f("ix_retry_statistics_resolution_bucket_start"), ["resolution", "bucket_start"], unique=False
        )

    op.create_table(
        "role_bindings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="person or group of the identity provider"),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("services", JsonDocument(), nullable=False, comment='list of names, or ["*"] for all'),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False, comment="identity of who created it"),
        sa.CheckConstraint(
            "\"role\" IN ('viewer', 'operator', 'admin', 'auditor', 'approver', 'replica')",
            name=op.f("ck_role_bindings_role"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_bindings")),
        comment="roles of persons and groups",
    )
    with op.batch_alter_table("role_bindings", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_role_bindings_subject"), ["subject"], unique=False)

    op.create_table(
        "roll_up_marks",
        sa.Column("series", sa.String(length=64), nullable=False, comment="name of the table"),
        sa.Column(
            "resolution",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="length of the buckets that are written, seconds",
        ),
        sa.Column("rolled_until", UtcDateTime(), nullable=False, comment="end of the last bucket that was written"),
        sa.PrimaryKeyConstraint("series", "resolution", name=op.f("pk_roll_up_marks")),
        comment="how far metrics are summed up",
    )
    op.create_table(
        "service_degradations",
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, comment="0 none, 1 minimal, 2 moderate, 3 severe, 4 critical"),
        sa.Column("reason", sa.Text(), nullable=False, comment="in the words of who set it"),
        sa.Column(
            "automatic", sa.Boolean(), nullable=False, comment="whether it follows measurements instead of an operator"
        ),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True, comment="NULL: until restored"),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="identity of who set it"),
        sa.Column(
            "fleet_sequence", sa.BigInteger(), nullable=False, comment="number of the change among all told to replicas"
        ),
        sa.CheckConstraint('"level" BETWEEN 0 AND 4', name=op.f("ck_service_degradations_level")),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_service_degradations")),
        comment="degradation level of each service that has one",
    )
    op.create_table(
        "services",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False, comment="importance; lower is more important"),
        sa.Column("owner", sa.Text(), nullable=True, comment="team or person that answers for it"),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="rises by one with each change, from 1"),
        sa.Column("source", sa.String(length=8), nullable=False, comment="api, file or code"),
        sa.Column("location", sa.Text(), nullable=True, comment="file and line of the declaration when source is file"),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint('"revision" >= 1', name=op.f("ck_services_revision")),
        sa.CheckConstraint("\"source\" IN ('api', 'file', 'code')", name=op.f("ck_services_source")),
        sa.CheckConstraint('"tier" >= 0', name=op.f("ck_services_tier")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_services")),
        comment="registered services",
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("wrapped_key", sa.Text(), nullable=True, comment="key of the personal fields; NULL once erased"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
        comment="persons; without a key what was sealed for them cannot be read any more",
    )
    op.create_table(
        "system_failures",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("circuit", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=200), nullable=False, comment="name of the fact, such as circuit_opened"),
        sa.Column("severity", sa.String(length=16), nullable=False, comment="debug, information, warning or error"),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "resolved_at", UtcDateTime(), nullable=True, comment="NULL while it lasts; by another clock, perhaps"
        ),
        sa.Column("recovery_id", sa.String(length=64), nullable=True, comment="recovery that was started about it"),
        sa.CheckConstraint(
            "\"severity\" IN ('debug', 'information', 'warning', 'error')", name=op.f("ck_system_failures_severity")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_failures")),
        comment="failures of services and circuits",
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("system_failures", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_system_failures_at"), ["at"], unique=False)
        batch_op.create_index(op.f("ix_system_failures_circuit_at"), ["circuit", "at"], unique=False)
        batch_op.create_index(op.f("ix_system_failures_service_at"), ["service", "at"], unique=False)

    op.create_table(
        "service_dependencies",
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("depends_on", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="hard, soft or fallback"),
        sa.CheckConstraint("\"kind\" IN ('hard', 'soft', 'fallback')", name=op.f("ck_service_dependencies_kind")),
        sa.ForeignKeyConstraint(
            ["service"],
            ["services.name"],
            name=op.f("fk_service_dependencies_service_services"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("service", "depends_on", name=op.f("pk_service_dependencies")),
        comment="what services need",
    )
    with op.batch_alter_table("service_dependencies", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_service_dependencies_depends_on"), ["depends_on"], unique=False)

    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(FUNCTION)
    for table, key in APPEND_ONLY:
        for statement in triggers(table, key, dialect):
            op.execute(statement)


def downgrade() -> None:
    """Take the schema back."""
    with op.batch_alter_table("service_dependencies", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_service_dependencies_depends_on"))

    op.drop_table("service_dependencies")
    with op.batch_alter_table("system_failures", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_system_failures_service_at"))
        batch_op.drop_index(op.f("ix_system_failures_circuit_at"))
        batch_op.drop_index(op.f("ix_system_failures_at"))

    op.drop_table("system_failures")
    op.drop_table("subjects")
    op.drop_table("services")
    op.drop_table("service_degradations")
    op.drop_table("roll_up_marks")
    with op.batch_alter_table("role_bindings", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_role_bindings_subject"))

    op.drop_table("role_bindings")
    with op.batch_alter_table("retry_statistics", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_retry_statistics_resolution_bucket_start"))

    op.drop_table("retry_statistics")
    with op.batch_alter_table("retry_configurations", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_retry_configurations_service"))

    op.drop_table("retry_configurations")
    with op.batch_alter_table("recovery_operations", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_recovery_operations_status_started_at"))
        batch_op.drop_index(op.f("ix_recovery_operations_started_at"))
        batch_op.drop_index(op.f("ix_recovery_operations_service_started_at"))

    op.drop_table("recovery_operations")
    op.drop_table("policy_revisions")
    with op.batch_alter_table("policies", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_policies_service"))

    op.drop_table("policies")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_idempotency_keys_expires_at"))

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("health_checks", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_health_checks_service_at"))
        batch_op.drop_index(op.f("ix_health_checks_at"))

    op.drop_table("health_checks")
    with op.batch_alter_table("fault_tolerance_metrics", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_fault_tolerance_metrics_service_resolution_bucket_start"))
        batch_op.drop_index(op.f("ix_fault_tolerance_metrics_resolution_bucket_start"))

    op.drop_table("fault_tolerance_metrics")
    op.drop_table("fault_tolerance_configurations")
    with op.batch_alter_table("degradation_changes", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_degradation_changes_service_at"))
        batch_op.drop_index(op.f("ix_degradation_changes_at"))

    op.drop_table("degradation_changes")
    op.drop_table("data_keys")
    op.drop_table("control_state")
    with op.batch_alter_table("circuit_transitions", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_circuit_transitions_service_at"))
        batch_op.drop_index(op.f("ix_circuit_transitions_circuit_at"))
        batch_op.drop_index(op.f("ix_circuit_transitions_at"))

    op.drop_table("circuit_transitions")
    op.drop_table("circuit_orders")
    with op.batch_alter_table("circuit_breaker_states", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_circuit_breaker_states_state"))
        batch_op.drop_index(op.f("ix_circuit_breaker_states_service"))
        batch_op.drop_index(op.f("ix_circuit_breaker_states_replica"))

    op.drop_table("circuit_breaker_states")
    with op.batch_alter_table("circuit_breaker_configurations", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_circuit_breaker_configurations_service"))

    op.drop_table("circuit_breaker_configurations")
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_audit_records_target_sequence"))
        batch_op.drop_index(op.f("ix_audit_records_service_sequence"))
        batch_op.drop_index(op.f("ix_audit_records_at"))
        batch_op.drop_index(op.f("ix_audit_records_actor_sequence"))
        batch_op.drop_index(op.f("ix_audit_records_action_sequence"))

    op.drop_table("audit_records")
    op.drop_table("audit_checkpoints")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_api_tokens_subject"))
        batch_op.drop_index(op.f("ix_api_tokens_digest"))

    op.drop_table("api_tokens")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION scrollintel_append_only()")
