"""What keeps services within their capacity, as the page shows it: what acts, why, and on which process."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .conftest import Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")


def test_capacity_shows_what_acts_and_why_down_to_each_process(
    world: World, page: Page, complaints: Complaints
) -> None:
    """A host that is out, found among what acts, opened by keyboard; and a limit beside the circuit of its policy."""
    page.goto(f"{world.url}/#/capacity")
    pool = page.locator("tbody tr", has_text="Pool of hosts")
    expect(pool).to_contain_text("1 of 3 hosts is taken out, because they failed more than the others.")
    expect(page.locator("tbody tr", has_text="Adaptive limit").first).to_be_visible()
    page.get_by_role("button", name="Acting").click()
    expect(page.locator("tbody tr", has_text="Adaptive limit")).to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(2)
    pool.get_by_role("link", name="shards").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("shards")
    expect(page.locator(":focus")).to_have_text("shards")
    out = page.locator(".card", has_text="Host b")
    expect(out.locator("[data-part=host] .state")).to_have_text("out")
    expect(page.locator(".card h2").all()[0]).to_have_text("Pool of hosts")
    expect(out).to_contain_text("It gets no calls: 5 failures in a row; it comes back in")
    out.get_by_text("Figures and processes").click()
    expect(out.get_by_role("table")).to_contain_text("5 failures in a row")
    page.goto(f"{world.url}/#/")
    page.locator(".card", has_text="Capacity").get_by_role("link", name="pool shards has 1 of 3 hosts out").click()
    expect(page.get_by_role("button", name="Acting")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{world.url}/#/circuits/payments")
    limit = page.locator(".card", has_text="Capacity").locator("[data-part=limit]")
    expect(limit).to_contain_text("slots of the adaptive limit are in use.")
    page.locator(".card", has_text="Capacity").get_by_role("link", name="By process").click()
    expect(page.locator("main h1")).to_have_text("payments")
    expect(page.get_by_role("link", name="Its circuit")).to_be_visible()
    assert complaints == []
