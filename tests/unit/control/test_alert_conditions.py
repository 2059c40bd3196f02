"""What people should know of, out of what is seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scrollintel.control.alert_conditions import (
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
from scrollintel.control.alerts import AlertName, AlertRules, Labels, runbook
from scrollintel.control.circuit_view import ReplicaCircuit
from scrollintel.control.incidents import IncidentRecord, IncidentState
from scrollintel.control.silences import Match, Matcher, SilenceLabel, SilenceRecord, silenced_by
from scrollintel.recovery.burn import HOUR, Bucket, all_burning
from scrollintel.replica.protocol import CircuitReport

RULES = AlertRules()
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPORT = CircuitReport(
    "pay", None, "closed", "five failures", 0.0, None, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None,
    "OSError", None, 0,
)  # fmt: skip
INCIDENT = IncidentRecord(
    id="inc_1", target="db/1", service="db", group="db", failure_type="exited", state=IncidentState.ESCALATED,
    severity=3, root=None, attempts=3, relapses=0, recovery=None, detected_at=AT, declared_at=AT, detail="gone",
)  # fmt: skip


def part(state: str, replica: str = "one", *, stale: bool = False, service: str = "shop") -> ReplicaCircuit:
    """Return the circuit of one replica."""
    return ReplicaCircuit(replica, service, None, 0.0, stale, REPORT._replace(state=state))


def test_circuit_is_open_while_it_is_tried_again_and_not_while_an_operator_holds_it() -> None:
    """One for each service that uses it, with how many replicas have it open."""
    parts = [part("open"), part("closed", "two"), part("half_open", "three", service="mail"), part("isolated", "four")]
    found = {item.labels.service: item for item in open_circuits(parts, RULES)}
    assert set(found) == {"shop", "mail"}
    assert found["shop"].evidence["replicas"] == ["one"] and found["shop"].evidence["known"] == 3
    assert found["shop"].hold == 300.0
    assert list(open_circuits([part("isolated"), part("closed", "two")], RULES)) == []


def test_silent_replica_counts_only_when_all_are_silent() -> None:
    """What it said last says nothing while others speak."""
    parts = [part("open", stale=True), part("closed", "two")]
    assert list(open_circuits(parts, RULES)) == []
    (found,) = open_circuits([part("open", stale=True), part("closed", "two", stale=True)], RULES)
    assert found.evidence["silent"] is True


def test_circuit_flaps_when_one_replica_opened_more_often_than_the_bound() -> None:
    """Twenty replicas that opened three times are one failure; one that opened four times flaps."""
    calm = [Openings("shop", "pay", str(number), 3) for number in range(20)]
    assert list(flapping_circuits(calm, RULES)) == []
    (found,) = flapping_circuits([*calm, Openings("shop", "pay", "x", 4)], RULES)
    assert (found.labels.target, found.evidence["openings"], found.evidence["replica"]) == ("pay", 4, "x")


def test_empty_budget_is_one_for_each_policy_of_a_service() -> None:
    """With the tokens that are left at least, and what a retry needs."""
    budgets = [Budget("shop", "pay", "one", 0.5, 1.0), Budget("shop", "pay", "two", 0.1, 1.0)]
    (found,) = empty_budgets(budgets, RULES)
    assert (found.evidence["tokens"], found.evidence["replicas"]) == (0.1, ["one", "two"])


def test_budget_burns_fast_and_slowly_and_nobody_is_called_for_three_days() -> None:
    """2 % of 1,000,000 calls fail against 99.9 %: 20 times too fast over all windows, so both pairs alert."""
    buckets = [Bucket(age, 1000, 20) for age in range(0, int(72 * HOUR), 600)] + [Bucket(10.0, 1000, 20)]
    pairs = list(all_burning(buckets, 0.999))
    assert [pair.threshold for pair in pairs] == [14.4, 6.0, 1.0]
    fast, slow = burning_budgets([("shop", 0.999, pairs)])
    assert (fast.labels.variant, fast.severity, slow.labels.variant, slow.severity) == ("1h", 1, "6h", 2)
    assert fast.labels.fingerprint != slow.labels.fingerprint
    assert round(fast.evidence["long_rate"]) == 20


def test_recovery_fails_when_it_is_given_up_or_tried_again() -> None:
    """The first reminds only, and not once somebody looks after it; a first recovery is no reason."""
    (given_up,) = failing_recoveries([INCIDENT], RULES)
    assert (given_up.hold, given_up.quiet, given_up.muted) == (0.0, RULES.repeat_interval, None)
    (taken,) = failing_recoveries([replace(INCIDENT, acknowledged_by="ann")], RULES)
    assert taken.muted == "inc_1 is acknowledged by ann"
    again = replace(INCIDENT, state=IncidentState.RECOVERING, attempts=2)
    (trying,) = failing_recoveries([again], RULES)
    assert (trying.hold, trying.quiet) == (60.0, 0.0)
    assert trying.labels.fingerprint == given_up.labels.fingerprint
    others = [replace(again, attempts=1), replace(INCIDENT, state=IncidentState.WATCHED)]
    assert list(failing_recoveries(others, RULES)) == []


def test_automation_that_is_held_is_known_by_its_age() -> None:
    """A stop switch of two hours fires at once after a restart; the brake is told by the desk."""
    hold = Hold("ann", "work", AT - timedelta(hours=2))
    brake, switch = held_automation(hold, hold, AT, RULES)
    assert (brake.severity, brake.quiet, brake.hold) == (1, RULES.repeat_interval, 0.0)
    assert switch.age == 7200.0 > switch.hold
    assert list(held_automation(None, None, AT, RULES)) == []


def test_control_plane_that_is_not_well_tells_each_part_apart() -> None:
    """The audit log has an alert of its own."""
    troubles = [Trouble("storage", 1, "away"), Trouble("background: x", 2, "OSError")]
    broken, storage, background = ill_platform("record 3 differs", troubles, RULES)
    assert (broken.labels.name, broken.hold) == (AlertName.AUDIT_CHAIN_BROKEN, 0.0)
    assert (storage.labels.target, background.labels.target) == ("storage", "background: x")
    assert storage.hold == 60.0


def test_silent_replica_is_older_than_the_look() -> None:
    """Its silence counts from when it was heard of last."""
    (found,) = silent_replicas([("shop", "one", 42.0)], RULES)
    assert (found.age, found.hold, found.labels.target) == (42.0, 60.0, "one")


def test_silence_fits_when_all_of_its_matchers_do() -> None:
    """Exactly or by its beginning; an alert without the label never fits, and of two silences the longer counts."""

    def silence(number: int, *matchers: Matcher) -> SilenceRecord:
        return SilenceRecord(
            id=f"sil_{number}", matchers=matchers, reason="r", created_by="a", created_at=AT,
            until=AT + timedelta(hours=number),
        )  # fmt: skip

    labels = Labels(AlertName.CIRCUIT_OPEN_TOO_LONG, "shop", "pay/eu")
    service, prefix = Matcher(SilenceLabel.SERVICE, "shop"), Matcher(SilenceLabel.TARGET, "pay/", Match.PREFIX)
    name = Matcher(SilenceLabel.NAME, "circuit_flapping")
    all_of = [silence(1, service), silence(2, service, prefix), silence(3, service, name)]
    found = silenced_by(all_of, labels, AT)
    assert found is not None and found.id == "sil_2"
    assert silenced_by(all_of, labels, AT + timedelta(hours=2)) is None
    assert silenced_by(all_of, Labels(AlertName.PLATFORM_DEGRADED, None, "pay/"), AT) is None
    assert silenced_by(all_of, labels._replace(service="shopping"), AT) is None
    assert (all_of[1].service, silence(1, prefix).service) == ("shop", None)


def test_runbooks_have_a_section_for_each_alert() -> None:
    """The names in CamelCase are those that rules of Prometheus carry."""
    assert runbook(AlertName.ERROR_BUDGET_BURN, "https://docs.example.com/runbooks") == (
        "https://docs.example.com/runbooks#errorbudgetburn"
    )
    assert AlertName.CIRCUIT_OPEN_TOO_LONG.heading == "CircuitOpenTooLong"
