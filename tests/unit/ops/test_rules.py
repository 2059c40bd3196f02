"""The rules that are shipped: what they tell, and that each has an example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.prometheus.alert import Alert, spell
from ops.prometheus.alerts import alerts
from ops.prometheus.files import rule_tests, rules
from scrollintel.control.alerts import AlertName, runbook

ALERTS = alerts()
NAMED = [pytest.param(alert, id="-".join((alert.name, *alert.labels.values()))) for alert in ALERTS]
ROOT = Path(__file__).parents[3]


def test_alerts_are_those_of_the_control_plane_and_one_that_it_cannot_have() -> None:
    """What watches the same thing has the same name; only Prometheus can tell that the control plane is gone."""
    assert {alert.name for alert in ALERTS} == {name.heading for name in AlertName} | {"ScrapeMissing"}


@pytest.mark.parametrize("alert", NAMED)
def test_alert_tells_what_who_and_what_to_do(alert: Alert) -> None:
    """Labels and annotations are there, and templates name labels that the expression leaves."""
    rule = alert.rule("https://wiki.example")
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["runbook_url"].startswith("https://wiki.example/")
    for text in rule["annotations"].values():
        assert text
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= set(alert.case.labels)
    assert "{{" not in "".join(alert.told("docs").values())


@pytest.mark.parametrize("alert", NAMED)
def test_alert_leads_to_a_heading_of_the_documentation(alert: Alert) -> None:
    """Page and anchor exist; what the control plane alerts of as well leads where its own alert does."""
    page, _, anchor = alert.annotations("docs")["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    own = [name for name in AlertName if name.heading == alert.name]
    if alert.name != "ScrapeMissing":
        assert f"{page}#{anchor}" == runbook(own[0], None)


def test_alerts_of_one_name_are_told_apart_by_a_label() -> None:
    """Alertmanager would take them for one otherwise."""
    keys = [(alert.name, alert.labels.get("variant")) for alert in ALERTS]
    assert len(set(keys)) == len(keys)


def test_rules_are_recorded_before_they_are_used_and_in_the_same_group() -> None:
    """Groups are evaluated side by side, the rules of one group one after the other."""
    budgets, others = rules(ALERTS)["groups"]
    assert "job_service_circuit:" not in "".join(rule["expr"] for rule in others["rules"])
    known: set[str] = set()
    for rule in budgets["rules"]:
        assert set(re.findall(r"job_service_circuit:[\w:]+", rule["expr"])) <= known
        known |= {rule["record"]} if "record" in rule else set()
    assert len(known) == 4
    assert len(budgets["rules"]) + len(others["rules"]) == len(ALERTS) + len(known)


def test_rule_tests_show_each_alert_silent_and_firing() -> None:
    """Silent half a minute before it fires at the latest."""
    tests = rule_tests(ALERTS)["tests"]
    assert len(tests) == len(ALERTS)
    for test in tests:
        silent, fires, *_ = test["alert_rule_test"]
        assert silent["exp_alerts"] == [] and len(fires["exp_alerts"]) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "200ms"), (1, "1s"), (90, "90s"), (300, "5m"), (3600, "1h"), (86_400, "1d")]
)
def test_spell_writes_durations_as_prometheus_does(seconds: float, text: str) -> None:
    """In the largest unit that they are whole of."""
    assert spell(seconds) == text
