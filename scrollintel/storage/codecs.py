"""Records to rows and back: one codec for each kind of record that is kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..control.alerts import TOLD_ALERTS, ToldAlertRecord
from ..control.incidents import APPROVALS, INCIDENTS, ApprovalRecord, IncidentRecord, IncidentState
from ..control.records import (
    CIRCUIT_ORDERS,
    CIRCUIT_STATES,
    CONFIGURATION,
    CONTROL_STATE,
    ENDPOINT_ORDERS,
    IDEMPOTENCY,
    LEVEL_ORDERS,
    POLICIES,
    RECOVERIES,
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
    RoleBindingRecord,
    ServiceRecord,
    Source,
)
from ..control.silences import SILENCES, Matcher, SilenceRecord
from ..models.access_tables import ApiTokenRow, DataKeyRow, IdempotencyKeyRow, RoleBindingRow, SubjectRow
from ..models.alert_tables import SilenceRow, ToldAlertRow
from ..models.circuit_tables import CircuitBreakerState, CircuitOrderRow
from ..models.configuration_tables import ControlStateRow, FaultToleranceConfiguration
from ..models.incident_tables import ApprovalRow, EndpointRow, IncidentRow
from ..models.policy_tables import CircuitBreakerConfiguration, PolicyRow, RetryConfiguration
from ..models.recovery_tables import RecoveryOperation
from ..models.service_tables import ServiceDegradation, ServiceDependencyRow, ServiceRow
from ..security.access import Binding
from ..security.envelope import DataKeyRecord
from ..security.kinds import DATA_KEYS, SUBJECTS, TOKENS
from ..security.subjects import SubjectKey
from ..security.tokens import TokenRecord

R = TypeVar("R")
Row = dict[str, Any]  # Any: the columns' values
Derived = tuple[type[Any], Row, bool]  # a mapped class, its row, and whether the row is written (or removed)


def _same(record: Any) -> Row:  # Any: a record
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Codec(Generic[R]):
    """How the records of one kind lie in their table.

    Arguments:
        kind, model: The kind and the mapped class of its table.
        read: Makes a record of a row's columns.
        write: Makes the columns' values of a record; by default those of the same names.
        renamed: Field → column, where they differ.
        related: Rows of other tables that follow from a record; the former record comes along, or None.
    """

    kind: Kind[R]
    model: type[Any]
    read: Callable[[Mapping[str, Any]], R]
    write: Callable[[R], Row] = _same
    renamed: Mapping[str, str] = field(default_factory=dict)
    related: Callable[[R | None, R | None], Iterable[Derived]] | None = None

    def row(self, record: R) -> Row:
        """Return the columns' values of a record."""
        values = self.write(record)
        for name, column in self.renamed.items():
            values[column] = values.pop(name)
        return values

    def record(self, row: Mapping[str, Any]) -> R:
        """Return the record of a row."""
        values = dict(row)
        for name, column in self.renamed.items():
            values[name] = values.pop(column)
        return self.read(values)


_SEQUENCE = {"sequence": "fleet_sequence"}


def _policy(row: Mapping[str, Any]) -> PolicyRecord:
    return PolicyRecord(**{**row, "source": Source(row["source"])})


def _policy_row(record: PolicyRecord) -> Row:
    return {**_same(record), "source": record.source.value}


def _policy_parts(old: PolicyRecord | None, new: PolicyRecord | None) -> Iterable[Derived]:
    """Keep the tables of breaker and retry configurations in step with the policies."""
    breaker = None if new is None else new.content.get("breaker")
    if new is not None and breaker is not None:
        yield (
            CircuitBreakerConfiguration,
            {
                "name": new.name,
                "service": new.service,
                "revision": new.revision,
                "failure_threshold": breaker["failure_threshold"],
                "recovery_timeout": breaker["recovery_timeout"],
                "success_threshold": breaker["success_threshold"],
                "timeout": breaker["timeout"],
                "window_kind": breaker["window_kind"],
                "mode": breaker["mode"],
                "enabled": breaker["mode"] == "enabled",
                "content": breaker,
                "updated_at": new.changed_at,
            },
            True,
        )
    elif old is not None and old.content.get("breaker") is not None:
        yield CircuitBreakerConfiguration, {"name": old.name}, False
    retry = None if new is None else new.content.get("retry")
    if new is not None and retry is not None:
        yield (
            RetryConfiguration,
            {
                "policy": new.name,
                "service": new.service,
                "revision": new.revision,
                "max_attempts": retry["max_attempts"],
                "base_delay": retry["base_delay"],
                "max_delay": retry["max_delay"],
                "exponential_base": retry["exponential_base"],
                "jitter": retry["jitter"],
                "content": retry,
                "updated_at": new.changed_at,
            },
            True,
        )
    elif old is not None and old.content.get("retry") is not None:
        yield RetryConfiguration, {"policy": old.name}, False


def _service(row: Mapping[str, Any]) -> ServiceRecord:
    return ServiceRecord(**{**row, "source": Source(row["source"]), "depends_on": tuple(row.get("depends_on", ()))})


def _service_row(record: ServiceRecord) -> Row:
    row = {**_same(record), "source": record.source.value}
    del row["depends_on"]
    return row


