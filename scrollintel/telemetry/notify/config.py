"""Channels through which people are told, as a configuration has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from ...core.config.base import Config, boolean, choice, integer, number
from ...core.errors import Violation
from ...outbound.options import headers, host, http_url, is_http_url, line, mail_addresses
from ...outbound.references import secret


class MailSecurity(StrEnum):
    """How a mail server is spoken to: TLS begun in the open, TLS from the first byte, or none at all."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChannel(Config):
    """A JSON object posted to an address, signed when there is a secret.

    Arguments:
        url: Where to, or a reference to it.
        secret: Reference to the key of the signature, `whsec_` and base64 or any text; None (default) does not sign.
        headers: Further header fields; values may hold references.
        timeout: Seconds for one attempt, above 0 and at most 60; default 5.
        attempts: Attempts for one notice, 1 to 10; default 5.
        least_severity: Incidents less severe are not told, 1 (worst only) to 4 (all); default 4.

    Raises:
        ConfigError: with every violation.
    """

    url: str = field(metadata=http_url(referenced=True))
    secret: str | None = field(default=None, metadata=secret(optional=True))
    headers: Mapping[str, str] = field(default_factory=dict, metadata=headers())
    timeout: float = field(default=5.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    attempts: int = field(default=5, metadata=integer(minimum=1, maximum=10, unit="attempts"))
    least_severity: int = field(default=4, metadata=integer(minimum=1, maximum=4))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackChannel(Config):
    """An incoming webhook of Slack.

    Arguments:
        url: Reference to the address; who has it may post, so it is a secret.
        timeout, attempts, least_severity: As for a webhook.

    Raises:
        ConfigError: with every violation.
    """

    url: str = field(metadata=secret())
    timeout: float = field(default=5.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    attempts: int = field(default=5, metadata=integer(minimum=1, maximum=10, unit="attempts"))
    least_severity: int = field(default=4, metadata=integer(minimum=1, maximum=4))


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyChannel(Config):
    """The Events API v2 of PagerDuty: an incident there begins, is acknowledged and ends with ours.

    Arguments:
        routing_key: Reference to the integration's key.
        url: Address of the API; default that of the United States. Europe has `https://events.eu.pagerduty.com`.
        timeout, attempts, least_severity: As for a webhook.

    Raises:
        ConfigError: with every violation.
    """

    routing_key: str = field(metadata=secret())
    url: str = field(default="https://events.pagerduty.com", metadata=http_url())
    timeout: float = field(default=5.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    attempts: int = field(default=5, metadata=integer(minimum=1, maximum=10, unit="attempts"))
    least_severity: int = field(default=4, metadata=integer(minimum=1, maximum=4))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChannel(Config):
    """Mail through an SMTP server.

    Arguments:
        server: Host name or address of the server.
        port: Its port, 1 to 65535; default 587.
        security: `starttls` (default), `tls`, or `none`.
        ca_file: Certificates to trust besides the system's, or None.
        sender: Address that the mail comes from.
        recipients: Addresses that it goes to, 1 to 50.
        user: Name to log in with, or None.
        password: Reference to the password; needed with `user`, which needs an encrypted connection.
        allow_plain_login: Whether to log in without encryption all the same; default False.
        timeout, attempts, least_severity: As for a webhook.

    Raises:
        ConfigError: with every violation.
    """

    server: str = field(metadata=host())
    port: int = field(default=587, metadata=integer(minimum=1, maximum=65535))
    security: MailSecurity = field(default=MailSecurity.STARTTLS, metadata=choice(MailSecurity))
    ca_file: str | None = field(default=None, metadata=line(optional=True))
    sender: str = field(metadata=mail_addresses(single=True))
    recipients: tuple[str, ...] = field(metadata=mail_addresses())
    user: str | None = field(default=None, metadata=line(maximum=200, optional=True))
    password: str | None = field(default=None, metadata=secret(optional=True))
    allow_plain_login: bool = field(default=False, metadata=boolean())
    timeout: float = field(default=10.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    attempts: int = field(default=5, metadata=integer(minimum=1, maximum=10, unit="attempts"))
    least_severity: int = field(default=4, metadata=integer(minimum=1, maximum=4))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse half a login, and one that anybody on the way could read."""
        if not {"user", "password"} & broken and (self.user is None) != (self.password is None):
            yield Violation("user", self.user, "given together with password, or neither")
        if self.user is not None and self.security is MailSecurity.NONE and not self.allow_plain_login:
            yield Violation("security", self.security.value, "starttls or tls when there is a login")


ChannelConfig = WebhookChannel | SlackChannel | PagerDutyChannel | EmailChannel
CHANNEL_KINDS: Mapping[str, type[ChannelConfig]] = {
    "webhook": WebhookChannel,
    "slack": SlackChannel,
    "pagerduty": PagerDutyChannel,
    "email": EmailChannel,
}
"""Configuration of each kind of channel, by the name that a file gives it."""


def kind_of(config: ChannelConfig) -> str:
    """Return the name that a file gives to channels of this kind, such as `slack`."""
    return next(kind for kind, known in CHANNEL_KINDS.items() if type(config) is known)


def host_of(config: ChannelConfig) -> str | None:
    """Return the host that a channel speaks to; None when its address is a reference, which stays a secret."""
    if isinstance(config, EmailChannel):
        return config.server
    return urlsplit(config.url).hostname if is_http_url(config.url) else None
