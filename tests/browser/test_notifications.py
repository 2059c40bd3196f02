"""Through whom people are told, on the settings page: what came of the last message, and a test that goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from ..servers.recorder import HttpRecorder
from .conftest import Complaints
from .test_access import sign_in
from .world import World

pytestmark = pytest.mark.needs("chromium")


class Told(NamedTuple):
    """A world with access control, and who is told of it."""

    world: World
    receiver: HttpRecorder
    channels: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Return a world that tells a receiver on this machine, and a channel at Slack whose address is a secret."""
    with HttpRecorder() as receiver:
        channels = (
            f'[[notifications]]\nkind = "webhook"\nurl = "{receiver.url}/verysecret"\nleast_severity = 2\n'
            '[[notifications]]\nkind = "slack"\nurl = "{env:SLACK_WEBHOOK}"\n'
            "[alerts]\ngroup_window = 5\nrepeat_interval = 7200\n"
        )
        with World(tmp_path_factory.mktemp("told"), enforced=True, more=channels) as world:
            yield Told(world, receiver, channels)


def test_viewer_sees_channels_and_is_offered_no_test(told: Told, page: Page, complaints: Complaints) -> None:
    """By name and host; how alerts are grouped and repeated; the way to silences."""
    sign_in(page, told.world, "viewer:*")
    page.goto(f"{told.world.url}/#/settings")
    webhook, slack = page.locator("[data-channel=webhook]"), page.locator("[data-channel=slack]")
    expect(webhook).to_contain_text("127.0.0.1")
    expect(webhook).to_contain_text("severity 2 and worse")
    expect(slack).to_contain_text("address kept as a secret")
    card = page.locator(".card", has=page.get_by_role("heading", name="Notifications"))
    expect(card).to_contain_text("5 s")
    expect(card).to_contain_text("2 h")
    expect(card.get_by_role("button")).to_have_count(0)
    assert "verysecret" not in page.content()
    card.get_by_role("link", name="Alerts and silences").click()
    expect(page.locator("main h1")).to_have_text("Alerts")
    assert complaints == []


def test_operator_sends_a_test_and_sees_what_came_of_it(told: Told, page: Page, complaints: Complaints) -> None:
    """The receiver has it; what cannot be sent says why, in the dialog and on the page."""
    sign_in(page, told.world, "operator:*")
    page.goto(f"{told.world.url}/#/settings")
    page.get_by_role("button", name="Send a test through webhook").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("a real message")
    dialog.get_by_role("button", name="Send").click()
    expect(page.locator(".toasts")).to_contain_text("the receiver answered 200")
    (asked,) = told.receiver.wait(1)
    assert (asked.path, asked.json()["type"]) == ("/verysecret", "test")
    expect(page.locator("[data-channel=webhook] .state")).to_have_text("delivered")
    expect(page.locator("[data-channel=webhook]")).to_contain_text("1 sent")
    page.get_by_role("button", name="Send a test through slack").click()
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("alert")).to_contain_text("It was not delivered")
    dialog.get_by_role("button", name="Leave it").click()
    expect(page.locator("[data-channel=slack] .state")).to_have_text("given up")
    expect(page.locator("[data-channel=slack]")).to_contain_text("SLACK_WEBHOOK")
    assert complaints == []


def test_settings_without_a_channel_say_what_to_write(told: Told, page: Page, complaints: Complaints) -> None:
    """When the file names none any more the page says so by itself, and shows a table to begin with."""
    sign_in(page, told.world, "viewer:*")
    page.goto(f"{told.world.url}/#/settings")
    expect(page.locator("[data-channel]")).to_have_count(2)
    settings = told.world.settings
    settings.write_text(settings.read_text().replace(told.channels, "[alerts]\nenabled = false\n"))
    card = page.locator(".card", has=page.get_by_role("heading", name="Notifications"))
    expect(card).to_contain_text("Nobody is told")
    expect(card.locator("pre")).to_contain_text("[[notifications]]")
    expect(card).to_contain_text("Alerts are switched off")
    assert complaints == []
