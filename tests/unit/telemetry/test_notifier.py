"""Notices reach real HTTP receivers in the form that each expects, once, and hold up nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scrollintel.core.config.retry import RetryConfig
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.telemetry.notify.config import ChannelConfig, PagerDutyChannel, SlackChannel, WebhookChannel
from scrollintel.telemetry.notify.notice import Notice, NoticeKind
from scrollintel.telemetry.notify.notifier import Notifier
from tests.servers.recorder import Answer, Asked, HttpRecorder

LOCAL = OutboundPolicy(private=("127.0.0.0/8",))
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUICK = RetryConfig(base_delay=0.01, max_delay=0.01)


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    """Return a receiver."""
    with HttpRecorder() as recorder:
        yield recorder


def notice(kind: NoticeKind = NoticeKind.OPENED, severity: int = 2, summary: str = "orders is down") -> Notice:
    """Return a notice about one incident."""
    return Notice(kind=kind, subject="inc_1", summary=summary, at=AT, target="orders/1", severity=severity)


def told(config: ChannelConfig, *notices: Notice) -> Notifier:
    """Tell notices through one channel to the end."""
    notifier = Notifier({"one": config}, LOCAL, retry=QUICK)
    notifier.start()
    for item in notices:
        notifier.send(item)
    notifier.stop(10.0)
    return notifier


def test_webhook_is_signed_over_id_time_and_body(server: HttpRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that follows Standard Webhooks accepts it, and the key is in no message."""
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    monkeypatch.setenv("SI_TEST_HOOK", f"whsec_{key}")
    told(WebhookChannel(url=f"{server.url}/hook", secret="{env:SI_TEST_HOOK}"), notice())
    (asked,) = server.asked
    fields = asked.headers
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + asked.body
    expected = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
    assert fields["webhook-signature"] == f"v1,{expected}"
    assert asked.json()["type"] == "incident_opened" and asked.json()["data"]["target"] == "orders/1"
    assert key not in repr(asked)


def test_webhook_that_fails_twice_is_tried_again_under_the_same_key(server: HttpRecorder) -> None:
    """Every attempt of one notice has one idempotency key."""
    answers = iter([Answer(503), Answer(429, headers=(("Retry-After", "0"),)), Answer(200)])
    server.answer = lambda _: next(answers)
    notifier = told(WebhookChannel(url=server.url), notice())
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1 and len(server.asked) == 3
    assert notifier.figures()["one"].sent == 1


