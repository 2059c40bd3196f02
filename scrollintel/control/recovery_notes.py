"""What automated recovery writes down, as data: it goes to the database, or to a local journal while that is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import Enum
from typing import Any

from .incidents import APPROVALS, INCIDENTS, ApprovalRecord, IncidentRecord, IncidentState
from .records import RECOVERIES, Json, Kind, RecoveryOperationRecord

Record = IncidentRecord | ApprovalRecord | RecoveryOperationRecord
KINDS: Mapping[str, Kind[Any]] = {kind.name: kind for kind in (INCIDENTS, APPROVALS, RECOVERIES)}  # Any: their records
_CLASSES: Mapping[str, type[Any]] = {  # Any: the records of the kinds
    INCIDENTS.name: IncidentRecord,
    APPROVALS.name: ApprovalRecord,
    RECOVERIES.name: RecoveryOperationRecord,
}
_TUPLES = frozenset({"steps", "remedies"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentEvent:
    """One line of an incident's timeline.

    Arguments:
        incident: Its id.
        at: When, in UTC.
        kind: What happened, such as `detected`, `step`, `escalated`.
        detail: One sentence for an operator.
        actor: Who did it: "system", or a caller's id.
        data: Further JSON values.
    """

    incident: str
    at: datetime
    kind: str
    detail: str
    actor: str = "system"
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One entry of the audit log.

    Arguments:
        actor, request_id: Who did it, and by which request; automation itself by default.
    """

    action: str
    target_kind: str
    target: str
    service: str | None
    outcome: str = "allowed"
    reason: str | None = None
    after: Json | None = None
    actor: str = "system"
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Everything that belongs together; on disk as a whole, or not at all.

    Arguments:
        puts: Records that are written as they are.
        changes: Kind, id and the fields that change of a record that others change too; nothing happens when the
            record is over already.
        events: Lines of timelines.
        acts: Entries of the audit log.
        facts: Name, content and service of facts for the event stream.
    """

    puts: tuple[Record, ...] = ()
    changes: tuple[tuple[str, str, Json], ...] = ()
    events: tuple[IncidentEvent, ...] = ()
    acts: tuple[Act, ...] = ()
    facts: tuple[tuple[str, Json, str | None], ...] = ()

    def __add__(self, other: Note) -> Note:
        """Return both as one."""
        return Note(**{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(Note)})

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the note as JSON values; `from_dict` reads them back."""
        return {
            "puts": [[kind_of(record).name, _plain(asdict(record))] for record in self.puts],
            "changes": [[kind, name, _plain(changes)] for kind, name, changes in self.changes],
            "events": [_plain(asdict(event)) for event in self.events],
            "acts": [_plain(asdict(act)) for act in self.acts],
            "facts": [[event, _plain(content), service] for event, content, service in self.facts],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Note:  # Any: JSON values of mixed types
        """Read what `to_dict` returns; raises ValueError, KeyError or TypeError for anything else."""
        return cls(
            puts=tuple(_CLASSES[kind](**_typed(content)) for kind, content in value["puts"]),
            changes=tuple((kind, name, _typed(changes)) for kind, name, changes in value["changes"]),
            events=tuple(IncidentEvent(**_typed(event)) for event in value["events"]),
            acts=tuple(Act(**act) for act in value["acts"]),
            facts=tuple((event, content, service) for event, content, service in value["facts"]),
        )


def kind_of(record: Record) -> Kind[Any]:  # Any: the kind's own record
    """Return the kind that a record belongs to."""
    if isinstance(record, IncidentRecord):
        return INCIDENTS
    return APPROVALS if isinstance(record, ApprovalRecord) else RECOVERIES


def is_over(record: Record) -> bool:
    """Tell whether a record has come to its end, so that nothing of it changes any more."""
    return not kind_of(record).resident(record)


def changed(record: Record, changes: Json) -> Record:
    """Return a record with changes."""
    return replace(record, **changes)


def _plain(value: Any) -> Any:  # Any: JSON values, moments and members of enumerations
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _typed(content: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return fields of a record with moments, states and tuples as the record holds them."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if (name == "at" or name.endswith("_at")) and isinstance(value, str):
            found[name] = datetime.fromisoformat(value)
        elif name == "state":
            found[name] = IncidentState(value)
        elif name in _TUPLES:
            found[name] = tuple(value)
        else:
            found[name] = value
    return found
