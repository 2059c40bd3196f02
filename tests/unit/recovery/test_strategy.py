"""The types of a recovery: times in UTC, and what a record says about itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from scrollintel.core.errors import ConfigError, StepFailedError
from scrollintel.recovery import Observation, Plan, RecoveryOutcome, RecoveryRecord, Step, StepResult

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def step(kind: Step, succeeded: bool, duration: float = 1.0) -> StepResult:
    """Return a finished step."""
    return StepResult(
        strategy="restart", step=kind, succeeded=succeeded, started_at=NOW, duration=duration, detail="so it went"
    )


def record(outcome: RecoveryOutcome, *steps: StepResult) -> RecoveryRecord:
    """Return a finished recovery."""
    return RecoveryRecord(
        service="shop",
        failure_type="hung",
        outcome=outcome,
        strategy=None,
        started_at=NOW,
        duration=9.0,
        steps=steps,
    )


@pytest.mark.parametrize("moment", [datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1)))])
def test_observation_and_plan_refuse_times_that_are_not_utc(moment: datetime) -> None:
    """Naive and local times cannot be compared across machines."""
    with pytest.raises(ConfigError, match="observed_at"):
        Observation(service="shop", healthy=True, symptom="", observed_at=moment)
    with pytest.raises(ConfigError, match="planned_at"):
        Plan(service="shop", strategy="restart", actions=(), reason="", planned_at=moment)


def test_record_seconds_adds_up_one_kind_of_step() -> None:
    """Time is summed over all strategies of the chain."""
    taken = record(
        RecoveryOutcome.RECOVERED, step(Step.ACT, False, 2.0), step(Step.UNDO, True, 8.0), step(Step.ACT, True, 0.5)
    )
    assert taken.seconds(Step.ACT) == 2.5
    assert taken.seconds(Step.VERIFY) == 0.0


@pytest.mark.parametrize(
    ("outcome", "succeeded"),
    [
        (RecoveryOutcome.RECOVERED, True),
        (RecoveryOutcome.NOT_NEEDED, True),
        (RecoveryOutcome.REFUSED, False),
        (RecoveryOutcome.FAILED, False),
    ],
)
def test_record_success_follows_the_outcome(outcome: RecoveryOutcome, succeeded: bool) -> None:
    """Only a working service is a success."""
    assert record(outcome).succeeded is succeeded


def test_record_raise_if_failed_names_the_last_failed_step() -> None:
    """The error leads to the step, not merely to the recovery."""
    failed = record(RecoveryOutcome.FAILED, step(Step.ACT, True), step(Step.VERIFY, False), step(Step.UNDO, True))
    with pytest.raises(StepFailedError) as caught:
        failed.raise_if_failed()
    assert (caught.value.strategy, caught.value.step) == ("restart", "verify")
    with pytest.raises(StepFailedError, match="had anything to do"):
        record(RecoveryOutcome.REFUSED, step(Step.OBSERVE, True)).raise_if_failed()
