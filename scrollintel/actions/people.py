"""Strategies that change nothing themselves: wait for the target to heal, tell people, ask people."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.config.base import Config, number
from ..core.config.lists import line
from ..core.errors import StepFailedError
from ..recovery.strategy import Observation, Plan, Step, Traits
from ..recovery.symptom import Depth
from .base import TargetStrategy
from .kinds import StrategyContext, StrategyKind

NOTHING = Traits(affects="nothing")
ASKS = Traits(destructive=True, affects="nothing")
LOOK_INTERVAL = 0.5


@dataclass(frozen=True, slots=True)
class WaitOptions(Config):
    """What waiting takes.

    Arguments:
        seconds: How long the target may take to heal by itself; default 30.
    """

    seconds: float = field(default=30.0, metadata=number(above=True, maximum=3600.0, unit="seconds"))


class Wait(TargetStrategy):
    """Gives the target time to heal by itself, and looks."""

    name = "wait"
    traits = NOTHING

    def __init__(self, context: StrategyContext, options: WaitOptions) -> None:
        super().__init__(context)
        self._seconds = options.seconds

    def plan(self, observation: Observation) -> Plan | None:
        """Wait while the target fails."""
        return None if observation.healthy else self.planned((f"look for up to {self._seconds:g} s",), observation)

    def act(self, plan: Plan) -> None:
        """Look until it is healthy or the time is over."""
        clock = self.context.clock
        deadline = clock.monotonic() + self._seconds
        while clock.monotonic() < deadline:
            looks = self.context.probe(list(Depth))
            if looks and all(look.good for look in looks):
                return
            clock.sleep(LOOK_INTERVAL)
        raise StepFailedError(self.name, Step.ACT, f"it has not healed within {self._seconds:g} s")


@dataclass(frozen=True, slots=True)
class NotifyOptions(Config):
    """What telling people takes.

    Arguments:
        text: What they are told besides what is wrong, or None.
    """

    text: str | None = field(default=None, metadata=line(optional=True))


class Notify(TargetStrategy):
    """Tells people and does nothing else."""

    name = "notify"
    traits = NOTHING

    def __init__(self, context: StrategyContext, options: NotifyOptions) -> None:
        super().__init__(context)
        self._text = options.text

    def plan(self, observation: Observation) -> Plan | None:
        """Tell them while the target fails."""
        return None if observation.healthy else self.planned(("tell people",), observation)

    def act(self, plan: Plan) -> None:
        """Tell them."""
        said = f"{self.target}: {plan.reason}"
        self.context.orders.notify(f"{said}. {self._text}" if self._text else said)


class Ask(Notify):
    """Asks a person, who repairs it and then agrees; without an agreement the recovery ends."""

    name = "ask"
    traits = ASKS

    def plan(self, observation: Observation) -> Plan | None:
        """Ask while the target fails."""
        if observation.healthy:
            return None
        return self.planned(("a person repairs it and agrees here once that is done",), observation)

    def act(self, plan: Plan) -> None:
        """Do nothing: the person has."""


KINDS = (
    StrategyKind(Wait.name, WaitOptions, NOTHING, "Gives the target time to heal by itself.", Wait),
    StrategyKind(Notify.name, NotifyOptions, NOTHING, "Tells people, and does nothing else.", Notify),
    StrategyKind(Ask.name, NotifyOptions, ASKS, "Asks a person to repair it.", Ask),
)
