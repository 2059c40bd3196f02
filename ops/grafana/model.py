"""Dashboards as data, and the JSON that Grafana imports (schema 36, Grafana 9 and later).

Only what the dashboards here use is described. Grafana fills in the rest and brings the schema up to date itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .looks import NONE, Step

Json = dict[str, Any]  # Any: JSON values
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Columns of Grafana's grid."""
TAG = "scrollintel"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Arguments:
        expression: PromQL; `$job` and the other variables stand for what the reader has chosen.
        legend: Name of each series; `{{circuit}}` stands for a label.
        instant: Whether only the present value is asked for.
        table: Whether the answer is a table of labels and values.
        heatmap: Whether the series are the buckets of a histogram.
    """

    expression: str
    legend: str = ""
    instant: bool = False
    table: bool = False
    heatmap: bool = False

    def to_json(self, letter: str) -> Json:
        """Return it as Grafana spells it."""
        return {
            "refId": letter,
            "datasource": SOURCE,
            "expr": self.expression,
            "legendFormat": self.legend or "__auto",
            "instant": self.instant,
            "range": not self.instant,
            "format": "table" if self.table else "heatmap" if self.heatmap else "time_series",
        }


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a value to a page."""

    title: str
    url: str

    def to_json(self) -> Json:
        """Return it as Grafana spells it."""
        return {"title": self.title, "url": self.url, "targetBlank": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Arguments:
        kind: Grafana's name: stat, timeseries, table, state-timeline, heatmap.
        title: What it shows.
        description: What the reader should know; shown when the mouse rests on the title.
        queries: What it asks for.
        unit: Grafana's name of the unit.
        width: Columns of 24.
        height: Rows of 30 pixels.
        thresholds: Colours by value.
        mappings: Words for values.
        colours: Colours by the name of a series.
        links: From each value.
        stacked: Whether series are put upon each other.
        least: Where the axis begins; None for where the data does.
        most: Where it ends.
        options: Of this kind of panel, beside the usual ones.
        transformations: Of tables.
    """

    kind: str
    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    width: int = 8
    height: int = 8
    thresholds: Sequence[Step] = NONE
    mappings: Sequence[Json] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[Link] = ()
    stacked: bool = False
    least: float | None = 0
    most: float | None = None
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()

    def to_json(self, number: int, x: int, y: int) -> Json:
        """Return it as Grafana spells it, at a place."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [query.to_json(chr(ord("A") + place)) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": {**_OPTIONS.get(self.kind, {}), **self.options},
            "transformations": list(self.transformations),
        }

    def _defaults(self) -> Json:
        steps = [{"color": step.colour, "value": step.value} for step in self.thresholds]
        found: Json = {
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": list(self.mappings),
            "links": [link.to_json() for link in self.links],
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "custom": self._custom(),
            "noValue": "–",
        }
        if self.least is not None:
            found["min"] = self.least
        if self.most is not None:
            found["max"] = self.most
        return found

    def _custom(self) -> Json:
        if self.kind == "timeseries":
            return {
                "drawStyle": "line",
                "lineWidth": 2,
                "fillOpacity": 30 if self.stacked else 8,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "dashed" if len(self.thresholds) > 1 else "off"},
            }
        if self.kind == "state-timeline":
            return {"fillOpacity": 85, "lineWidth": 0}
        return {"align": "auto", "cellOptions": {"type": "auto"}} if self.kind == "table" else {}

    def _overrides(self) -> list[Json]:
        return [
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
            }
            for name, colour in self.colours.items()
        ]


_OPTIONS: dict[str, Json] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "state-timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "single"},
    },
    "table": {"showHeader": True, "footer": {"show": False}},
    "heatmap": {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 32},
        "yAxis": {"unit": "s"},
        "tooltip": {"show": True},
    },
}


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
