"""Notices by mail."""

from __future__ import annotations

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from ...outbound.connecting import connect_pinned
from ...outbound.policy import OutboundPolicy, OutboundRefusedError, Pinned
from ...outbound.references import SecretUnavailableError, resolve
from .config import EmailChannel, MailSecurity
from .notice import DeliveryError, Notice


class _PinnedServer(smtplib.SMTP):
    """A connection to the one address that was checked; the certificate is checked for the name."""

    def __init__(self, pinned: Pinned, timeout: float, context: ssl.SSLContext | None) -> None:
        self._pinned = pinned
        self._tls = context
        super().__init__(pinned.host, pinned.port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = connect_pinned(self._pinned, timeout)
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


class MailSender:
    """Sends one mail for each notice; mails of one incident form a thread.

    Arguments:
        config: The server and the addresses.
        policy: Which addresses may be spoken to.
    """

    def __init__(self, config: EmailChannel, policy: OutboundPolicy) -> None:
        self._config = config
        self._policy = policy

    def deliver(self, notice: Notice) -> str:
        """Send the mail; see `Channel`."""
        config = self._config
        try:
            with self._connect() as server:
                if config.security is MailSecurity.STARTTLS:
                    server.starttls(context=self._context())
                if config.user is not None and config.password is not None:
                    server.login(config.user, resolve(config.password))
                refused = server.send_message(_message(config, notice))
        except OutboundRefusedError:
            raise DeliveryError("the mail server's address is not allowed", again=False) from None
        except SecretUnavailableError as error:
            raise DeliveryError(str(error), again=True) from None
        except smtplib.SMTPAuthenticationError:
            raise DeliveryError("the mail server refused the login", again=False) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            again = any(400 <= code < 500 for code in codes)
            raise DeliveryError("the mail server refused every recipient", again=again) from None
        except smtplib.SMTPResponseException as error:
            again = 400 <= error.smtp_code < 500
            raise DeliveryError(f"the mail server answered {error.smtp_code}", again=again) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError("the mail server does not offer what is configured", again=False) from None
        except ssl.SSLCertVerificationError:
            raise DeliveryError("the certificate of the mail server is not trusted", again=False) from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"the mail server cannot be reached: {type(error).__name__}", again=True) from None
        if refused:
            raise DeliveryError(f"the mail server refused {len(refused)} of the recipients", again=False)
        return "the mail server took it"

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        pinned = self._policy.permit(config.server, config.port)
        context = self._context() if config.security is MailSecurity.TLS else None
        return _PinnedServer(pinned, config.timeout, context)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._config.ca_file is not None:
            context.load_verify_locations(self._config.ca_file)
        return context


def _message(config: EmailChannel, notice: Notice) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    domain = config.sender.partition("@")[2]
    message["From"] = config.sender
    message["To"] = ", ".join(config.recipients)
    # A line end in a header would begin the next one; the body keeps the text as it is.
    message["Subject"] = " ".join(f"[{notice.severity}] {notice.kind.words}: {notice.summary}".split())[:200]
    message["Date"] = notice.at
    message["Message-ID"] = f"<{sha256(notice.key.encode()).hexdigest()[:32]}@{domain}>"
    message["References"] = f"<{sha256(notice.subject.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        notice.summary,
        "",
        f"Kind: {notice.kind.words}",
        f"Severity: {notice.severity}",
        f"Subject: {notice.subject}",
    ]
    lines += [f"Target: {notice.target}"] if notice.target else []
    lines += [f"Service: {notice.service}"] if notice.service else []
    lines += [f"At: {notice.at.isoformat(timespec='seconds')}"]
    lines += [f"{key}: {value}" for key, value in notice.details.items()]
    lines += ["", *notice.lines] if notice.lines else []
    lines += ["", notice.link] if notice.link else []
    message.set_content("\n".join(lines))
    return message
