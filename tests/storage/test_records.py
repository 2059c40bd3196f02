"""Records of every kind are after a restart what they were before, to the microsecond."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from scrollintel.control.alerts import TOLD_ALERTS, ToldAlertRecord
from scrollintel.control.incidents import APPROVALS, INCIDENTS, ApprovalRecord, IncidentRecord, IncidentState
from scrollintel.control.records import (
    CIRCUIT_ORDERS,
    CIRCUIT_STATES,
    CONFIGURATION,
    CONTROL_STATE,
    ENDPOINT_ORDERS,
    IDEMPOTENCY,
    LEVEL_ORDERS,
    POLICIES,
    RECOVERIES,
    REVISIONS,
    ROLE_BINDINGS,
    SERVICES,
    CircuitOrder,
    CircuitStateRecord,
    ConfigurationRecord,
    ControlStateRecord,
    Dependency,
    EndpointOrder,
    IdempotencyRecord,
    Kind,
    LevelOrder,
    PolicyRecord,
    RecoveryOperationRecord,
    RevisionRecord,
    RoleBindingRecord,
    ServiceRecord,
    Source,
)
from scrollintel.control.silences import SILENCES, Match, Matcher, SilenceLabel, SilenceRecord
from scrollintel.core.config.breaker import CircuitBreakerConfig
from scrollintel.core.config.retry import RetryConfig
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.security.access import Binding, Role
from scrollintel.security.envelope import DataKeyRecord
from scrollintel.security.kinds import DATA_KEYS, SUBJECTS, TOKENS
from scrollintel.security.subjects import SubjectKey
from scrollintel.security.tokens import TokenRecord
from scrollintel.storage.codecs import CODECS
from scrollintel.storage.transaction import Transaction
from tests.storage.rig import Rig, running
from tests.storage.sample_data import ODD_TEXT

AT = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
LATER = AT + timedelta(days=30, microseconds=1)
POLICY = PolicyRecord(
    name="orders",
    service="shop",
    revision=7,
    content={"breaker": CircuitBreakerConfig("orders").to_dict(), "retry": RetryConfig(base_delay=0.1).to_dict()},
    reason=ODD_TEXT,
    changed_at=AT,
    changed_by="token:tok_1",
    sequence=12,
    source=Source.FILE,
    location="scrollintel.toml:7",
)
STATE = CircuitStateRecord(
    circuit="orders",
    key="tenant 1",
    replica="r1",
    service="shop",
    state="open",
    reason=ODD_TEXT,
    since=AT,
    open_until=LATER,
    successes=2**53,
    failures=3,
    consecutive_failures=3,
    last_failure_type="builtins.OSError",
    last_failure_at=AT,
    reported_at=AT,
)
SERVICE = ServiceRecord(
    name="shop",
    tier=0,
    owner="team",
    description=ODD_TEXT,
    depends_on=(Dependency(name="a"), Dependency(name="b", kind="soft")),
    revision=2,
    registered_at=AT,
    updated_at=LATER,
    source=Source.FILE,
    location="scrollintel.toml:9",
)
RECOVERY = RecoveryOperationRecord(
    id="rec_1",
    service="shop",
    failure_type="timeout",
    status="running",
    outcome=None,
    strategy="restart",
    requested_by="local",
    reason=ODD_TEXT,
    started_at=AT,
    finished_at=None,
    duration=None,
    steps=({"name": "restart", "took": 0.1}, {"name": "wait", "took": None}),
    detail="d",
)
RECOVERY_OF_AN_INCIDENT = replace(
    RECOVERY,
    id="rec_2",
    incident="inc_1",
    target="shop/a",
    remedies=({"kind": "restart-process", "options": {"x": 1}, "attempts": 2, "approval": None},),
    detected_at=AT,
    initiated_at=LATER,
    acted_at=LATER,
    validated_at=LATER,
    epoch=2**40,
)
INCIDENT = IncidentRecord(
    id="inc_1",
    target="shop/a",
    service="shop",
    group="shop",
    failure_type="exited",
    state=IncidentState.RECOVERING,
    severity=1,
    root="inc_0",
    attempts=1,
    relapses=2,
    recovery="rec_2",
    detected_at=AT,
    declared_at=AT,
    recovering_at=LATER,
    acknowledged_at=LATER,
    acknowledged_by="token:tok_1",
    impact={"severity": 1, "affected": ["web"]},
    detail=ODD_TEXT,
)
APPROVAL = ApprovalRecord(
    id="apr_1",
    incident="inc_1",
    recovery="rec_2",
    target="shop/a",
    service="shop",
    plan={"actions": ["fail over"]},
    digest="0" * 64,
    why="it moves work to another place",
    requested_by="system",
    requested_at=AT,
    expires_at=LATER,
)
ENDPOINT = EndpointOrder(
    name="orders-db",
    address="db-2:5432",
    previous="db-1:5432",
    reason=ODD_TEXT,
    since=AT,
    changed_by="system",
    sequence=2**40,
)
SILENCE = SilenceRecord(
    id="sil_1",
    matchers=(Matcher(SilenceLabel.SERVICE, ODD_TEXT), Matcher(SilenceLabel.TARGET, "shop/", Match.PREFIX)),
    reason=ODD_TEXT,
    created_by="token:tok_1",
    created_at=AT,
    until=LATER,
)
TOLD = ToldAlertRecord(
    fingerprint="0" * 32,
    name="circuit_open_too_long",
    service="shop",
    target="orders",
    variant="",
    severity=2,
    summary=ODD_TEXT,
    evidence={"replicas": ["r1"], "bound": 300.0},
    since=AT,
    fired_at=AT,
    told_at=LATER,
    group_severity=1,
)
CONFIGURED = ConfigurationRecord(
    key="limits",
    value={"a": [1, 2.5, None, True], "b": ODD_TEXT},
    sealed=None,
    secret=False,
    revision=3,
    description=ODD_TEXT,
    updated_at=AT,
    updated_by="local",
)
RECORDS: list[tuple[Kind[Any], list[Any]]] = [
    (POLICIES, [POLICY, replace(POLICY, name="bare", service=None, reason=None, location=None, content={"name": "b"})]),
    (
        CIRCUIT_ORDERS,
        [CircuitOrder(circuit="c", order="isolated", reason=ODD_TEXT, since=AT, changed_by="l", sequence=3)],
    ),
    (
        LEVEL_ORDERS,
        [
            LevelOrder(service="a", level=4, reason="r", since=AT, expires_at=LATER, changed_by="l", sequence=4),
            LevelOrder(service="b", level=1, reason="r", since=AT, expires_at=None, changed_by="l", sequence=5),
        ],
    ),
    (SERVICES, [SERVICE, replace(SERVICE, name="alone", depends_on=(), owner=None, description=None, location=None)]),
    (CIRCUIT_STATES, [STATE, replace(STATE, key="", state="closed", open_until=None, last_failure_at=None)]),
    (CONFIGURATION, [CONFIGURED, replace(CONFIGURED, key="hook", value=None, sealed="sealed text", secret=True)]),
    (
        IDEMPOTENCY,
        [
            IdempotencyRecord(
                actor="a", key="k", fingerprint="f", status=201, headers={"ETag": '"1"'}, body="{}", expires_at=LATER
            )
        ],
    ),
    (
        ROLE_BINDINGS,
        [RoleBindingRecord(id="b", subject="s", role="viewer", services=("a", "b"), created_at=AT, created_by="l")],
    ),
    (RECOVERIES, [RECOVERY, RECOVERY_OF_AN_INCIDENT]),
    (INCIDENTS, [INCIDENT]),
    (APPROVALS, [APPROVAL]),
    (SILENCES, [SILENCE]),
    (TOLD_ALERTS, [TOLD, replace(TOLD, fingerprint="1" * 32, service=None, target=None, variant="1h")]),
    (ENDPOINT_ORDERS, [ENDPOINT]),
    (CONTROL_STATE, [ControlStateRecord(key="fact", value=[1, {"x": None}])]),
    (
        TOKENS,
        [
            TokenRecord(
                id="tok_0123456789abcdef",
                name="ci",
                digest="0" * 64,
                subject="someone",
                bindings=(Binding(Role.VIEWER, ("*",)), Binding(Role.OPERATOR, ("a", "b"))),
                created_at=AT,
                expires_at=LATER,
                revoked_at=None,
                last_used_at=AT,
            )
        ],
    ),
    (
        DATA_KEYS,
        [DataKeyRecord("dk_0123456789abcdef", "wrapped", "kek", "configuration", AT, None, 2**32)],
    ),
    (SUBJECTS, [SubjectKey("s1", "wrapped", AT), SubjectKey("s2", None, AT, LATER)]),
]


def put_all(tx: Transaction) -> None:
    """Write every record."""
    for kind, records in RECORDS:
        for record in records:
            tx.put(kind, record)


def everything(rig: Rig) -> dict[str, dict[Any, Any]]:
    """Return all records in memory, by kind and key."""
    return {kind.name: dict(rig.records.table(kind)) for kind, _ in RECORDS}


def rows(rig: Rig, table: str) -> int:
    """Return how many rows a table has."""
    with rig.database.reader() as reader:
        return reader.scalar(select(func.count()).select_from(metadata.tables[table])) or 0


def test_every_kind_is_tried() -> None:
    """A kind that is added later takes part here."""
    assert {kind.name for kind, _ in RECORDS} == {codec.kind.name for codec in CODECS}


def test_records_of_every_kind_survive_a_restart(database_url: str) -> None:
    """What was in memory before the restart is in memory after it, and equal."""
    with running(database_url) as rig:
        rig.change(put_all)
        before = everything(rig)
    with running(database_url) as rig:
        assert everything(rig) == before
    for kind, records in RECORDS:
        for record in records:
            assert before[kind.name][kind.key(record)] == record


def test_deleted_records_of_every_kind_stay_away(database_url: str) -> None:
    """Deleted records leave no row behind, nor in tables that follow from them."""
    with running(database_url) as rig:
        rig.change(put_all)
        assert rows(rig, "circuit_breaker_configurations") == rows(rig, "retry_configurations") == 1
        assert rows(rig, "service_dependencies") == 2

        def delete_all(tx: Transaction) -> None:
            for kind, records in RECORDS:
                for record in records:
                    tx.delete(kind, kind.key(record))

        rig.change(delete_all)
        own = {"control_state", "alembic_version"}
        assert {name: rows(rig, name) for name in metadata.tables if name not in own and rows(rig, name)} == {}
    with running(database_url) as rig:
        left = {name: table for name, table in everything(rig).items() if table}
        assert left.keys() <= {CONTROL_STATE.name}


def test_changed_records_take_what_follows_from_them_along(database_url: str) -> None:
    """A service without one of its dependencies, and a policy without its breaker, lose the rows of those too."""
    smaller = replace(SERVICE, depends_on=(Dependency(name="b", kind="fallback"), Dependency(name="c")))
    with running(database_url) as rig:
        rig.change(put_all)
        rig.change(lambda tx: tx.put(SERVICES, smaller))
        rig.change(lambda tx: tx.put(POLICIES, replace(POLICY, content={"retry": RetryConfig().to_dict()})))
        assert rows(rig, "circuit_breaker_configurations") == 0
        assert rows(rig, "retry_configurations") == 1
    with running(database_url) as rig:
        found = rig.records.get(SERVICES, "shop")
        assert found is not None
        assert sorted(found.depends_on, key=lambda item: item.name) == list(smaller.depends_on)


def test_two_changes_of_one_record_in_a_group_leave_the_last(database_url: str) -> None:
    """Within one commit, a record that is made and deleted is gone, and one that is changed twice has its last form."""

    def change(tx: Transaction) -> None:
        tx.put(SERVICES, SERVICE)
        tx.put(SERVICES, replace(SERVICE, tier=5))
        tx.put(SERVICES, replace(SERVICE, name="short-lived"))
        tx.delete(SERVICES, "short-lived")
        tx.put(POLICIES, POLICY)
        tx.delete(POLICIES, POLICY.name)

    with running(database_url) as rig:
        rig.change(change)
        assert rows(rig, "circuit_breaker_configurations") == 0
    with running(database_url) as rig:
        assert rig.records.get(POLICIES, POLICY.name) is None
        assert {record.name: record.tier for record in rig.records.values(SERVICES)} == {"shop": 5}


def test_finished_recovery_is_history_and_an_unfinished_one_is_in_memory(database_url: str) -> None:
    """Only recoveries under way are loaded; finished ones lie in the database."""
    done = replace(RECOVERY, status="finished", outcome="recovered", finished_at=LATER, duration=1.5)
    with running(database_url) as rig:
        rig.change(lambda tx: tx.put(RECOVERIES, RECOVERY))
        rig.change(lambda tx: tx.put(RECOVERIES, done))
        assert rig.records.get(RECOVERIES, "rec_1") is None
    with running(database_url) as rig:
        assert rig.records.get(RECOVERIES, "rec_1") is None
        assert rows(rig, "recovery_operations") == 1


def test_newest_revision_of_a_deleted_policy_is_remembered(database_url: str) -> None:
    """A name that is used again goes on counting."""

    def change(tx: Transaction) -> None:
        for revision in (1, 2, 3):
            content = None if revision == 3 else {"name": "p"}
            tx.append(
                "policy_revisions",
                name="p",
                revision=revision,
                service=None,
                content=content,
                reason=None,
                changed_at=AT,
                changed_by="local",
                deleted=revision == 3,
            )

    with running(database_url) as rig:
        rig.change(change)
    with running(database_url) as rig:
        assert rig.records.get(REVISIONS, "p") == RevisionRecord(policy="p", revision=3)
