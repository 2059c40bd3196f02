"""Notices through an incoming webhook of Slack."""

from __future__ import annotations

from typing import Any

from ...outbound.policy import OutboundPolicy
from .config import SlackChannel
from .notice import Notice
from .posting import address, encode, post

MAX_SECTION = 3000
"""Characters that Slack takes in one section."""


class SlackSender:
    """Posts a header, the summary and the facts as blocks; `text` is what a notification shows.

    Arguments:
        config: The webhook.
        policy: Which addresses may be spoken to.
    """

    def __init__(self, config: SlackChannel, policy: OutboundPolicy) -> None:
        self._config = config
        self._policy = policy

    def deliver(self, notice: Notice) -> str:
        """Post the notice; see `Channel`."""
        body = encode(payload(notice))
        return post(address(self._config.url), body, {}, timeout=self._config.timeout, policy=self._policy)


def payload(notice: Notice) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return the message in Slack's form."""
    title = f"{notice.kind.words}: {notice.target or notice.service or notice.subject}"
    facts = {"Severity": notice.severity, "Service": notice.service, "Subject": notice.subject, **notice.details}
    listed = "\n".join(f"*{escaped(str(key))}:* {escaped(str(value))}" for key, value in facts.items() if value)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150]}},
        _section(escaped(notice.summary)),
        _section(listed),
    ]
    if notice.lines:
        blocks.append(_section("\n".join(f"• {escaped(line)}" for line in notice.lines)))
    if notice.link:
        blocks.append(_section(f"<{escaped(notice.link)}|Open>"))
    return {"text": escaped(f"{title}. {notice.summary}")[:MAX_SECTION], "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MAX_SECTION]}}


def escaped(text: str) -> str:
    """Return a text without what Slack would take for a mention or a link, such as `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
