"""What is seen only at times is as accessible as the rest: a dialog, a form, a chart as a table, the stale bar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chaos.proxy import Fault, Proxy

from .accessibility import violations
from .conftest import PATIENCE, WIDE
from .world import World

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(params=["light", "dark"])
def schemed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """Return a page in a colour scheme."""
    context = browser.new_context(
        viewport=WIDE,  # type: ignore[arg-type]  # a plain dict of the same keys
        locale="en-GB", timezone_id="Europe/Berlin", color_scheme=request.param,
    )  # fmt: skip
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def incident(world: World) -> str:
    """Return the incident of a service that was killed and repaired."""
    world.kill_backend("inventory")
    found = world.until("/incidents", lambda body: any(item["validated_at"] for item in body["items"]))
    return str(found["items"][0]["id"])


@pytest.fixture(scope="module")
def opened(world: World) -> Iterator[str]:
    """Return a circuit that has opened because calls failed."""
    world.break_("payments")
    world.until("/circuit-breakers/payments", lambda body: body["state"] == "open")
    yield "payments"
    world.mend("payments")


def test_open_dialog_is_accessible(world: World, schemed: Page, axe: str) -> None:
    """With what follows, the reason that it asks for, and its buttons."""
    schemed.goto(f"{world.url}/#/circuits/ledger")
    schemed.get_by_role("button", name="Isolate").click()
    expect(schemed.get_by_role("dialog")).to_be_visible()
    assert violations(schemed, axe) == []


def test_editor_of_a_configuration_is_accessible(world: World, schemed: Page, axe: str) -> None:
    """After a trial as well, with what it would have changed."""
    schemed.goto(f"{world.url}/#/circuits/ledger")
    schemed.get_by_role("button", name="Configure").click()
    schemed.get_by_role("button", name="Try on the last hour").click()
    expect(schemed.locator(".tried")).to_be_visible()
    assert violations(schemed, axe) == []


def test_chart_is_read_as_a_table(world: World, schemed: Page, axe: str) -> None:
    """The same numbers, newest first, in the zone of the reader and with UTC; pressed again it is a chart."""
    schemed.goto(f"{world.url}/#/circuits/ledger")
    button = schemed.get_by_role("button", name="Show as table: Calls per second")
    button.click()
    table = schemed.get_by_role("table", name="Calls per second")
    expect(table.get_by_role("columnheader")).to_have_text(["Time ↓", "succeeded", "failed", "refused"])
    time = table.locator("tbody time").first
    hour = int(time.inner_text()[:2])
    assert f" {(hour - 1) % 24:02d}:" in str(time.get_attribute("title"))
    assert str(time.get_attribute("title")).endswith(" UTC")
    assert violations(schemed, axe) == []
    button.click()
    expect(table).to_have_count(0)


def test_chart_that_is_pointed_at_tells_both_zones(world: World, page: Page) -> None:
    """The zone of the reader, and UTC."""
    page.goto(f"{world.url}/#/circuits/ledger")
    page.locator(".u-over").first.hover()
    expect(page.locator(".chart").first).to_contain_text("UTC)")


def test_calls_that_opened_a_circuit_are_shown(world: World, opened: str, schemed: Page, axe: str) -> None:
    """As shapes with words, and one by one with the class of the error."""
    schemed.goto(f"{world.url}/#/circuits/{opened}")
    decision = schemed.locator(".decision", has_text="failures in a row").last
    failures = decision.locator(".strip li[data-outcome=failure]")
    expect(failures).to_have_count(5)
    expect(failures.first).to_contain_text("failed (HTTPError)")
    decision.get_by_text("Each of these calls").click()
    expect(decision.locator("tbody tr")).to_have_count(5)
    expect(decision.locator("tbody code").first).to_have_text("HTTPError")
    assert violations(schemed, axe) == []


def test_incident_is_accessible(world: World, incident: str, schemed: Page, axe: str) -> None:
    """From detection to proof, with its impact and each step."""
    schemed.goto(f"{world.url}/#/incidents/{incident}")
    expect(schemed.locator(".steps li").first).to_be_visible()
    schemed.get_by_text("What the verdict rests on").click()
    assert violations(schemed, axe) == []


def test_stale_bar_is_accessible(world: World, schemed: Page, axe: str) -> None:
    """While the connection is lost."""
    with Proxy(world.port) as proxy:
        schemed.goto(f"http://127.0.0.1:{proxy.port}/#/circuits")
        live = schemed.locator(".live")
        expect(live).to_have_attribute("data-live", "live")
        proxy.set(Fault(refuse=True))
        expect(live).to_have_attribute("data-live", "stale")
        assert violations(schemed, axe) == []
