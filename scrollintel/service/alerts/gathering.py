"""Gathers what alerts are judged by: circuits, budgets, incidents, and how the control plane itself stands."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ...control.alert_conditions import (
    NOT_CLOSED,
    Budget,
    Hold,
    Openings,
    Trouble,
    burning_budgets,
    empty_budgets,
    failing_recoveries,
    flapping_circuits,
    held_automation,
    ill_platform,
    open_circuits,
    silent_replicas,
)
from ...control.alerts import LONGEST_FLAP_WINDOW, MAX_FLAP_OPENINGS, AlertName, AlertRules, Condition
from ...control.circuit_view import ReplicaCircuit
from ...control.incidents import INCIDENTS
from ...control.records import POLICIES
from ...core.config.retry import BudgetConfig
from ...core.states import CircuitState
from ...recovery.burn import Burn
from ...replica.protocol import PolicyReport
from ...storage.writer import WriterState
from ..automation.automation import Automation
from ..checkpoints import Checkpoints
from ..circuits import Circuits
from ..fleet import Session
from ..plane import ControlPlane

BURN_INTERVAL = 10.0
"""Seconds between two looks at error budgets, which sum up three days of counts."""
BURN_BLIND = 300.0
"""Seconds after the start in which nothing is known of error budgets: the shortest window has to fill first."""
MAX_PLACES = 20_000
"""Circuits of replicas whose openings are counted."""
IN_USE = 60.0
"""Seconds without a call after which an empty retry budget harms nobody."""


@dataclass(slots=True)
class _Use:
    """How much a policy had been used, and when that changed last."""

    total: int
    at: float


class OpeningCounts:
    """How often circuits have opened out of closed lately; bounded, the circuit that opened longest ago goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str, str], deque[float]] = OrderedDict()

    def note(self, row: Mapping[str, Any], at: float) -> None:  # Any: the columns' values
        """Take a change of state at a monotonic time."""
        if row["old"] != CircuitState.CLOSED or row["new"] != CircuitState.OPEN:
            return
        place = (row["service"], row["circuit"], row["replica"], row["key"])
        self._kept.setdefault(place, deque(maxlen=MAX_FLAP_OPENINGS + 1)).append(at)
        self._kept.move_to_end(place)
        if len(self._kept) > MAX_PLACES:
            self._kept.popitem(last=False)

    def within(self, now: float, window: float) -> Iterator[Openings]:
        """Yield how often each circuit of each replica has opened in the last `window` seconds."""
        while self._kept and now - next(iter(self._kept.values()))[-1] > LONGEST_FLAP_WINDOW:
            self._kept.popitem(last=False)
        for (service, circuit, replica, _), times in self._kept.items():
            yield Openings(service, circuit, replica, sum(now - at < window for at in times))


