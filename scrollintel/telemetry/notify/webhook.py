"""Notices as signed JSON to any receiver, in the form of Standard Webhooks (standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from ...core.clock import SYSTEM_CLOCK
from ...outbound.policy import OutboundPolicy
from .config import WebhookChannel
from .notice import Notice
from .posting import address, encode, post, secret

PREFIX = "whsec_"


class WebhookSender:
    """Posts `{"type": ..., "timestamp": ..., "data": {...}}`.

    `webhook-id` and `Idempotency-Key` are the same for every attempt of one notice, so that the receiver can drop
    repetitions; `webhook-signature` covers the id, the time of the attempt and the body.

    Arguments:
        config: The receiver.
        policy: Which addresses may be spoken to.
    """

    def __init__(self, config: WebhookChannel, policy: OutboundPolicy) -> None:
        self._config = config
        self._policy = policy

    def deliver(self, notice: Notice) -> str:
        """Post the notice; see `Channel`."""
        config = self._config
        content = {"type": notice.kind.value, "timestamp": notice.at.isoformat(), "data": notice.text()}
        body = encode(content)
        identity = f"msg_{hashlib.sha256(notice.key.encode()).hexdigest()[:32]}"
        seconds = str(int(SYSTEM_CLOCK.time()))
        headers = {name: secret(value) for name, value in config.headers.items()}
        headers |= {"webhook-id": identity, "webhook-timestamp": seconds, "Idempotency-Key": identity}
        if config.secret is not None:
            headers["webhook-signature"] = signature(secret(config.secret), identity, seconds, body)
        return post(address(config.url), body, headers, timeout=config.timeout, policy=self._policy)


def signature(key: str, identity: str, seconds: str, body: bytes) -> str:
    """Return `v1,` and the base64 of HMAC-SHA256 over `identity.seconds.body`.

    Arguments:
        key: `whsec_` and base64, or any other text, which is used as it is.
        identity: The id of the message.
        seconds: Time of the attempt in Unix seconds, as text.
        body: The bytes that are sent.
    """
    raw = key.encode()
    if key.startswith(PREFIX):
        try:
            raw = base64.b64decode(key.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raw = key.encode()
    signed = b".".join((identity.encode(), seconds.encode(), body))
    return "v1," + base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
