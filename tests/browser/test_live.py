"""What somebody on call sees and does, in a real browser before a real control plane with real failing services."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")


def seconds_to_probe(page: Page) -> int | None:
    """Return the seconds that the page counts down to the next probe, or None when it shows none now."""
    shown = page.locator(".figure", has_text="Next probe")
    if shown.count() == 0:
        return None
    found = re.search(r"in (\d+) s", shown.inner_text())
    return None if found is None else int(found[1])


def test_circuit_opens_ticks_down_probes_and_closes(world: World, page: Page, complaints: Complaints) -> None:
    """All of it is seen on a page that nobody reloads."""
    page.goto(f"{world.url}/#/circuits/payments")
    state = page.locator(".page-head .state")
    expect(state).to_have_attribute("data-state", "closed")
    world.break_("payments")
    try:
        expect(state).to_have_attribute("data-state", "open")
        page.wait_for_function("() => /in \\d+ s/.test(document.querySelector('.figure-value').textContent)")
        first = seconds_to_probe(page)
        assert first is not None
        page.wait_for_function(
            "before => { const found = /in (\\d+) s/.exec(document.querySelector('.figure-value').textContent);"
            " return found && Number(found[1]) < before; }",
            arg=first,
        )
    finally:
        world.mend("payments")
    expect(state).to_have_attribute("data-state", "closed")
    changes = page.locator(".changes li")
    expect(changes.filter(has_text="half-open").first).to_be_visible()
    expect(changes.filter(has_text="open").last).to_be_visible()
    assert complaints == []


def test_isolated_circuit_refuses_until_it_is_closed(world: World, page: Page) -> None:
    """The dialog says what follows, asks for a reason, and the state changes before one's eyes."""
    page.goto(f"{world.url}/#/circuits/inventory")
    state = page.locator(".page-head .state")
    expect(state).to_have_attribute("data-state", "closed")
    page.get_by_role("button", name="Isolate").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("refuses every call through inventory")
    confirm = dialog.get_by_role("button", name="Isolate")
    expect(confirm).to_be_disabled()
    dialog.get_by_role("textbox").fill("a test")
    confirm.click()
    expect(state).to_have_attribute("data-state", "isolated")
    expect(page.locator(".note")).to_contain_text("a test")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("over")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(state).to_have_attribute("data-state", "closed")


def test_level_is_set_and_restored(world: World, page: Page) -> None:
    """The service's page shows it at once, and so does the overview."""
    page.goto(f"{world.url}/#/services/shop")
    level = page.locator(".card", has_text="Degradation level")
    expect(level.locator(".state")).to_have_attribute("data-state", "none")
    level.get_by_label("Level").select_option("moderate")
    level.get_by_role("button", name="Set").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("leaves out what the level moderate leaves out for 15 minutes")
    dialog.get_by_role("textbox").fill("a test")
    dialog.get_by_role("button", name="Set the level").click()
    expect(level.locator(".state")).to_have_attribute("data-state", "moderate")
    level.get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(level.locator(".state")).to_have_attribute("data-state", "none")


def test_killed_service_is_seen_to_be_repaired(world: World, page: Page) -> None:
    """The incident appears by itself, and its page tells from detection to proof."""
    page.goto(f"{world.url}/#/")
    expect(page.locator(".verdict h1")).to_have_text("1 part of the capacity needs a look.")
    world.kill_backend("inventory")
    story = page.locator("[data-incident=inventory]")
    expect(story).to_be_visible()
    story.click()
    expect(page.locator(".page-head .state")).to_have_attribute("data-state", "watched")
    expect(page.locator(".phases .reached")).to_have_count(5)
    expect(page.locator(".timeline li[data-kind=repaired]")).to_be_visible()
    expect(page.locator(".steps li.did").first).to_be_visible()
