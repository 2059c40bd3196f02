"""How the page looks to everybody: accessible, in both colour schemes, wide and on a phone, under its own policy."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from .accessibility import violations
from .conftest import PATIENCE, Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")

VIEWS = ("", "circuits", "circuits?as=tiles", "circuits/payments", "services", "services/payments", "incidents",
         "recoveries", "capacity", "capacity/shards", "alerts", "audit", "settings")  # fmt: skip
HEAVIEST = 120_000
"""Bytes of everything that a page loads before it shows anything, as they go over the network."""
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
SHOTS = Path(__file__).resolve().parents[2] / "reports" / "screenshots"


def opened(page: Page, world: World, view: str) -> None:
    """Show a view that has read what it shows."""
    page.goto(f"{world.url}/#/{view}")
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator(".live")).to_have_attribute("data-live", "live")
    page.wait_for_function("() => !/Loading/.test(document.querySelector('main').textContent)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible_and_keeps_to_its_policy(
    scheme: str, world: World, browser: Browser, complaints: Complaints, axe: str
) -> None:
    """axe finds no violation of WCAG 2.2 AA, and the console tells of no refused content."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints.watch(page)
    found: dict[str, list[str]] = {}
    for view in VIEWS:
        opened(page, world, view)
        broken = violations(page, axe)
        if broken:
            found[view] = broken
    context.close()
    assert found == {}, json.dumps(found, indent=1)
    assert complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits_its_window(size: str, world: World, browser: Browser) -> None:
    """Nothing sticks out to the side, nothing lies over the menu, and what is pressed is large enough to be hit."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    SHOTS.mkdir(parents=True, exist_ok=True)
    for view in VIEWS:
        opened(page, world, view)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, view
        for selector in ("main h1", ".card", ".figure", ".filters > *"):
            for box in (item.bounding_box() for item in page.locator(selector).all()):
                assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= width + 1), (view, selector, box)
        rail = page.locator(".rail").bounding_box()
        heading = page.locator("main h1").bounding_box()
        assert rail is not None
        assert heading is not None
        if size == "wide":
            assert heading["x"] >= rail["x"] + rail["width"], view
        else:
            assert rail["y"] + rail["height"] <= height + 1, view
        small = page.evaluate(
            "() => [...document.querySelectorAll('button, select, input')].filter(item => item.offsetParent"
            " && item.getBoundingClientRect().height < 24 && !item.matches('.sort, [type=checkbox]'))"
            ".map(item => item.outerHTML.slice(0, 80))"
        )
        assert small == [], view
        page.screenshot(path=SHOTS / f"{view.replace('/', '-').replace('?', '-') or 'overview'}-{size}.png")
    context.close()


def test_keyboard_alone_is_enough(world: World, page: Page) -> None:
    """From the start of the page to a circuit, its dialog, and out of it again."""
    opened(page, world, "circuits")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_text("Circuits")
    page.get_by_role("link", name="payments", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("payments")
    expect(page.locator(":focus")).to_have_text("payments")
    page.get_by_role("button", name="Isolate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(":focus")).to_have_text("Isolate")


def test_page_asks_no_other_server(world: World, page: Page) -> None:
    """It works offline, and tells nobody who looks at it."""
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    for view in VIEWS:
        opened(page, world, view)
    assert {url for url in asked if not url.startswith((world.url, "data:"))} == set()


def test_page_is_light(world: World, page: Page) -> None:
    """Page, scripts and styles of all views together, compressed."""
    kinds: dict[str, str] = {}
    page.on("request", lambda request: kinds.setdefault(request.url.split("#")[0], request.resource_type))
    for view in VIEWS:
        opened(page, world, view)
    loaded = {url: kind for url, kind in kinds.items() if kind in ("document", "script", "stylesheet")}
    assert set(loaded.values()) == {"document", "script", "stylesheet"}
    weight = 0
    for url in loaded:
        with httpx2.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
            weight += sum(map(len, answer.iter_raw()))
    assert weight < HEAVIEST
