"""Who sees and may do what: signing in, viewers and operators, and a plan that an approver agrees to."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .accessibility import violations
from .conftest import Complaints
from .world import World

pytestmark = pytest.mark.needs("chromium")


def sign_in_only(page: Page, world: World, *roles: str) -> None:
    """Sign in with a token that has these roles, whatever they let one see."""
    page.goto(world.url)
    page.get_by_label("API token").fill(world.token(*roles))
    page.get_by_role("button", name="Sign in").click()


def sign_in(page: Page, world: World, *roles: str) -> None:
    """Sign in with a token that has these roles, and see what they show."""
    sign_in_only(page, world, *roles)
    expect(page.locator(".live")).to_have_attribute("data-live", "live")


def test_nobody_sees_anything_before_signing_in(guarded_world: World, page: Page) -> None:
    """A token that is not valid is told so; no address of a view shows more."""
    page.goto(f"{guarded_world.url}/#/circuits")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.get_by_label("API token").fill("nobody's")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This token is not valid.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signing_in_is_accessible(guarded_world: World, page: Page, axe: str, scheme: Literal["light", "dark"]) -> None:
    """With the word that a token is not valid as well."""
    page.emulate_media(color_scheme=scheme)
    page.goto(guarded_world.url)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_label("API token").fill("nobody's")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page, axe) == []


def test_session_is_a_cookie_that_scripts_cannot_read(
    guarded_world: World, page: Page, context: BrowserContext
) -> None:
    """Its name binds it to this host; the token is nowhere in the browser; signing out ends it on the server."""
    sign_in(page, guarded_world, "viewer:*")
    (cookie,) = context.cookies()
    assert cookie["name"].startswith("__Host-")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
    kept = page.evaluate("() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert "scrollintel_" not in kept
    assert cookie["value"] not in kept
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.add_cookies([cookie])
    page.goto(guarded_world.url)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_viewer_is_offered_nothing_to_do(guarded_world: World, page: Page, complaints: Complaints) -> None:
    """Neither on circuits nor on services, incidents or automation; views that need more are not in the menu."""
    sign_in(page, guarded_world, "viewer:*")
    for view in ("", "circuits/payments", "services/payments", "incidents"):
        page.goto(f"{guarded_world.url}/#/{view}")
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("main button.danger")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    assert complaints == []


def test_viewer_of_one_service_sees_that_one_alone(guarded_world: World, page: Page) -> None:
    """Targets and incidents of others are not there."""
    sign_in(page, guarded_world, "viewer:payments")
    page.goto(f"{guarded_world.url}/#/services/payments")
    expect(page.locator(".watched")).to_have_count(1)
    page.goto(f"{guarded_world.url}/#/")
    expect(page.locator("[data-count=healthy]").first).to_contain_text("1")


def test_operator_is_offered_what_operators_do(guarded_world: World, page: Page) -> None:
    """And what it does reaches the processes, under the protection against forged requests."""
    sign_in(page, guarded_world, "operator:*")
    page.goto(f"{guarded_world.url}/#/circuits/ledger")
    page.get_by_role("button", name="Isolate").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("a test")
    page.get_by_role("dialog").get_by_role("button", name="Isolate").click()
    state = page.locator(".page-head .state")
    expect(state).to_have_attribute("data-state", "isolated")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("over")
    page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(state).to_have_attribute("data-state", "closed")


def test_incident_is_approved_and_recovered(guarded_world: World, page: Page, complaints: Complaints) -> None:
    """The plan waits on the overview; the approver reads it, agrees, and sees the service proven healthy."""
    sign_in(page, guarded_world, "approver:*", "operator:*")
    page.goto(f"{guarded_world.url}/#/")
    expect(page.locator("[data-count=healthy]").first).to_be_visible()
    guarded_world.kill_backend("payments")
    asked = page.locator(".card.asks")
    expect(asked).to_contain_text("1 plan waits for a person")
    asked.get_by_role("link").click()
    expect(page.locator(".card.asks")).to_contain_text("restart-process")
    page.get_by_role("button", name="Approve").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Exactly the plan that is shown is carried out on payments")
    dialog.get_by_role("button", name="Approve").click()
    expect(page.locator(".page-head .state")).to_have_attribute("data-state", "watched")
    expect(page.locator(".phases .reached")).to_have_count(5)
    assert complaints == []
