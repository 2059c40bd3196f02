"""The sender of each kind of channel."""

from __future__ import annotations

from ...outbound.policy import OutboundPolicy
from .config import ChannelConfig, EmailChannel, PagerDutyChannel, SlackChannel
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
