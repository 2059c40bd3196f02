"""Somebody whom the control plane knows and who may do nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .test_access import sign_in_only
from .world import World

pytestmark = pytest.mark.needs("chromium")


def test_somebody_without_a_role_is_told_so_and_can_leave(guarded_world: World, page: Page) -> None:
    """The page asks no further, again and again, for what it is not given."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sign_in_only(page, guarded_world, "replica:shop")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.wait_for_timeout(1500)
    assert len([url for url in asked if url.endswith("/live")]) <= 1
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