class Gathering:
    """Everything on the event loop; reads what is in memory, and the file of the stop switch.

    Arguments:
        plane, circuits, automation, checkpoints: What is looked at.
        troubles: Gives the errors of background work by the name of the loop.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        automation: Automation,
        checkpoints: Checkpoints,
        troubles: Callable[[], dict[str, str]],
    ) -> None:
        self._plane = plane
        self._circuits = circuits
        self._automation = automation
        self._checkpoints = checkpoints
        self._troubles = troubles
        self.openings = OpeningCounts()
        self._begun = plane.clock.monotonic()
        self._uses: dict[tuple[str, str], _Use] = {}
        self._burns: list[tuple[str, float, list[Burn]]] = []
        self._burns_at: float | None = None

    def conditions(self, rules: AlertRules) -> list[Condition]:
        """Return everything that is true now."""
        plane, automation = self._plane, self._automation
        now = plane.now
        return [
            *open_circuits(self._not_closed(), rules),
            *flapping_circuits(self.openings.within(plane.clock.monotonic(), rules.flap_window), rules),
            *empty_budgets(self._empty(), rules),
            *burning_budgets(self._burning()),
            *failing_recoveries(automation.keeper.records(INCIDENTS.name), rules),
            *held_automation(self._brake(), self._switch(), now, rules),
            *ill_platform(self._checkpoints.broken, self._platform(), rules),
            *silent_replicas(self._silent(), rules),
        ]

    def blind(self) -> frozenset[AlertName]:
        """Return the alerts that cannot be judged now, so that none of them ends for want of knowledge."""
        is_young = self._plane.clock.monotonic() - self._begun < BURN_BLIND
        watches = self._automation.is_watching or not self._automation.config.targets
        return frozenset() if watches and not is_young else frozenset({AlertName.ERROR_BUDGET_BURN})

    def recall(self) -> None:
        """Take over how often circuits opened in the life before; error budgets are not known of it."""
        plane = self._plane
        now, monotonic = plane.now, plane.clock.monotonic()
        self._begun, self._burns, self._burns_at = monotonic, [], None
        self.openings = OpeningCounts()
        rows = plane.transitions.since(now - timedelta(seconds=LONGEST_FLAP_WINDOW))
        for row in sorted(rows, key=lambda row: row["at"]):
            self.openings.note(row, monotonic - max(0.0, (now - row["at"]).total_seconds()))

    # ------------------------------------------------------------------ circuits and policies

    def _not_closed(self) -> Iterator[ReplicaCircuit]:
        """Yield every part of the circuits of which one part is not closed."""
        fleet, remembered = self._plane.fleet, self._circuits.remembered
        names = {
            name
            for session in fleet.sessions()
            for name, keys in session.circuits.items()
            if any(held.report.state in NOT_CLOSED for held in keys.values())
        }
        names.update(remembered.names())
        for name in names:
            yield from fleet.parts(name)
            yield from remembered.parts(name)

    def _empty(self) -> Iterator[Budget]:
        now = self._plane.clock.monotonic()
        needs: dict[str, tuple[float, float]] = {}
        seen: dict[tuple[str, str], _Use] = {}
        for session in self._plane.fleet.sessions():
            for name, report in session.policies.items():
                if report.budget is None:
                    continue
                if name not in needs:
                    needs[name] = self._needs(name)
                floor, price = needs[name]
                if report.budget > floor and report.budget >= price:
                    continue
                use = self._use(now, session, report)
                seen[session.instance, name] = use
                if now - use.at <= IN_USE:
                    yield Budget(session.service, name, session.instance, report.budget, max(floor, price))
        self._uses = seen

    def _use(self, now: float, session: Session, report: PolicyReport) -> _Use:
        total = report.calls + report.attempts + report.retries + report.given_up
        known = self._uses.get((session.instance, report.name))
        return known if known is not None and known.total == total else _Use(total, now)

    def _needs(self, policy: str) -> tuple[float, float]:
        """Return how many tokens a retry has to leave behind, and what it costs; of the code's own what is default."""
        record = self._plane.records.get(POLICIES, policy)
        retry = None if record is None else record.content.get("retry")
        content = None if retry is None else retry.get("budget")
        budget = BudgetConfig() if content is None else BudgetConfig.from_dict(content)
        return budget.reserve * budget.threshold, 0.0 if budget.deposit_on_success else budget.cost

    def _burning(self) -> list[tuple[str, float, list[Burn]]]:
        now = self._plane.clock.monotonic()
        if self._burns_at is None or now - self._burns_at >= BURN_INTERVAL:
            self._burns_at = now
            found: dict[str, tuple[str, float, list[Burn]]] = {}
            for target in self._automation.judgement.topology.targets.values():
                if target.objective is not None and target.service not in found:
                    found[target.service] = (
                        target.service,
                        target.objective,
                        list(self._automation.budgets.burns(target)),
                    )
            self._burns = list(found.values())
        return self._burns

    def _silent(self) -> Iterator[tuple[str, str, float]]:
        fleet = self._plane.fleet
        for session in fleet.sessions():
            if fleet.is_stale(session):
                yield session.service, session.instance, fleet.age(session)

    # ------------------------------------------------------------------ automation and the control plane itself

    def _brake(self) -> Hold | None:
        engaged = self._automation.brake.engaged()
        return None if engaged is None else Hold(engaged.subject, engaged.why, engaged.since)

    def _switch(self) -> Hold | None:
        stopped = self._automation.switch.stopped()
        return None if stopped is None else Hold(stopped.by, stopped.reason, stopped.since)

    def _platform(self) -> Iterator[Trouble]:
        plane, checkpoints = self._plane, self._checkpoints
        state = plane.writer.state
        if state not in (WriterState.SERVING, WriterState.STOPPED):
            yield Trouble("storage", 1, f"its database is {state.value}: changes are refused")
        if plane.distrust is not None:
            yield Trouble("encryption", 1, plane.distrust)
        if plane.database.full:
            yield Trouble("disk", 1, "the database has no room left on its volume: changes are refused")
        if checkpoints.last_error is not None:
            yield Trouble("checkpoints", 2, f"checkpoints of the audit log cannot be kept: {checkpoints.last_error}")
        for loop, error in self._troubles().items():
            yield Trouble(f"background: {loop}"[:200], 2, f"{loop} fails again and again: {error}")
