"""The metrics of the control plane, as far as whoever asks may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...control.incidents import INCIDENTS, IncidentRecord
from ...control.records import RecoveryOperationRecord
from ...security.access import Permission
from ...telemetry.exposition import Family
from ...telemetry.manager_metrics import Families
from ...telemetry.platform_families import CONTROL_PLANE
from ..caller import Caller
from .capacity import add_capacity
from .circuits import add_circuits, add_policies, add_services
from .platform import add_platform
from .recoveries import RecoveryCounts, add_recoveries, add_targets

if TYPE_CHECKING:
    from ..use_cases import UseCases


class Metrics:
    """Reads everything from memory, so that it answers without the database as well. On the event loop.

    Arguments:
        use_cases: The control plane.
        max_circuits: Circuits, policies, services and targets that are told of one by one, of each so many at most.

    Attributes:
        counts: Incidents and recoveries since the start.
    """

    def __init__(self, use_cases: UseCases, *, max_circuits: int) -> None:
        self._use_cases = use_cases
        self.max_circuits = max_circuits
        self.counts = RecoveryCounts()
        use_cases.plane.facts.on_told.append(self.counts.hear)

    def ended(self, record: RecoveryOperationRecord) -> None:
        """Take the times of a recovery that is over."""
        incident: IncidentRecord | None = None
        if record.incident is not None:
            incident = self._use_cases.automation.keeper.find(INCIDENTS.name, record.incident)
        self.counts.ended(record, incident)

    def families(self, caller: Caller) -> list[Family]:
        """Return the families: of services that the caller may see, and of the control plane itself."""
        use_cases, maximum = self._use_cases, self.max_circuits
        use_cases.plane.fleet.bring_up_to_date()
        scope = caller.identity.services_for(Permission.METRICS_READ)
        found = Families(CONTROL_PLANE)
        add_circuits(found, use_cases, scope, maximum)
        add_policies(found, use_cases, scope, maximum)
        add_capacity(found, use_cases, scope, maximum)
        add_services(found, use_cases, scope, maximum)
        add_targets(found, use_cases, scope, maximum)
        add_recoveries(found, use_cases, scope, self.counts, maximum)
        add_platform(found, use_cases)
        return found.all()
