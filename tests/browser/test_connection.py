"""A connection that is cut: the page says since when it is stale, and goes on without a lost event."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.chaos.proxy import Fault, Proxy
from tests.servers.control_plane import PREFIX

from .world import World

pytestmark = pytest.mark.needs("chromium")

SERVICES = tuple(f"quiet-{number}" for number in range(4))


def test_cut_connection_is_told_and_resumes_without_a_lost_event(world: World, page: Page) -> None:
    """Everything that happens meanwhile is there afterwards, once and in order."""
    with Proxy(world.port) as proxy:
        page.goto(f"http://127.0.0.1:{proxy.port}/#/")
        live = page.locator(".live")
        expect(live).to_have_attribute("data-live", "live")
        proxy.set(Fault(refuse=True))
        expect(live).to_have_attribute("data-live", "stale")
        expect(live).to_contain_text("Stale since")
        for service in SERVICES:
            body = {"service": service, "level": "minimal", "reason": "while nobody looks", "expires_in": 60}
            assert httpx2.post(f"{world.url}{PREFIX}/degradation", json=body).status_code == 200
        proxy.set(Fault())
        expect(live).to_have_attribute("data-live", "live")
        ordered = page.locator(".feed li", has_text="degradation: ordered").locator(".feed-who")
        expect(ordered.filter(has_text="quiet-").nth(len(SERVICES) - 1)).to_be_visible()
        told = [text for text in ordered.all_inner_texts() if text.startswith("quiet-")]
        assert told == list(reversed(SERVICES))


def test_server_that_starts_anew_is_read_anew(world: World, page: Page) -> None:
    """Its events are others; the page says so by showing what is, without being reloaded."""
    page.goto(f"{world.url}/#/circuits")
    expect(page.locator(".live")).to_have_attribute("data-live", "live")
    world.server.terminate()
    world.server.wait(20)
    expect(page.locator(".live")).to_have_attribute("data-live", "stale")
    world.server = world.serve()
    expect(page.locator(".live")).to_have_attribute("data-live", "live")
    expect(page.locator("tbody tr").first).to_be_visible()