def test_webhook_that_is_refused_is_given_up_without_its_address_in_the_reason(
    server: HttpRecorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A 4xx is final; neither the log nor the figures show the secret address."""
    server.answer = lambda _: Answer(404)
    monkeypatch.setenv("SI_TEST_HOOK", f"{server.url}/services/verysecret")
    notifier = told(SlackChannel(url="{env:SI_TEST_HOOK}"), notice())
    figures = notifier.figures()["one"]
    assert (figures.dead, len(server.asked)) == (1, 1) and figures.last_error == "the receiver answered 404"
    assert "verysecret" not in caplog.text and "404" in caplog.text


def test_slack_message_cannot_mention_anybody(server: HttpRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from elsewhere is shown as it is."""
    monkeypatch.setenv("SI_TEST_HOOK", server.url)
    told(SlackChannel(url="{env:SI_TEST_HOOK}"), notice(summary="<!channel> is down & out"))
    message = server.asked[0].json()
    assert message["blocks"][1]["text"]["text"] == "&lt;!channel&gt; is down &amp; out"
    assert "<!channel>" not in server.asked[0].body.decode()


def test_pagerduty_incident_is_triggered_acknowledged_and_resolved_under_one_key(
    server: HttpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All events of one incident of ours belong to one incident there."""
    monkeypatch.setenv("SI_TEST_PD", "key")
    server.answer = lambda _: Answer(202, {"status": "success"})
    kinds = (NoticeKind.OPENED, NoticeKind.ESCALATED, NoticeKind.ACKNOWLEDGED, NoticeKind.RESOLVED)
    told(PagerDutyChannel(routing_key="{env:SI_TEST_PD}", url=server.url), *(notice(kind) for kind in kinds))
    events = [asked.json() for asked in server.asked]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {"scrollintel:inc_1"}
    assert [event["payload"]["severity"] for event in events[:2]] == ["error", "critical"]
    assert {asked.path for asked in server.asked} == {"/v2/enqueue"}


def test_notice_of_one_kind_about_one_incident_is_told_once(server: HttpRecorder) -> None:
    """A repetition is no news; another kind is."""
    told(WebhookChannel(url=server.url), notice(), notice(), notice(NoticeKind.RESOLVED))
    assert [asked.json()["type"] for asked in server.asked] == ["incident_opened", "incident_resolved"]


def test_notice_below_the_severity_of_a_channel_is_not_told(server: HttpRecorder) -> None:
    """A channel for the worst hears of the worst, and of every brake."""
    config = WebhookChannel(url=server.url, least_severity=1)
    told(config, notice(severity=2), notice(NoticeKind.BRAKE_ENGAGED, severity=4))
    assert [asked.json()["type"] for asked in server.asked] == ["brake_engaged"]


def test_receiver_that_hangs_holds_up_no_other(server: HttpRecorder) -> None:
    """Each channel has its own thread, and telling returns at once."""
    release = threading.Event()

    def hang(_: Asked) -> Answer:
        release.wait(30.0)
        return Answer()

    with HttpRecorder(hang) as slow:
        channels: dict[str, ChannelConfig] = {
            "slow": WebhookChannel(url=slow.url), "quick": WebhookChannel(url=server.url),
        }  # fmt: skip
        notifier = Notifier(channels, LOCAL, retry=QUICK)
        notifier.start()
        notifier.send(notice())
        notifier.send(notice(NoticeKind.RESOLVED))
        assert len(server.wait(2)) == 2
        assert notifier.figures()["slow"].sent == 0
        release.set()
        notifier.stop(10.0)
    assert notifier.figures()["slow"].sent == 2


def test_brake_that_engages_again_is_told_again(server: HttpRecorder) -> None:
    """The same engagement is told once, the next one anew and under a key of its own."""
    first = notice(NoticeKind.BRAKE_ENGAGED)
    told(WebhookChannel(url=server.url), first, first, replace(first, at=AT + timedelta(hours=1)))
    assert len(server.asked) == 2
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 2


def test_channels_that_change_tell_at_once_and_those_that_stay_lose_nothing(server: HttpRecorder) -> None:
    """What waited is still told through the channel that goes; nothing is told twice."""
    stays, goes = WebhookChannel(url=f"{server.url}/stays"), WebhookChannel(url=f"{server.url}/goes")
    notifier = Notifier({"stays": stays, "goes": goes}, LOCAL, retry=QUICK)
    notifier.start()
    notifier.send(notice())
    notifier.change({"stays": stays, "new": WebhookChannel(url=f"{server.url}/new", least_severity=1)}, LOCAL)
    assert not notifier.send(notice())
    notifier.send(notice(NoticeKind.RESOLVED, severity=1))
    notifier.send(notice(NoticeKind.ESCALATED, severity=2))
    notifier.stop(10.0)
    paths = sorted((asked.path, asked.json()["type"]) for asked in server.asked)
    assert paths == [
        ("/goes", "incident_opened"), ("/new", "incident_resolved"), ("/stays", "incident_escalated"),
        ("/stays", "incident_opened"), ("/stays", "incident_resolved"),
    ]  # fmt: skip
    assert set(notifier.figures()) == {"stays", "new"}


def alerts(kind: NoticeKind, state: str, seconds: int) -> Notice:
    """Return a notice about a group of alerts."""
    alert = {"state": state, "name": "CircuitOpenTooLong", "summary": "calls <fail>", "runbook": "docs/runbooks.md#x"}
    at = AT + timedelta(seconds=seconds)
    return Notice(kind=kind, subject="alerts:service:orders", summary="it is open", at=at, severity=2, alerts=(alert,))


def test_alerts_are_one_incident_at_pagerduty_from_the_first_to_the_last(
    server: HttpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Triggered, told again, resolved under one key, each time with the alerts; the moment tells messages apart."""
    monkeypatch.setenv("SI_TEST_KEY", "k")
    channel = PagerDutyChannel(routing_key="{env:SI_TEST_KEY}", url=server.url)
    told(
        channel,
        alerts(NoticeKind.ALERT_FIRING, "firing", 0),
        alerts(NoticeKind.ALERT_FIRING, "still firing", 9),
        alerts(NoticeKind.ALERT_RESOLVED, "resolved", 20),
        alerts(NoticeKind.ALERT_RESOLVED, "resolved", 20),
    )
    events = [asked.json() for asked in server.asked]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "resolve"]
    assert {event["dedup_key"] for event in events} == {"scrollintel:alerts:service:orders"}
    assert events[0]["payload"]["custom_details"]["alerts"] == [
        "[firing] CircuitOpenTooLong: calls <fail> (runbook: docs/runbooks.md#x)"
    ]


def test_alerts_are_listed_at_slack_without_what_it_would_take_for_a_mention(
    server: HttpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for each."""
    monkeypatch.setenv("SI_TEST_HOOK", server.url)
    told(SlackChannel(url="{env:SI_TEST_HOOK}"), alerts(NoticeKind.ALERT_FIRING, "firing", 0))
    texts = [block["text"]["text"] for block in server.asked[0].json()["blocks"]]
    assert texts[0] == "Alert firing: alerts:service:orders"
    assert texts[-1] == "• [firing] CircuitOpenTooLong: calls &lt;fail&gt; (runbook: docs/runbooks.md#x)"


def test_notice_about_no_alert_has_no_list_of_them() -> None:
    """What receivers of incidents get stays as it is."""
    assert "alerts" not in notice().text()
