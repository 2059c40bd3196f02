"""Dashboards and alerts at a real Prometheus, which scrapes a real control plane with real failures."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ops.grafana.looks import STATE_NUMBERS
from ops.make import HERE
from tests.servers.monitoring import Monitored
from tests.servers.processes import eventually
from tests.servers.recorder import HttpRecorder

pytestmark = pytest.mark.needs("prometheus", "alertmanager")
CHOSEN = {
    "$job": "scrollintel", "$instance": ".*", "$service": ".*", "$circuit": "payments", "$__rate_interval": "5s",
}  # fmt: skip
PATIENCE = 40.0
"""Seconds that something may take on a busy machine; it comes within a few."""
DASHBOARDS = sorted((HERE / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def hook() -> Iterator[HttpRecorder]:
    """Return who is told."""
    with HttpRecorder() as found:
        yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, hook: HttpRecorder) -> Iterator[Monitored]:
    """Return a world that is watched, in which everything is well."""
    with Monitored(tmp_path_factory.mktemp("monitored"), hook.url) as found:
        found.watch()
        yield found


def filled(text: str) -> str:
    """Return a query as Grafana asks it, with everything that the reader has chosen."""
    for name, value in CHOSEN.items():
        text = text.replace(name, value)
    assert "$" not in text, text
    return text


def queries() -> dict[str, str]:
    """Return each query of each panel and each mark, by where it stands."""
    found: dict[str, str] = {}
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text("utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                place = f"{path.stem}: {panel['title']} {target['refId']}"
                assert place not in found, place
                found[place] = filled(target["expr"])
        for mark in dashboard["annotations"]["list"]:
            found[f"{path.stem}: {mark['name']}"] = filled(mark["expr"])
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
                assert asked is not None, variable["definition"]
                found[f"{path.stem}: ${variable['name']}"] = f"count by ({asked[2]}) ({filled(asked[1])}) > 0"
    return found


def tells(answer: list[float]) -> bool:
    """Tell whether an answer has a number."""
    return any(math.isfinite(number) for number in answer)


def told(hook: HttpRecorder, name: str, status: str, **labels: str) -> dict[str, Any] | None:
    """Return the alert of a message of Alertmanager, or None as long as there is none."""
    for asked in list(hook.asked):
        if asked.path in ("/team", "/on-call"):
            for alert in asked.json()["alerts"]:
                if alert["status"] == status and {"alertname": name, **labels}.items() <= alert["labels"].items():
                    found: dict[str, Any] = alert
                    return found
    return None


def test_alert_of_a_real_failure_reaches_a_webhook_and_so_does_its_end(
    world: Monitored, hook: HttpRecorder, record_property: Any
) -> None:
    """A service fails, its circuit opens, people are told; all is well again, and they are told that too."""
    labels = {"circuit": "ledger", "service": "shop", "severity": "warning"}
    began = time.monotonic()
    world.break_("ledger")
    assert eventually(lambda: told(hook, "CircuitOpenTooLong", "firing", **labels) is not None, PATIENCE), world.logs()
    seconds = time.monotonic() - began
    alert = told(hook, "CircuitOpenTooLong", "firing", **labels)
    assert alert is not None
    assert alert["annotations"]["summary"] == "calls of shop to ledger are refused"
    assert alert["annotations"]["runbook_url"].endswith("runbooks.md#circuitopentoolong")
    began = time.monotonic()
    world.mend("ledger")
    assert eventually(lambda: told(hook, "CircuitOpenTooLong", "resolved", **labels) is not None, PATIENCE), (
        world.logs()
    )
    record_property("seconds from failure to webhook", round(seconds, 2))
    record_property("seconds from its end to webhook", round(time.monotonic() - began, 2))
    print(f"\nfailure to webhook {seconds:.2f} s, its end to webhook {time.monotonic() - began:.2f} s")


def number(world: Monitored, place: str) -> float:
    """Return what a panel with one number shows; no answer is no number."""
    answer = world.ask(queries()[f"{place} A"])
    return answer[0] if answer else math.nan


def test_dashboards_every_query_gives_data_while_something_fails(world: Monitored) -> None:
    """One service answers with errors, a process is killed and restarted, a circuit is held open: no panel is empty."""
    missing = queries()
    assert len(missing) > 100

    def look() -> bool:
        for place, query in list(missing.items()):
            if tells(world.ask(query)):
                del missing[place]
        return not missing

    def failing() -> bool:
        return look() or all(place.endswith(("Circuit closed", "Circuit isolated")) for place in missing)

    world.break_("payments")
    world.kill_backend("inventory")
    assert eventually(lambda: number(world, "overview: Open circuits") >= 1, PATIENCE), world.logs()
    assert eventually(failing, PATIENCE), json.dumps(missing, indent=1)
    assert number(world, "recovery: Time to recover, p95") > 0
    world.mend("payments")
    assert eventually(lambda: number(world, "circuit: State") == STATE_NUMBERS["closed"], PATIENCE), world.logs()
    look()
    world.hold_open("payments")
    assert eventually(look, PATIENCE), json.dumps(missing, indent=1)
    assert number(world, "overview: Held open by a person") == 1
    assert number(world, "circuit: State") == STATE_NUMBERS["isolated"]
    assert number(world, "control-plane: Is well") == 1


def test_rules_of_the_file_are_all_evaluated_without_an_error(world: Monitored) -> None:
    """Prometheus itself reports each rule as well."""
    groups = httpx2.get(f"{world.prometheus.url}/api/v1/rules", timeout=10.0).json()["data"]["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
    assert len(health) > 10
    assert set(health.values()) == {("ok", None)}
    recorded = 'job_service_circuit:scrollintel_circuit_failures:ratio_rate5m{circuit="payments"}'
    assert eventually(lambda: bool(world.ask(recorded)))
