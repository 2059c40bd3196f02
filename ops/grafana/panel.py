"""Panels as data, and as the JSON that Grafana imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .looks import NONE, Step

Json = dict[str, Any]  # Any: JSON values
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


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
