"""Reports about circuits make the watcher look, and are counted against the error budget."""

from __future__ import annotations

from scrollintel.recovery.burn import burning
from scrollintel.recovery.symptom import FailureType, Look
from scrollintel.replica.protocol import CircuitReport
from scrollintel.service.automation.passive import PassiveSignals

CLOSED = CircuitReport(
    "web", None, "closed", "", 0.0, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, None, None, 0
)


class Rig:
    """Signals about one service with two targets."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.now = 1000.0
        self.signals = PassiveSignals(lambda: {"web": ["web/a", "web/b"]}, self.looks.append, lambda: self.now)

    def report(self, successes: int, failures: int, *, instance: str = "one", **changes: object) -> list[Look]:
        """Report counts and return the looks that follow."""
        self.looks.clear()
        self.signals.take(instance, CLOSED._replace(successes=successes, failures=failures, **changes))
        return list(self.looks)


def test_open_circuit_is_a_reason_to_look_at_all_targets() -> None:
    """None of it proves anything about the thing that is called."""
    looks = Rig().report(0, 5, state="open", reason="five failures in a row")
    assert {look.target for look in looks} == {"web/a", "web/b"}
    assert {look.failure_type for look in looks} == {FailureType.CIRCUIT_OPEN}
    assert not any(look.conclusive for look in looks)


def test_failing_calls_are_a_reason_and_few_are_none() -> None:
    """Half of at least twenty calls."""
    rig = Rig()
    assert rig.report(100, 0) == []
    assert rig.report(105, 14) == []
    assert {look.failure_type for look in rig.report(110, 34)} == {FailureType.ERROR_RATE}


def test_slow_answers_are_measured_against_the_usual() -> None:
    """Four times the usual, and a tenth of a second at least."""
    rig = Rig()
    rig.report(10, 0, p95=0.05)
    assert rig.report(20, 0, p95=0.09) == []
    assert {look.failure_type for look in rig.report(30, 0, p95=0.5)} == {FailureType.SLOW}


def test_calls_burn_the_budget_of_what_is_called() -> None:
    """What a process counted before its first report is of no known age, and so is a count that began anew."""
    rig = Rig()
    rig.report(0, 1_000)
    assert list(rig.signals.calls(["web"])) == []
    rig.report(900, 1_100)
    rig.report(10, 0)
    rig.report(10, 0, instance="two")
    rig.report(110, 0, instance="two")
    assert sum(bucket.calls for bucket in rig.signals.calls(["web", "other"])) == 1_100
    found = burning(rig.signals.calls(["web"]), 0.999)
    assert found is not None
    assert found.threshold == 14.4


def test_replica_that_left_is_forgotten_and_its_calls_are_not() -> None:
    """When it comes back, its counts are of no known age again."""
    rig = Rig()
    rig.report(0, 0)
    rig.report(100, 100)
    rig.signals.forget("one")
    rig.report(5_000, 5_000)
    assert sum(bucket.calls for bucket in rig.signals.calls(["web"])) == 200
