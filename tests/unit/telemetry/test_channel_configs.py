"""Channels are refused at the edge when they could not work, and a secret given in plain is never shown."""

from __future__ import annotations

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.outbound.references import SecretUnavailableError, resolve
from scrollintel.telemetry.notify.channels import named
from scrollintel.telemetry.notify.config import CHANNEL_KINDS, EmailChannel, MailSecurity, SlackChannel, WebhookChannel


def test_slack_address_in_plain_is_refused_without_being_shown() -> None:
    """The address of a Slack webhook is a secret: the error names the field and hides the value."""
    with pytest.raises(ConfigError) as caught:
        SlackChannel(url="https://hooks.slack.com/services/T0/B0/verysecret")
    assert "verysecret" not in str(caught.value) and "url" in str(caught.value)
    assert "verysecret" not in repr(caught.value.details)


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "http://name:word@host/", "http://", "http://host/a b", "http://host/\r\nx", "host"]
)
def test_webhook_with_an_unusable_address_is_refused(url: str) -> None:
    """Only http and https addresses with a host, without credentials and line ends, are taken."""
    with pytest.raises(ConfigError, match="url"):
        WebhookChannel(url=url)


def test_webhook_with_a_plain_authorization_header_is_refused() -> None:
    """Credentials in header fields have to be references."""
    with pytest.raises(ConfigError, match="headers"):
        WebhookChannel(url="https://host/", headers={"Authorization": "Bearer abc"})
    assert WebhookChannel(url="https://host/", headers={"Authorization": "Bearer {env:TOKEN}"}).headers


def test_email_login_without_encryption_is_refused() -> None:
    """A password does not travel in the open unless that is said twice."""
    with pytest.raises(ConfigError, match="security"):
        EmailChannel(
            server="mail", sender="a@b.example", recipients=("c@d.example",), user="u", password="{env:P}",
            security=MailSecurity.NONE,
        )  # fmt: skip


def test_email_recipient_with_a_line_end_is_refused() -> None:
    """A recipient cannot smuggle a header field in."""
    with pytest.raises(ConfigError, match="recipients"):
        EmailChannel(server="mail", sender="a@b.example", recipients=("c@d.example\r\nBcc: x@y.example",))


def test_resolve_reads_variables_and_files_at_the_moment_of_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A text may hold several references; a missing one is named without any value."""
    file = tmp_path_factory.mktemp("secrets") / "token"
    file.write_text("from-file\n")
    monkeypatch.setenv("SI_TEST_TOKEN", "from-env")
    assert resolve(f"a {{env:SI_TEST_TOKEN}} b {{file:{file}}}") == "a from-env b from-file"
    monkeypatch.setenv("SI_TEST_TOKEN", "two\r\nlines")
    with pytest.raises(SecretUnavailableError, match="SI_TEST_TOKEN") as caught:
        resolve("{env:SI_TEST_TOKEN}")
    assert "two" not in str(caught.value)


def test_every_kind_of_channel_survives_a_round_trip() -> None:
    """What a file says and what `to_dict` returns are the same."""
    given: dict[str, dict[str, object]] = {
        "webhook": {"url": "https://host/x", "secret": "{env:S}"},
        "slack": {"url": "{env:S}"},
        "pagerduty": {"routing_key": "{file:/run/secrets/pd}"},
        "email": {"server": "mail", "sender": "a@b.example", "recipients": ["c@d.example"]},
    }
    for kind, data in given.items():
        config = CHANNEL_KINDS[kind].from_dict(data)
        assert CHANNEL_KINDS[kind].from_dict(config.to_dict()) == config


def test_channels_of_one_kind_have_names_of_their_own() -> None:
    """Two webhooks do not take each other's place."""
    first, second, slack = (
        WebhookChannel(url="https://a/"),
        WebhookChannel(url="https://b/"),
        SlackChannel(url="{env:S}"),
    )
    assert named([first, slack, second]) == {"webhook": first, "slack": slack, "webhook-2": second}
