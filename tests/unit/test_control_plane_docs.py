"""The pages about the control plane have a table for each thing that the code has; `test_docs.py` compares them."""

from __future__ import annotations

from pathlib import Path

from docs import control_plane, kinds, tables
from scrollintel.control.incidents import IncidentState
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.recovery.strategy import RecoveryOutcome
from scrollintel.recovery.symptom import Condition
from scrollintel.storage.retention import RetentionPolicy
from scrollintel.storage.writer import WriterState
from scrollintel.telemetry import platform_families
from scrollintel.telemetry.families import LIBRARY
from scrollintel.telemetry.platform_families import OWN

DOCS = Path(__file__).parents[2] / "docs"


def markers(page: str) -> list[str]:
    """Return the names of the tables of a page."""
    return [block.group(2) for block in tables.BLOCK.finditer((DOCS / page).read_text("utf-8"))]


def test_docs_settings_page_has_every_table() -> None:
    """Each table of `scrollintel.toml` is on the page, once."""
    assert markers("reference/settings.md") == [f"settings_{table}" for table in control_plane.settings_tables()]


def test_docs_routes_page_has_every_kind_of_route() -> None:
    """Each tag of the API is on the page, once, in the order of the routes."""
    tags = dict.fromkeys(str(route.tags[0]) for route in control_plane.routes())
    assert markers("reference/api-routes.md") == [control_plane.marker(tag) for tag in tags]


def test_docs_routes_tables_hold_every_route_once() -> None:
    """No route is left out because its tag is spelled in two ways."""
    rows = [row for name in markers("reference/api-routes.md") for row in tables.build(name).rows]
    assert len({row[0] for row in rows}) == len(rows) == len(control_plane.routes())


def test_docs_database_page_has_every_table() -> None:
    """Each table of the schema is on the page, once, behind the overview."""
    wanted = ["retention_all", *(f"columns_{table}" for table in sorted(metadata.tables))]
    assert markers("reference/database.md") == wanted


def test_docs_metrics_page_has_every_family_once() -> None:
    """What a process tells and what only the control plane tells, none of it under a name that is taken."""
    assert markers("reference/metrics.md") == ["metrics_process", "metrics_platform"]
    names = [definition.family for definition in (*LIBRARY, *OWN)]
    assert len(set(names)) == len(names)


def test_docs_metrics_of_the_control_plane_name_every_state_that_there_is() -> None:
    """A state that is added to the code shows on dashboards as well."""
    assert set(platform_families.CONDITIONS) == {condition.value for condition in Condition}
    assert set(platform_families.INCIDENT_STATES) == {state.value for state in IncidentState if not state.is_over}
    assert set(platform_families.OUTCOMES) == {outcome.value for outcome in RecoveryOutcome}
    assert set(platform_families.STORAGE_STATES) == {state.value for state in WriterState}


def test_docs_expiry_settings_name_every_setting_of_the_retention() -> None:
    """Each setting of the retention lets rows of some table expire."""
    used = {setting for settings in control_plane.expiry_settings().values() for setting in settings}
    assert used == set(RetentionPolicy.describe())


def test_docs_security_page_has_the_roles() -> None:
    """The table of roles and permissions is on the page about security."""
    assert markers("explanation/security.md") == ["roles"]


def test_docs_name_every_kind_of_check_and_strategy() -> None:
    """A kind that is added has a section with its options."""
    page = (DOCS / "reference" / "checks-and-strategies.md").read_text("utf-8")
    assert kinds.page().count("### ") == page.count("### ")
    for line in kinds.page().splitlines():
        assert not line.startswith(("### ", "<!-- table")) or line in page
