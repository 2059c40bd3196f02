"""A few commands to a Redis-compatible server over one pinned connection, in RESP2 (redis.io, "Protocol spec")."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self

from ..outbound.connecting import connect_pinned
from ..outbound.http import tls_context
from ..outbound.policy import OutboundPolicy
from .remote import RemoteError

MAX_REPLY = 2**20
"""Bytes of one text, and items of one list, at most."""
Reply = bytes | int | list["Reply"] | None


class RedisConnection:
    """Connects when it is entered, to the one address that was checked.

    Arguments:
        host, port: Of the server.
        policy: Which addresses may be spoken to.
        timeout: Seconds for each wait, above 0.
        tls: Whether TLS is spoken.
        ca_file: Certificates to trust, or None for the system's.
    """

    def __init__(
        self, host: str, port: int, policy: OutboundPolicy, *, timeout: float, tls: bool = False, ca_file: str | None
    ) -> None:
        self._connect: Callable[[], socket.socket] = lambda: _connected(host, port, policy, timeout, tls, ca_file)
        self._socket: socket.socket | None = None
        self._file: BinaryIO | None = None

    def ask(self, command: str, *words: str | bytes | int) -> Reply:
        """Send one command and return its reply.

        Raises:
            RemoteError: when the server refuses it or does not answer; the text names the command only.
        """
        assert self._socket is not None
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in (command, *words)]
        data = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        try:
            self._socket.sendall(data)
            return self._read(command)
        except (OSError, ValueError) as error:
            raise RemoteError(f"{command} was not answered: {type(error).__name__}") from None

    def _read(self, command: str, depth: int = 0) -> Reply:
        assert self._file is not None
        line = self._file.readline(MAX_REPLY)
        if not line.endswith(b"\r\n") or depth > 4:
            raise ValueError("no reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RemoteError(f"{command} was refused: {rest.split(b' ')[0].decode('ascii', 'replace')[:40]}")
        if kind == b"+":
            return rest
        number = int(rest)
        if kind == b":":
            return number
        if number > MAX_REPLY:
            raise ValueError("the reply is too large")
        if kind == b"$":
            return None if number < 0 else self._text(number)
        if kind == b"*":
            return None if number < 0 else [self._read(command, depth + 1) for _ in range(number)]
        raise ValueError("no reply")

    def _text(self, length: int) -> bytes:
        assert self._file is not None
        data = self._file.read(length + 2)
        if len(data) != length + 2:
            raise ValueError("the reply ends early")
        return data[:-2]

    def __enter__(self) -> Self:
        try:
            self._socket = self._connect()
        except OSError as error:
            raise RemoteError(f"the server cannot be reached: {type(error).__name__}") from None
        self._file = self._socket.makefile("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._socket is not None:
            self._socket.close()


def _connected(
    host: str, port: int, policy: OutboundPolicy, timeout: float, tls: bool, ca_file: str | None
) -> socket.socket:
    pinned = policy.permit(host, port)
    plain = connect_pinned(pinned, timeout)
    if not tls:
        return plain
    try:
        context: ssl.SSLContext = tls_context(ca_file=ca_file)
        return context.wrap_socket(plain, server_hostname=pinned.server_name)
    except BaseException:
        plain.close()
        raise
