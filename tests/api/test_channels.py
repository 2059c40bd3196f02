"""The channels over the API: what is shown of them, and a test message that really goes out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scrollintel.control.alerts import AlertRules
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.security.access import Binding, Role
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.telemetry.notify.config import (
    ChannelConfig,
    EmailChannel,
    PagerDutyChannel,
    SlackChannel,
    WebhookChannel,
)
from tests.servers.outage import outage
from tests.servers.recorder import Answer, Asked, HttpRecorder

from .recovery_rig import join, report, token
from .rig import serving
from .watching_rig import away

PATIENCE = 20.0
TEST = "/alerts/channels/{}/test"


@pytest.fixture
def receiver() -> Iterator[HttpRecorder]:
    """Receive notices."""
    with HttpRecorder() as server:
        yield server


def telling(channels: Mapping[str, ChannelConfig]) -> AutomationConfig:
    """Return a configuration that tells people through these channels, and watches nothing."""
    return AutomationConfig(outbound=OutboundPolicy(private=("127.0.0.0/8",)), channels=dict(channels))


@pytest.mark.asyncio
async def test_channels_are_shown_by_host_without_any_secret(tmp_path: Path) -> None:
    """Of an address the host alone, of one that is a reference nothing; and how alerts are grouped and repeated."""
    channels: dict[str, ChannelConfig] = {
        "webhook": WebhookChannel(
            url="https://ops.example.com:8443/hooks/verysecret?key=alsosecret", secret="{env:HOOK}", least_severity=2,
            headers={"x-word": "hunter2"},
        ),
        "slack": SlackChannel(url="{env:SLACK_WEBHOOK}"),
        "pagerduty": PagerDutyChannel(routing_key="{env:ROUTING_KEY}"),
        "email": EmailChannel(
            server="mail.example.com", sender="si@a.example", recipients=("op@b.example",), user="me",
            password="{env:WORD}",
        ),
    }  # fmt: skip
    rules = AlertRules(group_window=5.0, repeat_interval=7200.0)
    async with serving(tmp_path, automation=telling(channels), alerts=rules) as (client, _):
        answer = await client.get("/alerts/channels")
    assert [(item["name"], item["kind"], item["host"], item["least_severity"]) for item in answer.json()["items"]] == [
        ("webhook", "webhook", "ops.example.com", 2), ("slack", "slack", None, 4),
        ("pagerduty", "pagerduty", "events.pagerduty.com", 4), ("email", "email", "mail.example.com", 4),
    ]  # fmt: skip
    assert answer.json()["alerting"] == {
        "enabled": True,
        "group_window": 5.0,
        "settle": 60.0,
        "repeat_interval": 7200.0,
    }
    for word in ("verysecret", "alsosecret", "hunter2", "ROUTING_KEY", "SLACK", "HOOK", "WORD", "8443", "op@"):
        assert word not in answer.text
    assert all(item["last_outcome"] is item["last_at"] is item["last_error"] is None for item in answer.json()["items"])


@pytest.mark.asyncio
async def test_channel_shows_what_came_of_the_last_message(tmp_path: Path, receiver: HttpRecorder) -> None:
    """An alert that was delivered, and its end that was not."""
    rules = AlertRules(open_for=0.0, settle=0.2, group_window=0.0)
    config = telling({"people": WebhookChannel(url=receiver.url)})
    async with serving(tmp_path, automation=config, alerts=rules) as (client, _):

        async def until(outcome: str) -> dict[str, object]:
            async with asyncio.timeout(PATIENCE):
                while True:
                    (item,) = (await client.get("/alerts/channels")).json()["items"]
                    if item["last_outcome"] == outcome:
                        return dict(item)
                    await asyncio.sleep(0.02)

        session = await join(client)
        await report(client, session, payments="open")
        delivered = await until("delivered")
        assert (delivered["sent"], delivered["given_up"], delivered["waiting"]) == (1, 0, 0)
        assert delivered["last_at"] and delivered["last_error"] is None
        receiver.answer = lambda _: Answer(404)
        await report(client, session, payments="closed")
        failed = await until("given_up")
        assert (failed["sent"], failed["given_up"]) == (1, 1)
        assert failed["last_error"] == "the receiver answered 404"


@pytest.mark.asyncio
async def test_test_message_goes_out_and_what_came_back_is_the_answer(tmp_path: Path, receiver: HttpRecorder) -> None:
    """Whatever severity the channel wants; who has sent it is in the audit log."""
    config = telling({"people": WebhookChannel(url=f"{receiver.url}/hook", least_severity=1)})
    async with serving(tmp_path, automation=config) as (client, _):
        answer = await client.post(TEST.format("people"))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["channel"], body["delivered"], body["answer"]) == ("people", True, "the receiver answered 200")
        assert 0.0 < body["seconds"] < PATIENCE
        (asked,) = receiver.asked
        assert (asked.path, asked.json()["type"]) == ("/hook", "test")
        assert asked.json()["data"]["summary"] == "this is a test of the channel people, and nothing is wrong"
        (item,) = (await client.get("/alerts/channels")).json()["items"]
        assert (item["sent"], item["last_outcome"]) == (1, "delivered")
        (entry,) = (await client.get("/audit", params={"action": "channel.test"})).json()["items"]
        assert (entry["target"], entry["actor"]) == ("people", "local")


@pytest.mark.asyncio
async def test_test_that_is_not_delivered_says_why_and_is_no_error(
    tmp_path: Path, receiver: HttpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt: refused, out of bounds, nobody there, a secret that is missing; never the address."""
    receiver.answer = lambda _: Answer(503, b"down", (("Retry-After", "60"),))
    monkeypatch.delenv("SI_TEST_NO_HOOK", raising=False)
    channels: dict[str, ChannelConfig] = {
        "busy": WebhookChannel(url=f"{receiver.url}/verysecret"),
        "forbidden": WebhookChannel(url="http://169.254.169.254/verysecret"),
        "nobody": WebhookChannel(url="http://127.0.0.1:1/verysecret"),
        "empty": SlackChannel(url="{env:SI_TEST_NO_HOOK}"),
        "mail": EmailChannel(server="127.0.0.1", port=1, sender="si@a.example", recipients=("op@b.example",)),
    }
    async with serving(tmp_path, automation=telling(channels)) as (client, _):
        said = {}
        for name in channels:
            answer = await client.post(TEST.format(name))
            assert (answer.status_code, answer.json()["delivered"]) == (200, False), answer.text
            assert "verysecret" not in answer.text and "127.0.0.1" not in answer.text
            said[name] = answer.json()["answer"]
        assert said["busy"] == "the receiver answered 503" and len(receiver.asked) == 1
        assert said["forbidden"].startswith("the request is not allowed")
        assert said["nobody"].startswith("the receiver cannot be reached")
        assert "SI_TEST_NO_HOOK" in said["empty"]
        assert said["mail"].startswith("the mail server cannot be reached")
        listed = (await client.get("/alerts/channels")).json()["items"]
        assert {item["name"]: item["last_error"] for item in listed} == said


