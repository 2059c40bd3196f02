"""What a recovery is made of: observe, plan, act, verify, undo, and the records they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from ..core.errors import ConfigError, StepFailedError, Violation


class Step(StrEnum):
    """The five things a strategy does, in order; `UNDO` only after a failure."""

    OBSERVE = "observe"
    PLAN = "plan"
    ACT = "act"
    VERIFY = "verify"
    UNDO = "undo"


class RecoveryOutcome(StrEnum):
    """How a recovery ended.

    `RECOVERED`: a strategy acted and the service was verified. `NOT_NEEDED`: the service was observed healthy
    and nothing was done. `REFUSED`: no strategy was willing to act. `FAILED`: whatever was tried did not help.
    """

    RECOVERED = "recovered"
    NOT_NEEDED = "not_needed"
    REFUSED = "refused"
    FAILED = "failed"


def _require_utc(subject: str, name: str, moment: datetime) -> None:
    if moment.utcoffset() != timedelta(0):
        raise ConfigError(subject, [Violation(name, moment, "a datetime with timezone UTC")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a strategy saw when it looked at the service.

    Arguments:
        service: Name of the service.
        healthy: Whether it needs nothing.
        symptom: One sentence for an operator, such as "process 4711 is gone".
        observed_at: When, in UTC.
        facts: Further findings as JSON values, for the plan and for the record.

    Raises:
        ConfigError: when `observed_at` is not in UTC.
    """

    service: str
    healthy: bool
    symptom: str
    observed_at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values of mixed types

    def __post_init__(self) -> None:
        """Refuse a local or naive time, which could not be compared with other records."""
        _require_utc("Observation", "observed_at", self.observed_at)


class Idempotency(StrEnum):
    """What happens when `act` is carried out twice for one plan.

    `GUARDED`: it finds out whether the effect has happened and does nothing then. `NATURAL`: twice is the same as once.
    `KEYED`: the receiver drops repetitions by the plan's key. `NONE`: it happens twice.
    """

    GUARDED = "guarded"
    NATURAL = "natural"
    KEYED = "keyed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a strategy says about itself, for whoever decides whether it may act.

    Arguments:
        destructive: Whether it may lose data or work; a person has to agree then.
        restarts: Whether it ends a running process; it is used for failures of `alive` only.
        failover: Whether it moves work to another place; a person has to agree, and `failover_cool_down` holds.
        idempotency: What a repetition does.
        concurrency: Recoveries with this strategy at once, over all targets; None (default) sets no bound of its own.
        cool_down: Seconds between two uses on one target; None (default) leaves that to the target's limits.
        affects: What it touches: `target` (default), `group`, or `nothing`.
        acts_on_healthy: Whether it is meant for a target whose looks are good as well; others are not needed then.
        known: Whether it ships with the product; a person has to agree to what does not, unless the target's chain says
            otherwise.
    """

    destructive: bool = False
    restarts: bool = False
    failover: bool = False
    idempotency: Idempotency = Idempotency.NATURAL
    concurrency: int | None = None
    cool_down: float | None = None
    affects: str = "target"
    acts_on_healthy: bool = False
    known: bool = True


UNKNOWN_TRAITS = Traits(known=False, idempotency=Idempotency.NONE)
"""What is assumed of a strategy that has no attribute `traits`."""


def traits_of(strategy: object) -> Traits:
    """Return what a strategy says about itself, or `UNKNOWN_TRAITS`."""
    found = getattr(strategy, "traits", None)
    return found if isinstance(found, Traits) else UNKNOWN_TRAITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a strategy is going to do; data only, so that it can be shown, stored and approved.

    Arguments:
        service: Name of the service.
        strategy: Name of the strategy that will act.
        actions: The effects on the world in order, each one sentence for an operator.
        reason: Why, one sentence.
        planned_at: When, in UTC.
        parameters: JSON values that `act`, `verify` and `undo` need.
        key: Idempotency key of the effect, the same whenever this plan is carried out again; set by the engine.
        epoch: Fencing token: it rises whenever recoveries change hands, and who can should refuse a lower one; set by
            the engine.

    Raises:
        ConfigError: when `planned_at` is not in UTC.
    """

    service: str
    strategy: str
    actions: tuple[str, ...]
    reason: str
    planned_at: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values of mixed types
    key: str | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        """Refuse a local or naive time, which could not be compared with other records."""
        _require_utc("Plan", "planned_at", self.planned_at)


@runtime_checkable
class RecoveryStrategy(Protocol):
    """One known way to bring one service back; bound to that service when it is made.

    All methods run in the thread of the runner and may block; each should bound its own waiting, because the
    runner checks its time limit between them and cannot interrupt one. Any of them may raise: an exception
    counts as failure of that step.
    """

    @property
    def name(self) -> str:
        """Name in the registry and in every record."""

    def observe(self) -> Observation:
        """Look at the service afresh; changes nothing."""

    def plan(self, observation: Observation) -> Plan | None:
        """Say what to do about it, or None when there is nothing this strategy can do.

        Raises:
            PlanRefusedError: when acting could make things worse; the text says why.
        """

    def act(self, plan: Plan) -> None:
        """Carry the plan out. Must be safe to repeat, because a recovery may be tried again."""

    def verify(self, plan: Plan) -> bool:
        """Tell whether the service works now, judged on fresh evidence."""

    def undo(self, plan: Plan) -> None:
        """Take back what `act` did, as far as that is possible; also called after an `act` that failed half-way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step that was taken.

    Arguments:
        strategy: Name of the strategy.
        step: Which step.
        succeeded: Whether it did what it was meant to; for `VERIFY` whether the service was found healthy.
        started_at: When, in UTC.
        duration: Seconds that it took.
        detail: One sentence for an operator.
        verify_rounds: Looks that a `VERIFY` took; 0 for other steps.
    """

    strategy: str
    step: Step
    succeeded: bool
    started_at: datetime
    duration: float
    detail: str = ""
    verify_rounds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRecord:
    """One recovery from request to end.

    Arguments:
        service: Name of the service.
        failure_type: What it was asked to recover from.
        outcome: How it ended.
        strategy: The strategy that brought the service back, or None.
        started_at: When it was asked for, in UTC.
        duration: Seconds from then to the end.
        steps: Every step of every strategy that was tried, in order.
    """

    service: str
    failure_type: str
    outcome: RecoveryOutcome
    strategy: str | None
    started_at: datetime
    duration: float
    steps: tuple[StepResult, ...]

    @property
    def succeeded(self) -> bool:
        """Whether the service works: it was recovered, or nothing was wrong with it."""
        return self.outcome in (RecoveryOutcome.RECOVERED, RecoveryOutcome.NOT_NEEDED)

    def seconds(self, step: Step) -> float:
        """Seconds spent in `step`, over all strategies."""
        return sum(result.duration for result in self.steps if result.step is step)

    def raise_if_failed(self) -> None:
        """Do nothing after a success.

        Raises:
            StepFailedError: naming the last step that failed.
        """
        if self.succeeded:
            return
        failed = [result for result in self.steps if not result.succeeded]
        if not failed:
            raise StepFailedError(self.strategy or "(none)", Step.PLAN.value, "no strategy had anything to do")
        last = failed[-1]
        raise StepFailedError(last.strategy, last.step.value, last.detail)
