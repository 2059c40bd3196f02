"""Mails go through a real SMTP server, encrypted, once, and without what a header must not hold."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string
from pathlib import Path

import pytest

from scrollintel.core.config.retry import RetryConfig
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.telemetry.notify.config import EmailChannel, MailSecurity
from scrollintel.telemetry.notify.mail import MailSender
from scrollintel.telemetry.notify.notice import DeliveryError, Notice, NoticeKind
from scrollintel.telemetry.notify.outlet import Outlet
from tests.servers.certificates import self_signed
from tests.servers.smtp import SmtpServer

LOCAL = OutboundPolicy(private=("127.0.0.0/8",))
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def notice(summary: str = "orders does not answer") -> Notice:
    """Return a notice of an incident that opened."""
    return Notice(kind=NoticeKind.OPENED, subject="inc_1", summary=summary, at=AT, target="orders/1", severity=1)


def plain(port: int) -> EmailChannel:
    """Return a channel without encryption."""
    return EmailChannel(
        server="127.0.0.1", port=port, security=MailSecurity.NONE, sender="si@a.example", recipients=("op@b.example",)
    )


def test_mail_with_line_ends_in_its_summary_adds_no_header() -> None:
    """A line end in a text from elsewhere stays out of the header."""
    with SmtpServer() as server:
        MailSender(plain(server.port), LOCAL).deliver(notice("down\r\nBcc: thief@c.example"))
        (mail,) = server.wait(1)
    parsed = message_from_string(mail.content)
    assert mail.recipients == ("op@b.example",) and parsed["Bcc"] is None
    assert parsed["Subject"] == "[1] Incident opened: down Bcc: thief@c.example"


def test_mail_with_starttls_logs_in_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is read from its reference and travels encrypted only."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SI_TEST_MAIL", "word")
    with SmtpServer(certificate) as server:
        config = EmailChannel(
            server="127.0.0.1", port=server.port, ca_file=str(certificate.chain), sender="si@a.example",
            recipients=("op@b.example",), user="me", password="{env:SI_TEST_MAIL}",
        )  # fmt: skip
        MailSender(config, LOCAL).deliver(notice())
        (mail,) = server.wait(1)
    assert mail.encrypted and mail.login is not None


def test_mail_to_an_untrusted_server_sends_nothing(tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends the attempt for good."""
    with SmtpServer(self_signed(tmp_path)) as server:
        config = EmailChannel(server="127.0.0.1", port=server.port, sender="s@a.example", recipients=("o@b.example",))
        with pytest.raises(DeliveryError, match="not trusted") as caught:
            MailSender(config, LOCAL).deliver(notice())
        assert not caught.value.again and server.mails == []


def test_mail_to_an_address_that_the_policy_forbids_is_refused() -> None:
    """A mail server is reached under the same rules as everything else."""
    with SmtpServer() as server:
        with pytest.raises(DeliveryError, match="not allowed"):
            MailSender(plain(server.port), OutboundPolicy()).deliver(notice())
        assert server.mails == []


def test_outlet_tries_again_after_a_busy_server() -> None:
    """A server that is busy twice gets the mail at the third attempt, once."""
    with SmtpServer(greetings=("421 busy", "421 busy", "220 test")) as server:
        outlet = Outlet(
            "mail", MailSender(plain(server.port), LOCAL), retry=RetryConfig(base_delay=0.01, max_delay=0.01)
        )
        outlet.start()
        outlet.put(notice())
        server.wait(1)
        outlet.stop(5.0)
        assert len(server.mails) == 1
    assert outlet.figures().sent == 1 and outlet.figures().dead == 0


def test_outlet_that_stops_while_it_waits_counts_the_rest_as_dead() -> None:
    """The end of the process does not wait for a receiver that stays away."""
    with SmtpServer(greetings=("421 busy",)) as server:
        outlet = Outlet(
            "mail", MailSender(plain(server.port), LOCAL), retry=RetryConfig(base_delay=600.0, max_delay=600.0)
        )
        outlet.start()
        outlet.put(notice())
        outlet.put(notice())
        outlet.stop(0.2)
    assert outlet.figures().dead == 2 and outlet.figures().waiting == 0
    assert not outlet.put(notice()) and outlet.figures().dropped == 1


def test_outlet_with_a_full_queue_drops_and_counts() -> None:
    """Whoever tells is never held up: what finds no room is dropped and counted."""
    outlet = Outlet("mail", MailSender(plain(1), LOCAL), capacity=1)
    assert outlet.put(notice()) and not outlet.put(notice())
    assert outlet.figures().dropped == 1
    outlet.stop(0.0)
