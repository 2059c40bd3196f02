"""The dashboard before the real demo; what is seen there are the pictures of the README and the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.servers.control_plane import ROOT
from tests.servers.processes import stop

from .conftest import PATIENCE

pytestmark = pytest.mark.needs("chromium")

PICTURES = ROOT / "reports" / "pictures"
"""`make pictures` copies them from here to docs/images."""
STARTED = re.compile(r"http://127\.0\.0\.1:\d+")


def picture(page: Page, name: str) -> None:
    """Keep what is seen now."""
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")


def test_demo_is_seen_to_fail_and_recover(browser: Browser, tmp_path: Path) -> None:
    """The overview tells of the incident and the circuit while they last, and that all is well afterwards."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "demo_fault_tolerance.py", "--no-live", "--scenario", "combined", "--duration", "14"]
    demo = subprocess.Popen(
        [*command, "--stay"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert demo.stdout is not None
    try:
        url = next(found[0] for line in demo.stdout if (found := STARTED.search(line)))
        context = browser.new_context(viewport={"width": 1280, "height": 820}, color_scheme="light", locale="en-GB")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(url)
        name = page.locator("[data-circuit]").first.get_attribute("data-circuit")  # it waits, and may close at once
        expect(page.locator("[data-incident]").first).to_be_visible(timeout=PATIENCE)
        picture(page, "dashboard")
        page.goto(f"{url}/#/incidents")
        expect(page.locator("tbody tr").first).to_be_visible()
        page.locator("tbody a").first.click()
        expect(page.locator(".phases .reached")).to_have_count(5)
        page.emulate_media(color_scheme="dark")
        picture(page, "dashboard-incident")
        page.goto(f"{url}/#/circuits/{name or 'storefront'}")
        expect(page.locator(".chart canvas").first).to_be_visible()
        picture(page, "dashboard-circuit")
        page.goto(f"{url}/#/")
        expect(page.locator(".verdict h1")).to_have_text("Everything is in order.", timeout=2 * PATIENCE)
        context.close()
    finally:
        stop(demo, 20.0)
        demo.stdout.close()
