"""What most strategies that ship do alike: look freshly, make a plan, judge by the looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..recovery.strategy import Observation, Plan, Traits
from ..recovery.symptom import Depth
from .kinds import StrategyContext


class TargetStrategy:
    """A strategy for one target; a kind overrides what it does in another way.

    Arguments:
        context: What it is made for.
    """

    name = "strategy"
    traits = Traits()

    def __init__(self, context: StrategyContext) -> None:
        self.context = context

    @property
    def target(self) -> str:
        """Name of the target."""
        return self.context.target.name

    def observe(self) -> Observation:
        """Look at everything afresh; healthy when nothing is wrong."""
        looks = self.context.probe(list(Depth))
        bad = [look for look in looks if not look.good]
        symptom = bad[0].detail if bad else "all checks are good" if looks else "there is nothing to look at"
        return self.observation(bool(looks) and not bad, symptom)

    def observation(
        self,
        healthy: bool,
        symptom: str,
        facts: Mapping[str, Any] | None = None,  # Any: JSON values
    ) -> Observation:
        """Return an observation of now."""
        return Observation(
            service=self.context.target.service,
            healthy=healthy,
            symptom=symptom,
            observed_at=self.context.now,
            facts=facts or {},
        )

    def planned(
        self, actions: tuple[str, ...], observation: Observation, **parameters: Any
    ) -> Plan:  # Any: JSON values
        """Return a plan of now."""
        return Plan(
            service=self.context.target.service,
            strategy=self.name,
            actions=actions,
            reason=observation.symptom,
            planned_at=self.context.now,
            parameters=parameters,
        )

    def verify(self, plan: Plan) -> bool:
        """Leave the proof to the fresh looks that follow."""
        return True

    def undo(self, plan: Plan) -> None:
        """Do nothing: there is nothing to take back."""
