"""TCP: a connection can be made, perhaps says what it should, and perhaps is held to notice its end at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ...core.config.base import Config, boolean, integer
from ...outbound.connecting import open_pinned
from ...recovery.symptom import Depth, FailureType, Look
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import optional_text, text

MAX_EXPECTED = 65_536


@dataclass(frozen=True, slots=True)
class TcpOptions(Config):
    """What a TCP check takes.

    Arguments:
        host: Name or address.
        port: Port, 1 to 65535.
        send: Text that is sent, or None.
        expect: Text that has to come in, or None.
        hold: Whether one connection is kept open, so that its end is noticed within milliseconds; default false. Not
            for what counts connections, or ends idle ones.
    """

    host: str = field(metadata=text(maximum=253))
    port: int = field(metadata=integer(minimum=1, maximum=65535))
    send: str | None = field(default=None, metadata=optional_text())
    expect: str | None = field(default=None, metadata=optional_text())
    hold: bool = field(default=False, metadata=boolean())


class TcpProbe(LookingProbe):
    """Connects anew for each look."""

    def __init__(self, target: Target, check: Check, options: TcpOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._policy = context.outbound

    async def find(self) -> str:
        """Connect, send, and wait for what is expected."""
        reader, writer = await self._connect()
        try:
            if self._options.send is not None:
                writer.write(self._options.send.encode())
            if self._options.expect is not None:
                await self._expect(reader, self._options.expect.encode())
        finally:
            writer.transport.abort()
        return "takes connections"

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        pinned = await self._policy.permit_async(self._options.host, self._options.port)
        return await open_pinned(pinned)

    async def _expect(self, reader: asyncio.StreamReader, wanted: bytes) -> None:
        seen = b""
        while wanted not in seen:
            data = await reader.read(4096)
            if not data or len(seen) > MAX_EXPECTED:
                raise Bad(self.wrong, "did not say what is expected")
            seen += data


class HeldTcpProbe(TcpProbe):
    """Keeps one connection open besides."""

    async def lost(self) -> Look:
        """Return when the held connection ends.

        Raises:
            OSError, TimeoutError: when no connection could be made; the ordinary looks say that.
        """
        async with asyncio.timeout(self.check.timeout):
            reader, writer = await self._connect()
        try:
            while True:
                try:
                    data = await reader.read(4096)
                except OSError:
                    data = b""
                if not data:
                    return self.found(FailureType.UNREACHABLE, "the held connection has ended", None)
        finally:
            writer.transport.abort()


def _probe(target: Target, check: Check, options: TcpOptions, context: ProbeContext) -> TcpProbe:
    return (HeldTcpProbe if options.hold else TcpProbe)(target, check, options, context)


KIND = CheckKind("tcp", TcpOptions, Depth.ALIVE, "Connects over TCP.", _probe)
