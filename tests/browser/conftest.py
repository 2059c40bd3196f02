"""A headless Chromium for the tests of the dashboard, and the world that it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.programs import path_of

from .world import World

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 20_000
"""Milliseconds that a test waits for something to be seen."""
expect.set_options(timeout=PATIENCE)
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser."""
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path_of("chromium"), args=list(FLAGS))
        yield found
        found.close()


class Complaints(list[str]):
    """What a page's console has told of errors, refused content included."""

    def watch(self, page: Page) -> None:
        """Take what a page tells from now on."""
        page.on("console", lambda message: self.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.append(str(error)))


@pytest.fixture
def complaints() -> Complaints:
    """Return what the page complains of."""
    return Complaints()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Return a browser of somebody who has never been here."""
    found = browser.new_context(viewport=WIDE, locale="en-GB", timezone_id="Europe/Berlin", color_scheme="light")
    found.set_default_timeout(PATIENCE)
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """Return a page of theirs."""
    found = context.new_page()
    complaints.watch(found)
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world that everybody may steer, with an application that calls three services."""
    with World(tmp_path_factory.mktemp("world")) as found:
        found.join()
        found.until("/circuit-breakers", lambda body: len(body["items"]) == 3)
        found.until("/checks", lambda body: all(item["condition"] == "healthy" for item in body["items"]))
        yield found


@pytest.fixture(scope="module")
def guarded_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world with access control, in which a repair of `payments` waits for a person."""
    with World(tmp_path_factory.mktemp("guarded"), enforced=True, approval=True) as found:
        found.join()
        yield found


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core."""
    root = Path(__file__).resolve().parents[2]
    return (root / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
