"""Dashboards as data, and the JSON that Grafana imports (schema 36, Grafana 9 and later).

Only what the dashboards here use is described. Grafana fills in the rest and brings the schema up to date itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .panel import SOURCE, Json, Panel

WIDTH = 24
"""Columns of Grafana's grid."""
TAG = "scrollintel"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and what stands below it, from left to right and from top to bottom."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """What the reader chooses.

    Arguments:
        name: As queries spell it, behind `$`.
        label: As the reader sees it.
        query: PromQL of Grafana's own kind that finds the values: `label_values(metric, label)`.
        several: Whether several values, or all, may be chosen.
    """

    name: str
    label: str
    query: str
    several: bool = True

    def to_json(self) -> Json:
        """Return it as Grafana spells it."""
        found: Json = {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": SOURCE,
            "definition": self.query,
            "query": {"query": self.query, "refId": f"variable-{self.name}"},
            "refresh": 2,
            "sort": 1,
            "multi": self.several,
            "includeAll": self.several,
            "hide": 0,
        }
        if self.several:
            # Not what the list holds: `.*` also fits series that lack the label, as those of a single process do.
            found["allValue"] = ".*"
            found["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
        return found


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks in all charts at moments that a query tells: its values are times in milliseconds."""

    name: str
    expression: str
    colour: str
    title: str
    tags: str

    def to_json(self) -> Json:
        """Return it as Grafana spells it."""
        return {
            "name": self.name,
            "datasource": SOURCE,
            "enable": True,
            "hide": False,
            "expr": self.expression,
            "iconColor": self.colour,
            "titleFormat": self.title,
            "textFormat": "",
            "tagKeys": self.tags,
            "useValueForTime": "on",
            "step": "15s",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard.

    Arguments:
        uid: What links name it by; stays the same for ever.
        title, description: What the reader sees in the list.
        rows: What it shows.
        variables: What the reader chooses, beside the data source and the address of the product.
        annotations: Marks in its charts.
        page: Where the product's own dashboard shows the same, behind `#`.
    """

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable]
    annotations: Sequence[Annotation] = ()
    page: str = "/"

    def to_json(self) -> Json:
        """Return what Grafana imports."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": 36,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": self._links(),
            "annotations": {"list": [annotation.to_json() for annotation in self.annotations]},
            "templating": {"list": [_DATASOURCE, *(one.to_json() for one in self.variables), _PRODUCT]},
            "panels": list(self._placed()),
        }

    def _links(self) -> list[Json]:
        common: Json = {"icon": "external link", "tags": [], "tooltip": "", "targetBlank": False, "asDropdown": False}
        return [
            {**common, "type": "dashboards", "title": "", "url": "", "tags": [TAG], "icon": "dashboard",
             "includeVars": True, "keepTime": True},
            {**common, "type": "link", "title": "ScrollIntel", "url": "${product}/#" + self.page,
             "tooltip": "The control plane's own dashboard", "includeVars": False, "keepTime": False},
        ]  # fmt: skip

    def _placed(self) -> list[Json]:
        found: list[Json] = []
        y = 0
        for row in self.rows:
            found.append(
                {"id": len(found) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                 "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}}
            )  # fmt: skip
            y += 1
            x = tallest = 0
            for panel in row.panels:
                if x + panel.width > WIDTH:
                    x, y, tallest = 0, y + tallest, 0
                found.append(panel.to_json(len(found) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return found


_DATASOURCE: Json = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "refresh": 1,
    "multi": False,
    "includeAll": False,
    "hide": 0,
}
_PRODUCT: Json = {
    "name": "product",
    "label": "Address of ScrollIntel",
    "type": "textbox",
    "query": "http://127.0.0.1:8400",
    "current": {"selected": True, "text": "http://127.0.0.1:8400", "value": "http://127.0.0.1:8400"},
    "hide": 0,
}
