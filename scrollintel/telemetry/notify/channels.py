"""The sender of each kind of channel."""

from __future__ import annotations

from collections.abc import Iterable

from ...outbound.policy import OutboundPolicy
from .config import ChannelConfig, EmailChannel, PagerDutyChannel, SlackChannel, kind_of
from .mail import MailSender
from .notice import Channel
from .pagerduty import PagerDutySender
from .slack import SlackSender
from .webhook import WebhookSender


def channel_for(config: ChannelConfig, policy: OutboundPolicy) -> Channel:
    """Return what tells people through a channel.

    Arguments:
        config: The channel.
        policy: Which addresses may be spoken to.
    """
    if isinstance(config, SlackChannel):
        return SlackSender(config, policy)
    if isinstance(config, PagerDutyChannel):
        return PagerDutySender(config, policy)
    if isinstance(config, EmailChannel):
        return MailSender(config, policy)
    return WebhookSender(config, policy)


def named(configs: Iterable[ChannelConfig]) -> dict[str, ChannelConfig]:
    """Return channels by name: their kind, and for further ones of a kind its number, such as "webhook-2"."""
    found: dict[str, ChannelConfig] = {}
    for config in configs:
        kind = kind_of(config)
        before = sum(type(other) is type(config) for other in found.values())
        found[f"{kind}-{before + 1}" if before else kind] = config
    return found
