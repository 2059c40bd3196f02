"""Protection for clients of `httpx2`: `httpx2.Client(transport=ResilientTransport(policy="payments"))`."""

from __future__ import annotations

import httpx2

from .http_errors import ClientErrors
from .httpx_transports import AsyncTransport, BlockingTransport

ERRORS = ClientErrors(__name__, refused=httpx2.TransportError, late=httpx2.TimeoutException, blank={"_request": None})
globals().update(ERRORS.classes)  # by which pickle finds them


class ResilientTransport(BlockingTransport[httpx2.BaseTransport], httpx2.BaseTransport):
    """A transport for `httpx2.Client` that sends every request under a policy."""

    errors = ERRORS
    body = httpx2.ByteStream
    default = httpx2.HTTPTransport


class AsyncResilientTransport(AsyncTransport[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport):
    """A transport for `httpx2.AsyncClient`, on asyncio only, that sends every request under a policy."""

    errors = ERRORS
    body = httpx2.ByteStream
    default = httpx2.AsyncHTTPTransport
