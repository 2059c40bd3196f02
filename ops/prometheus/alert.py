"""An alert as data: when it fires, what it tells, and an example of both for its test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]  # Any: JSON values
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE = re.compile(r"\{\{ \$value[^}]*\}\}")


@dataclass(frozen=True, slots=True)
class Case:
    """Series with which an alert fires, for `promtool test rules`.

    Arguments:
        series: Selector → values in promtool's notation, one for each minute from 0 on.
        begins: Minute from which on the condition holds.
        labels: Of the alert that fires, beside those that its rule gives.
        value: Its value, as the annotations spell it.
        ends: Minute at which the alert is over; None where it need not be shown.
    """

    series: Mapping[str, str]
    begins: float
    labels: Mapping[str, str]
    value: str = ""
    ends: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule that alerts; several rules may share a name when a label tells them apart.

    Arguments:
        name: In CamelCase, as in the runbooks.
        expression: PromQL.
        hold: Seconds for which the expression holds before the alert fires; 0 for at once.
        severity: 1 (worst) to 4, as the control plane's own alerts have it.
        summary, description: Annotations; templates may use `{{ $labels.NAME }}` and `{{ $value | … }}`.
        case: With what it fires.
        labels: Further labels.
        runbook: Page and anchor, within the folder of the documentation; None for the runbook of that name.
    """

    name: str
    expression: str
    hold: float
    severity: int
    summary: str
    description: str
    case: Case
    labels: Mapping[str, str] = field(default_factory=dict)
    runbook: str | None = None

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels that the rule gives: Prometheus' usual words for how bad it is, and the number behind them."""
        word = {1: "critical", 2: "warning"}.get(self.severity, "info")
        return {"severity": word, "scrollintel_severity": str(self.severity), **self.labels}

    def annotations(self, docs: str) -> dict[str, str]:
        """Return what people are told; `docs` is where the folder of the documentation is published."""
        page = self.runbook or f"runbooks.md#{self.name.lower()}"
        return {"summary": self.summary, "description": self.description, "runbook_url": f"{docs.rstrip('/')}/{page}"}

    def rule(self, docs: str) -> Json:
        """Return the rule as Prometheus reads it."""
        found: Json = {"alert": self.name, "expr": self.expression}
        if self.hold:
            found["for"] = spell(self.hold)
        return {**found, "labels": self.all_labels, "annotations": self.annotations(docs)}

    def told(self, docs: str) -> dict[str, str]:
        """Return the annotations of the case, as Prometheus writes them."""
        labels = {**self.case.labels, **self.all_labels}

        def filled(text: str) -> str:
            return _VALUE.sub(self.case.value, _LABEL.sub(lambda found: labels.get(found[1], ""), text))

        return {name: filled(text) for name, text in self.annotations(docs).items()}


def spell(seconds: float) -> str:
    """Return a duration as Prometheus spells it: `5m`, `1h`, `500ms`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms"
