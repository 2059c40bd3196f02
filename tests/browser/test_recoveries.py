"""A recovery that a person has started: who may agree to it, and how it is called off."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.servers.control_plane import PREFIX

from .conftest import Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a world with access control in which repairs are asked for by one person and agreed to by another."""
    with World(tmp_path_factory.mktemp("observed"), enforced=True, approval=True, mode="observe") as found:
        found.join()
        yield found


def test_who_asks_for_a_repair_is_not_offered_to_approve_it_and_may_cancel_it(
    observed: World, page: Page, complaints: Complaints
) -> None:
    """The plan waits for somebody else; what is cancelled is over, and the dialog says what that leaves."""
    token = observed.token("approver:*", "operator:*")
    page.goto(observed.url)
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("[data-count=healthy]").first).to_be_visible()
    observed.kill_backend("payments")
    expect(page.locator("[data-incident=payments]")).to_be_visible()
    asked = httpx2.post(
        f"{observed.url}{PREFIX}/recovery/initiate", headers={"Authorization": f"Bearer {token}"},
        json={"service": "payments", "failure_type": "exited", "reason": "a test"},
    )  # fmt: skip
    assert asked.status_code == 202, asked.text
    page.goto(f"{observed.url}/#/incidents")
    plan = page.locator(".card.asks")
    expect(plan).to_contain_text("somebody else with the role approver has to agree")
    expect(plan.get_by_role("button", name="Refuse")).to_be_visible()
    expect(plan.get_by_role("button", name="Approve")).to_have_count(0)
    page.goto(f"{observed.url}/#/recoveries")
    page.locator("tbody tr", has_text="payments").first.click()
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("nothing that it has done is undone: payments may stay broken")
    dialog.get_by_role("textbox").fill("a test is over")
    dialog.get_by_role("button", name="Cancel the recovery").click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.locator(".card", has_text="Recovery").first).to_contain_text("a test is over")
    assert complaints == []
