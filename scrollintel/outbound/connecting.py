"""Connects to a pinned host: to its addresses in turn, all of which were checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

from .policy import Pinned

ATTEMPT = 0.25
"""Seconds for an address before the next one is tried, as RFC 8305, section 8, recommends; the last one has
all the time that is left."""


async def open_pinned(
    pinned: Pinned, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect on an event loop; bounded in time by whoever calls.

    Raises:
        OSError: when none of the addresses takes the connection, with what the last one said; ssl.SSLError as well.
    """
    made = await _connected(pinned)
    try:
        if tls is None:
            return await asyncio.open_connection(sock=made)
        return await asyncio.open_connection(sock=made, ssl=tls, server_hostname=pinned.server_name)
    except BaseException:
        made.close()
        raise


async def reachable(pinned: Pinned) -> str:
    """Return the address to use where a library connects by itself: the only one, or the first that takes connections.

    Raises:
        OSError: when none does.
    """
    if len(pinned.addresses) == 1:
        return pinned.address
    made = await _connected(pinned)
    try:
        address: str = made.getpeername()[0]
        return address
    finally:
        made.close()


async def _connected(pinned: Pinned) -> socket.socket:
    loop = asyncio.get_running_loop()
    for address in pinned.addresses[:-1]:
        made = _fresh(address)
        try:
            async with asyncio.timeout(ATTEMPT):
                await loop.sock_connect(made, (address, pinned.port))
        except (OSError, TimeoutError):
            made.close()
        except BaseException:
            made.close()
            raise
        else:
            return made
    made = _fresh(pinned.addresses[-1])
    try:
        await loop.sock_connect(made, (pinned.addresses[-1], pinned.port))
    except BaseException:
        made.close()
        raise
    return made


def connect_pinned(pinned: Pinned, timeout: float) -> socket.socket:
    """Do the same in a thread that may block, without TLS, within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    for address in pinned.addresses[:-1]:
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("no address has taken the connection in time")
        try:
            return socket.create_connection((address, pinned.port), min(ATTEMPT, left))
        except OSError:
            continue
    left = deadline - time.monotonic()
    if left <= 0.0:
        raise TimeoutError("no address has taken the connection in time")
    return socket.create_connection((pinned.addresses[-1], pinned.port), left)


def _fresh(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
