"""The files of Prometheus and Alertmanager as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from .alert import Alert, Json
from .recording import recording_rules, uses_recorded

DOCS = "docs"
"""Where the documentation is published, unless whoever makes the rules says otherwise: a folder of the project."""
RULES = "scrollintel.rules.yml"
TESTS = "scrollintel.rules.test.yml"
PACE = "30s"
"""How often promtool evaluates the rules: also how far before it fires an alert is shown to be silent."""
_MADE = "# Made by `python -m ops.make`; change ops/prometheus and make it anew.\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML ships without types
    """Writes texts of several lines as they are, and repeats what is repeated."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:  # Any: PyYAML ships without types
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(document: Json) -> str:
    """Return a document as YAML, with a line that tells where it comes from."""
    body: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return _MADE + body


def rules(alerts: Sequence[Alert], *, docs: str = DOCS, interval: str | None = None) -> Json:
    """Return the file of rules.

    Arguments:
        alerts: What to alert of.
        docs: Address or path under which the documentation is published, for `runbook_url`.
        interval: How often rules are evaluated; None for what Prometheus does by itself.
    """
    pace = {} if interval is None else {"interval": interval}
    # The rules of one group are evaluated one after the other: what is recorded is known to the alerts behind it.
    budgets = [alert.rule(docs) for alert in alerts if uses_recorded(alert.expression)]
    others = [alert.rule(docs) for alert in alerts if not uses_recorded(alert.expression)]
    return {
        "groups": [
            {"name": "scrollintel-error-budgets", **pace, "rules": [*recording_rules(), *budgets]},
            {"name": "scrollintel-alerts", **pace, "rules": others},
        ]
    }


def rule_tests(alerts: Sequence[Alert], *, docs: str = DOCS) -> Json:
    """Return the file for `promtool test rules`: each alert fires when it should, not before, and is over."""
    return {
        "rule_files": [RULES],
        "evaluation_interval": PACE,
        "tests": [
            {
                "name": " ".join((alert.name, *alert.labels.values())),
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in alert.case.series.items()],
                "alert_rule_test": _moments(alert, docs),
            }
            for alert in alerts
        ],
    }


def _moments(alert: Alert, docs: str) -> list[Json]:
    """Return when an alert is silent and when it fires; a case fires one of those that share a name."""
    case = alert.case
    fires = round(case.begins * 60 + alert.hold)
    expected = {
        "exp_labels": {**case.labels, **alert.all_labels},
        "exp_annotations": alert.told(docs),
    }
    moments: list[tuple[int, list[Json]]] = [(fires - 30, []), (fires, [expected])]
    if case.ends is not None:
        moments.append((round(case.ends * 60), []))
    return [{"eval_time": f"{at}s", "alertname": alert.name, "exp_alerts": alerts} for at, alerts in moments]


def scrape_example() -> Json:
    """Return an example of Prometheus' own configuration."""
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]},
        "scrape_configs": [
            {
                "job_name": "scrollintel",
                "scheme": "http",
                "authorization": {"type": "Bearer", "credentials_file": "scrollintel.token"},
                "static_configs": [{"targets": ["127.0.0.1:8400"]}],
            }
        ],
    }


def alertmanager_example() -> Json:
    """Return an example of Alertmanager's configuration: one message for each service, the worst first."""
    return {
        "route": {
            "receiver": "team",
            "group_by": ["alertname", "service"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [{"matchers": ['severity="critical"'], "receiver": "on-call"}],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="ErrorBudgetBurn"', 'variant="1h"'],
                "target_matchers": ['alertname="ErrorBudgetBurn"', 'variant="6h"'],
                "equal": ["job", "service", "circuit"],
            },
            {
                "source_matchers": ['alertname="StormBrakeEngaged"'],
                "target_matchers": ['alertname="RecoveryFailing"'],
                "equal": ["job"],
            },
        ],
        "receivers": [
            {"name": name, "webhook_configs": [{"url": f"http://127.0.0.1:9095/{name}", "send_resolved": True}]}
            for name in ("team", "on-call")
        ],
    }
