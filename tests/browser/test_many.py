"""A thousand circuits that all change all the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from .conftest import Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")

MANY = 1000
DRAWN = 80
"""Rows that are in the page at most, whatever there is."""


def with_04() -> list[str]:
    """Return the names that hold 04."""
    return [name for name in (f"circuit-{number:04d}" for number in range(MANY)) if "04" in name]


@pytest.fixture
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world with a thousand circuits."""
    with World(tmp_path_factory.mktemp("crowded"), mode="observe") as found:
        found.join_many(MANY)
        found.until("/health/summary", lambda body: sum(body["circuits"].values()) == MANY)
        yield found


def test_thousand_circuits_are_listed_searched_and_kept_up_to_date(
    crowded: World, page: Page, complaints: Complaints
) -> None:
    """Only those in sight are drawn; counts go on while one looks, scrolls and searches."""
    page.goto(f"{crowded.url}/#/circuits")
    expect(page.locator(".lead")).to_have_text("1,000 of 1,000 circuits")
    assert page.locator("tbody tr.opens").count() <= DRAWN
    first = page.locator("tbody tr.opens").first
    calls = first.locator("td").nth(4).inner_text()
    expect(first.locator("td").nth(4)).not_to_have_text(calls)
    page.get_by_role("button", name="Circuit", exact=True).click()
    page.locator(".table-box").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    expect(page.get_by_role("link", name="circuit-0999")).to_be_visible()
    assert page.locator("tbody tr.opens").count() <= DRAWN
    page.get_by_label("Search by name").fill("0421")
    expect(page.locator("tbody tr.opens")).to_have_count(1)
    found = page.locator("tbody tr.opens td").nth(4)
    calls = found.inner_text()
    expect(found).not_to_have_text(calls)
    page.get_by_label("Search by name").press_sequentially("x")
    expect(page.locator(".lead")).to_have_text("0 of 1,000 circuits")
    page.get_by_label("Search by name").fill("04")
    expect(page.locator(".lead")).to_have_text(f"{len(with_04())} of 1,000 circuits")
    assert page.locator("tbody tr.opens").count() <= DRAWN
    page.get_by_label("Search by name").fill("0421")
    page.get_by_role("link", name="circuit-0421").click()
    expect(page.locator("main h1")).to_have_text("circuit-0421")
    assert complaints == []