@pytest.mark.asyncio
async def test_tests_are_limited_and_one_that_hangs_holds_up_whoever_asked_only_so_long(
    tmp_path: Path, receiver: HttpRecorder
) -> None:
    """One of a channel in 10 s, one at a time in all; a receiver that does not answer is told as that."""
    release = threading.Event()

    def hang(_: Asked) -> Answer:
        release.wait(30.0)
        return Answer()

    with HttpRecorder(hang) as slow:
        channels = {"slow": WebhookChannel(url=slow.url), "quick": WebhookChannel(url=receiver.url)}
        async with serving(tmp_path, automation=telling(channels)) as (client, use_cases):
            use_cases.channels.patience = 0.2
            tested = (await client.post(TEST.format("slow"))).json()
            assert (tested["delivered"], tested["answer"][:16]) == (False, "no answer within")
            busy = await client.post(TEST.format("quick"))
            assert (busy.status_code, busy.json()["code"], busy.headers["Retry-After"]) == (429, "rate_limited", "1")
            again = await client.post(TEST.format("slow"))
            assert again.status_code == 429 and 1 < int(again.headers["Retry-After"]) <= 10
            release.set()
            async with asyncio.timeout(PATIENCE):
                while (await client.post(TEST.format("quick"))).status_code != 200:
                    await asyncio.sleep(0.02)
            assert (await client.post(TEST.format("quick"))).status_code == 429
            assert len(receiver.asked) == 1


@pytest.mark.asyncio
async def test_tests_are_for_whoever_may_start_recoveries_of_all_services(
    tmp_path: Path, receiver: HttpRecorder
) -> None:
    """They reach people who look after other services; readers see the channels all the same."""
    config = telling({"people": WebhookChannel(url=receiver.url)})
    async with serving(tmp_path, enforced=True, automation=config) as (client, use_cases):
        for role, scope, status in (
            (Role.VIEWER, "*", 403),
            (Role.OPERATOR, "orders", 403),
            (Role.AUDITOR, "*", 403),
            (Role.OPERATOR, "*", 200),
        ):
            headers = await token(use_cases, Binding(role, (scope,)))
            assert (await client.get("/alerts/channels", headers=headers)).status_code == 200
            assert (await client.post(TEST.format("people"), headers=headers)).status_code == status, role
            missing = await client.post(TEST.format("nobody"), headers=headers)
            assert missing.status_code == (404 if status == 200 else 403), role
        assert len(receiver.asked) == 1


@pytest.mark.asyncio
async def test_test_that_cannot_be_noted_is_not_sent(tmp_path: Path, database_url: str, receiver: HttpRecorder) -> None:
    """While the database is away; it may be asked for again at once when that is over."""
    config = telling({"people": WebhookChannel(url=receiver.url, least_severity=1)})
    async with serving(tmp_path, database_url=database_url, automation=config) as (client, use_cases):
        with outage(database_url):
            await away(use_cases)
            answer = await client.post(TEST.format("people"))
            assert (answer.status_code, len(receiver.asked)) == (503, 0)
