"""Protection for clients of `httpx`: `httpx.Client(transport=ResilientTransport(policy="payments"))`."""

from __future__ import annotations

import httpx

from .http_errors import ClientErrors
from .httpx_transports import AsyncTransport, BlockingTransport

ERRORS = ClientErrors(__name__, refused=httpx.TransportError, late=httpx.TimeoutException, blank={"_request": None})
globals().update(ERRORS.classes)  # by which pickle finds them


class ResilientTransport(BlockingTransport[httpx.BaseTransport], httpx.BaseTransport):
    """A transport for `httpx.Client` that sends every request under a policy."""

    errors = ERRORS
    body = httpx.ByteStream
    default = httpx.HTTPTransport


class AsyncResilientTransport(AsyncTransport[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`, on asyncio only, that sends every request under a policy."""

    errors = ERRORS
    body = httpx.ByteStream
    default = httpx.AsyncHTTPTransport
