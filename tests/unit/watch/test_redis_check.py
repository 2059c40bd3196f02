"""Redis: the address that was checked is the one that is connected to."""

from __future__ import annotations

import asyncio

import pytest

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.checks.redis import RedisOptions, RedisProbe
from scrollintel.watch.kinds import ProbeContext


@pytest.mark.asyncio
async def test_redis_check_of_a_name_connects_to_the_pinned_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once; the client does not resolve it again, so a second answer cannot mislead it."""
    peers: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append("met")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    real, asked = loop.getaddrinfo, []

    async def resolver(host: str, *args: object, **options: object) -> object:
        asked.append(host)
        return await real("127.0.0.1" if host == "cache.example.com" else host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", resolver)
    check = Check(name="c", kind="redis", depth=Depth.READY, timeout=2.0)
    context = ProbeContext(OutboundPolicy(private=("127.0.0.0/8",)), lambda _: None)
    options = RedisOptions(url=f"redis://cache.example.com:{port}/0")
    async with server:
        look = await RedisProbe(Target(name="t", service="t"), check, options, context).look()
    assert not look.good
    assert peers
    assert asked.count("cache.example.com") == 1
