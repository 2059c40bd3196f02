"""A small HTTP client for addresses that a configuration names: pinned, bounded, no redirects, no proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from .connecting import connect_pinned, open_pinned
from .messages import Exchange, Place, Response, place_of
from .policy import OutboundPolicy

CHUNK = 65536
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
MAX_BODY = 1024 * 1024


def tls_context(*, verify: bool = True, ca_file: str | None = None) -> ssl.SSLContext:
    """Return how TLS is spoken: with the system's certificates, or those of a file; raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def request(
    method: str,
    url: str,
    *,
    policy: OutboundPolicy,
    headers: Mapping[str, str] = NO_HEADERS,
    body: bytes = b"",
    timeout: float = 10.0,
    max_body: int = MAX_BODY,
    tls: ssl.SSLContext | None = None,
    ca_file: str | None = None,
) -> Response:
    """Send a request and return the answer; redirects are answers like others.

    Arguments:
        timeout: Seconds for all of it, the resolver included.
        max_body: Bytes of the answer's body that are kept.
        tls: How TLS is spoken; by default with the system's certificates, or those of `ca_file`.

    Raises:
        OutboundRefusedError: when the address, method or a header is not allowed; nothing was sent.
        TimeoutError: when it took too long.
        OSError: when the other side cannot be reached, or the certificate is not valid (ssl.SSLError).
        HttpError: when the answer is no HTTP.
    """
    place = place_of(url)
    exchange = Exchange(method, place, headers, body, max_body)
    began = time.monotonic()
    async with asyncio.timeout(timeout):
        reader, writer = await _connect(place, policy, lambda: tls or tls_context(ca_file=ca_file))
        try:
            expires = _expiry(writer.get_extra_info("ssl_object"))
            writer.write(exchange.data)
            await writer.drain()
            while not exchange.feed(await reader.read(CHUNK)):
                pass
            return exchange.response(time.monotonic() - began, expires)
        finally:
            writer.transport.abort()


async def _connect(
    place: Place, policy: OutboundPolicy, tls: Callable[[], ssl.SSLContext]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if place.socket is not None:
        return await asyncio.open_unix_connection(policy.permit_socket(place.socket))
    pinned = await policy.permit_async(place.host, place.port)
    return await open_pinned(pinned, None if place.scheme == "http" else tls())


def request_blocking(
    method: str,
    url: str,
    *,
    policy: OutboundPolicy,
    headers: Mapping[str, str] = NO_HEADERS,
    body: bytes = b"",
    timeout: float = 10.0,
    max_body: int = MAX_BODY,
    tls: ssl.SSLContext | None = None,
    ca_file: str | None = None,
) -> Response:
    """Do the same as `request` in a thread that may block."""
    place = place_of(url)
    exchange = Exchange(method, place, headers, body, max_body)
    began = time.monotonic()
    deadline = began + timeout
    connection = _connect_blocking(place, policy, lambda: tls or tls_context(ca_file=ca_file), deadline)
    with connection:
        expires = _expiry(connection if isinstance(connection, ssl.SSLSocket) else None)
        connection.settimeout(_left(deadline))
        connection.sendall(exchange.data)
        while True:
            connection.settimeout(_left(deadline))
            if exchange.feed(connection.recv(CHUNK)):
                return exchange.response(time.monotonic() - began, expires)


def _connect_blocking(
    place: Place, policy: OutboundPolicy, tls: Callable[[], ssl.SSLContext], deadline: float
) -> socket.socket:
    if place.socket is not None:
        path = policy.permit_socket(place.socket)
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            local.settimeout(_left(deadline))
            local.connect(path)
        except BaseException:
            local.close()
            raise
        return local
    pinned = policy.permit(place.host, place.port)
    plain = connect_pinned(pinned, _left(deadline))
    if place.scheme == "http":
        return plain
    try:
        plain.settimeout(_left(deadline))
        return tls().wrap_socket(plain, server_hostname=pinned.server_name)
    except BaseException:
        plain.close()
        raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise TimeoutError("the answer took too long")
    return left


def _expiry(tls: ssl.SSLObject | ssl.SSLSocket | None) -> float | None:
    """Return when the certificate of the other side ends; None without TLS, or where it is not verified."""
    certificate = None if tls is None else tls.getpeercert()
    if not certificate or "notAfter" not in certificate:
        return None
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))
