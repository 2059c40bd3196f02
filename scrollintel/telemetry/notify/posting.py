"""Posting JSON to a receiver, with what its answer means for another attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ...core.clock import SYSTEM_CLOCK
from ...core.errors import ScrollIntelError
from ...outbound.http import request_blocking
from ...outbound.messages import HttpError
from ...outbound.options import is_http_url
from ...outbound.policy import OutboundPolicy
from ...outbound.references import SecretUnavailableError, resolve
from .notice import DeliveryError

MAX_ANSWER = 4096
"""Bytes of an answer that are read."""
_AGAIN = frozenset({408, 425, 429})


def address(given: str) -> str:
    """Return an address that is given as it is or by reference.

    Raises:
        DeliveryError: when the reference holds none.
    """
    found = secret(given)
    if not is_http_url(found):
        raise DeliveryError("the reference to the address holds no http or https address", again=False)
    return found


def secret(given: str) -> str:
    """Return a text with its references replaced.

    Raises:
        DeliveryError: when one cannot be read; another attempt may find it.
    """
    try:
        return resolve(given)
    except SecretUnavailableError as error:
        raise DeliveryError(str(error), again=True) from None


def encode(content: Mapping[str, Any]) -> bytes:  # Any: JSON values of mixed types
    """Return a JSON object as the bytes that are sent and signed."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float, policy: OutboundPolicy) -> str:
    """Post a JSON body once, and return what came back in a few words.

    Raises:
        DeliveryError: when the answer is not 2xx or none comes; the text names neither the address nor the body.
    """
    fields = {"Content-Type": "application/json", "User-Agent": "scrollintel", **headers}
    try:
        response = request_blocking(
            "POST", url, headers=fields, body=body, timeout=timeout, max_body=MAX_ANSWER, policy=policy
        )
    except (OSError, HttpError) as error:  # refused, reset, timed out, no such name, no HTTP
        raise DeliveryError(f"the receiver cannot be reached: {type(error).__name__}", again=True) from None
    except ScrollIntelError as error:
        raise DeliveryError(f"the request is not allowed: {type(error).__name__}", again=False) from None
    if 200 <= response.status < 300:
        return f"the receiver answered {response.status}"
    again = response.status >= 500 or response.status in _AGAIN
    wish = _seconds(next((value for key, value in dict(response.headers).items() if key.lower() == "retry-after"), ""))
    raise DeliveryError(f"the receiver answered {response.status}", again=again, retry_after=wish)


def _seconds(text: str) -> float | None:
    """Return what a Retry-After asks for: seconds, or a date (RFC 9110, section 10.2.3)."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - SYSTEM_CLOCK.time())
    except (ValueError, TypeError, OverflowError):
        return None