def _dependencies(old: ServiceRecord | None, new: ServiceRecord | None) -> Iterable[Derived]:
    wanted = {} if new is None else {item.name: item.kind for item in new.depends_on}
    for item in () if old is None else old.depends_on:
        if item.name not in wanted:
            assert old is not None
            yield ServiceDependencyRow, {"service": old.name, "depends_on": item.name}, False
    for name, kind in wanted.items():
        assert new is not None
        yield ServiceDependencyRow, {"service": new.name, "depends_on": name, "kind": kind}, True


def dependency(row: Mapping[Any, Any]) -> tuple[str, Dependency]:
    """Return the service and the dependency of a row."""
    return row["service"], Dependency(name=row["depends_on"], kind=row["kind"])


def _level(row: Mapping[str, Any]) -> LevelOrder:
    return LevelOrder(**{name: value for name, value in row.items() if name != "automatic"})


def _token(row: Mapping[str, Any]) -> TokenRecord:
    values = {name: value for name, value in row.items() if name != "created_by"}
    values["bindings"] = tuple(Binding.from_dict(item) for item in row["bindings"])
    return TokenRecord(**values)


def _token_row(record: TokenRecord) -> Row:
    return {**_same(record), "bindings": [binding.to_dict() for binding in record.bindings], "created_by": "api"}


def _recovery(row: Mapping[str, Any]) -> RecoveryOperationRecord:
    values = {name: value for name, value in row.items() if name != "idempotency_key"}
    values.update(steps=tuple(row["steps"]), remedies=tuple(row["remedies"] or ()))
    return RecoveryOperationRecord(**values)


def _recovery_row(record: RecoveryOperationRecord) -> Row:
    return {**_same(record), "steps": list(record.steps), "remedies": list(record.remedies)}


def incident(row: Mapping[str, Any]) -> IncidentRecord:
    """Return the incident of a row, whose columns have the names of the fields but for the group."""
    values = {**row, "state": IncidentState(row["state"])}
    if "replica_group" in values:
        values["group"] = values.pop("replica_group")
    return IncidentRecord(**values)


def _incident_row(record: IncidentRecord) -> Row:
    return {**_same(record), "state": record.state.value, "impact": dict(record.impact)}


def _approval_row(record: ApprovalRecord) -> Row:
    return {**_same(record), "plan": dict(record.plan)}


def _silence(row: Mapping[str, Any]) -> SilenceRecord:
    return SilenceRecord(**{**row, "matchers": tuple(Matcher.from_dict(item) for item in row["matchers"])})


def _silence_row(record: SilenceRecord) -> Row:
    return {**_same(record), "matchers": [matcher.to_dict() for matcher in record.matchers]}


def _told_alert_row(record: ToldAlertRecord) -> Row:
    return {**_same(record), "evidence": dict(record.evidence)}


def _binding(row: Mapping[str, Any]) -> RoleBindingRecord:
    return RoleBindingRecord(**{**row, "services": tuple(row["services"])})


CODECS: tuple[Codec[Any], ...] = (
    Codec(POLICIES, PolicyRow, _policy, _policy_row, _SEQUENCE, _policy_parts),
    Codec(CIRCUIT_ORDERS, CircuitOrderRow, lambda row: CircuitOrder(**row), renamed=_SEQUENCE),
    Codec(LEVEL_ORDERS, ServiceDegradation, _level, lambda record: {**_same(record), "automatic": False}, _SEQUENCE),
    Codec(SERVICES, ServiceRow, _service, _service_row, related=_dependencies),
    Codec(CIRCUIT_STATES, CircuitBreakerState, lambda row: CircuitStateRecord(**row)),
    Codec(CONFIGURATION, FaultToleranceConfiguration, lambda row: ConfigurationRecord(**row)),
    Codec(
        IDEMPOTENCY,
        IdempotencyKeyRow,
        lambda row: IdempotencyRecord(**row),
        lambda record: {**_same(record), "headers": dict(record.headers)},
    ),
    Codec(ROLE_BINDINGS, RoleBindingRow, _binding, lambda record: {**_same(record), "services": list(record.services)}),
    Codec(RECOVERIES, RecoveryOperation, _recovery, _recovery_row),
    Codec(INCIDENTS, IncidentRow, incident, _incident_row, {"group": "replica_group"}),
    Codec(APPROVALS, ApprovalRow, lambda row: ApprovalRecord(**row), _approval_row),
    Codec(SILENCES, SilenceRow, _silence, _silence_row),
    Codec(TOLD_ALERTS, ToldAlertRow, lambda row: ToldAlertRecord(**row), _told_alert_row),
    Codec(ENDPOINT_ORDERS, EndpointRow, lambda row: EndpointOrder(**row), renamed=_SEQUENCE),
    Codec(CONTROL_STATE, ControlStateRow, lambda row: ControlStateRecord(**row)),
    Codec(TOKENS, ApiTokenRow, _token, _token_row),
    Codec(DATA_KEYS, DataKeyRow, lambda row: DataKeyRecord(**row)),
    Codec(
        SUBJECTS,
        SubjectRow,
        lambda row: SubjectKey(**row),
        renamed={"subject_id": "id", "wrapped": "wrapped_key"},
    ),
)
"""One codec for each kind that is loaded at start and kept in memory."""
