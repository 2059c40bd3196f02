"""The dashboards and rules that are shipped are what their descriptions say, and hang together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.expressions import series
from ops.grafana import looks
from ops.grafana.dashboard import WIDTH
from ops.grafana.shipped import DASHBOARDS
from ops.make import HERE, made, main
from scrollintel.telemetry import families as f
from scrollintel.telemetry import platform_families as p

ROOT = Path(__file__).parents[3]
SHIPPED = {name: dashboard.to_json() for name, dashboard in DASHBOARDS.items()}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("name", sorted(made()))
def test_ops_files_are_what_the_descriptions_make(name: str) -> None:
    """`python -m ops.make` would change nothing."""
    assert (HERE / name).read_text("utf-8") == made()[name]


def test_ops_folders_hold_no_file_that_nobody_makes() -> None:
    """A dashboard that was given up leaves no file behind."""
    found = {str(path.relative_to(HERE)) for path in HERE.rglob("*") if path.suffix in (".json", ".yml")}
    assert found == set(made())


def test_make_writes_a_variant_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objective and address of the documentation reach the rules."""
    assert main(["--into", str(tmp_path), "--objective", "0.99", "--docs", "https://wiki.example/"]) == 0
    text = (tmp_path / "prometheus" / "scrollintel.rules.yml").read_text("utf-8")
    assert "14.4 * 0.01\n" in text
    assert "runbook_url: https://wiki.example/runbooks.md#circuitopentoolong\n" in text
    assert len(capsys.readouterr().out.splitlines()) == len(made())


@pytest.mark.parametrize("objective", ["0", "1", "99.9", "nan"])
def test_make_refuses_an_objective_that_is_no_share(
    objective: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says what is wanted, and nothing is written."""
    with pytest.raises(SystemExit):
        main(["--into", str(tmp_path), "--objective", objective])
    assert "above 0 and below 1" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_series_names_only_labels_that_a_family_has() -> None:
    """A query that could never find anything is not made."""
    assert series(f.CIRCUITS, 'state="open"') == 'scrollintel_circuits{state="open"}'
    with pytest.raises(ValueError, match="no label"):
        series(f.CIRCUITS, 'circuit="orders"')
    with pytest.raises(ValueError, match="histogram"):
        series(f.CIRCUIT_RESPONSES)


def test_dashboards_show_every_family() -> None:
    """What is told is seen somewhere."""
    text = json.dumps([panel["targets"] for dashboard in SHIPPED.values() for panel in panels(dashboard)])
    # A circuit's changes of state are told by the marks in the charts as well.
    missing = [one.name for one in p.CONTROL_PLANE if not re.search(rf"\b{one.name}(_bucket|_sum|_count)?\b", text)]
    assert missing == []


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_dashboard_panels_do_not_overlap_and_have_numbers_of_their_own(name: str) -> None:
    """Each cell of the grid belongs to one panel."""
    cells: set[tuple[int, int]] = set()
    for panel in SHIPPED[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & cells, panel["title"]
        cells |= mine
    numbers = [panel["id"] for panel in SHIPPED[name]["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_dashboard_uses_the_variables_that_it_has(name: str) -> None:
    """Every `$name` of a query is a variable or one of Grafana's own, and every variable is used."""
    dashboard = SHIPPED[name]
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([dashboard["panels"], dashboard["links"]])))
    used |= set(re.findall(r"\$(\w+)", json.dumps(dashboard["templating"])))
    assert used - {"__rate_interval", "__field", "__data", "__all"} == known


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_dashboard_panels_say_what_they_show(name: str) -> None:
    """Title, description and unit are there, and the title is the only one of its kind."""
    shown = panels(SHIPPED[name])
    titles = [panel["title"] for panel in shown]
    assert len(set(titles)) == len(titles)
    for panel in shown:
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_dashboards_lead_to_each_other_and_to_the_product() -> None:
    """By a tag that all have, and by identifiers that exist."""
    known = {dashboard["uid"] for dashboard in SHIPPED.values()}
    for dashboard in SHIPPED.values():
        (others, product) = dashboard["links"]
        assert others["tags"] == dashboard["tags"] == ["scrollintel"]
        assert product["url"].startswith("${product}/#/")
        assert set(re.findall(r"/d/([\w-]+)/", json.dumps(dashboard))) <= known


def test_looks_are_those_of_the_products_own_dashboard() -> None:
    """Colours are the fills of its light theme, and every state has one."""
    styles = (ROOT / "web" / "src" / "styles" / "base.css").read_text("utf-8")
    light = dict(re.findall(r"--(\w+)-fill: (#\w+);", styles.partition("data-theme")[0]))
    assert light == {name: getattr(looks, name.upper()) for name in ("good", "warn", "bad", "busy", "held", "idle")}
    words = (ROOT / "web" / "src" / "words.ts").read_text("utf-8")
    tones = {name: light[tone] for name, tone in re.findall(r'^  (\w+): \{ tone: "(\w+)"', words, re.MULTILINE)}
    for states in (looks.STATES, looks.CONDITIONS):
        assert states == {state: tones[state] for state in states}
    assert set(looks.STATES) == set(f.STATES)
    assert set(looks.CONDITIONS) == set(p.CONDITIONS)
    assert set(looks.INCIDENTS) == set(p.INCIDENT_STATES)
    assert set(looks.OUTCOMES) == set(f.OUTCOMES)
    assert set(looks.RECOVERED) == set(p.OUTCOMES)
    assert set(looks.STORAGE) == set(p.STORAGE_STATES)
