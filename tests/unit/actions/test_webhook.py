"""A webhook that repairs: one fixed request, keyed, with declared fields only, within the outbound rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel.actions.webhook import Webhook, WebhookOptions
from scrollintel.core.errors import ConfigError, ScrollIntelError, StepFailedError
from scrollintel.outbound.policy import OutboundPolicy
from tests.servers.recorder import Answer, HttpRecorder

from .rig import Bench


def test_webhook_with_an_undeclared_field_is_refused() -> None:
    """A template cannot reach anything but the declared fields, secrets included."""
    for body in ("{password}", "{env:HOME}", "{target.__class__}" + "{file:/etc/passwd}"):
        with pytest.raises(ConfigError, match="body"):
            WebhookOptions(url="https://host/", body=body)


def test_webhook_fields_cannot_break_out_of_their_json_text(tmp_path: Path) -> None:
    """A name with quotes and braces stays a text, and is not filled in again."""
    bench = Bench(tmp_path, name='a","admin":"{key}')
    with HttpRecorder() as server:
        body = '{"target": "{target}", "key": "{key}", "epoch": {epoch}, "type": "{failure_type}"}'
        strategy = Webhook(bench.context, WebhookOptions(url=f"{server.url}/fix", body=body))
        strategy.act(bench.plan(strategy))
        (asked,) = server.asked
    assert asked.json() == {"target": 'a","admin":"{key}', "key": "rec_1", "epoch": 3, "type": "not_ready"}


def test_webhook_twice_has_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver can drop the repetition; the token is read from its reference."""
    monkeypatch.setenv("SI_TEST_TOKEN", "word")
    bench = Bench(tmp_path)
    with HttpRecorder() as server:
        options = WebhookOptions(url=server.url, headers={"Authorization": "Bearer {env:SI_TEST_TOKEN}"})
        strategy = Webhook(bench.context, options)
        plan = bench.plan(strategy)
        strategy.act(plan)
        strategy.act(plan)
        first, second = server.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "rec_1"
    assert first.headers["authorization"] == "Bearer word" and "word" not in repr(plan)
    assert not strategy.verify(plan)
    bench.good = True
    assert strategy.verify(plan)


def test_webhook_with_another_status_than_expected_fails(tmp_path: Path) -> None:
    """What was not asked for is no success."""
    bench = Bench(tmp_path)
    with HttpRecorder(lambda _: Answer(302, headers=(("Location", "http://127.0.0.1:1/"),))) as server:
        strategy = Webhook(bench.context, WebhookOptions(url=server.url))
        with pytest.raises(StepFailedError, match="302"):
            strategy.act(bench.plan(strategy))
        assert len(server.asked) == 1


def test_webhook_to_this_machine_is_refused_unless_the_file_says_so(tmp_path: Path) -> None:
    """Loopback addresses are out of reach by default, and nothing is sent."""
    bench = Bench(tmp_path, policy=OutboundPolicy())
    with HttpRecorder() as server:
        strategy = Webhook(bench.context, WebhookOptions(url=server.url))
        with pytest.raises(ScrollIntelError):
            strategy.act(bench.plan(strategy))
        assert server.asked == []
