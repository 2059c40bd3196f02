"""HTTP and TCP checks against real servers."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth, FailureType, Look
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.checks.tcp import TcpOptions
from scrollintel.watch.kinds import CheckKind, ProbeContext, Sentinel, check_kinds
from tests.servers.certificates import self_signed

LOCAL = OutboundPolicy(private=("127.0.0.0/8",))
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"


async def serve(answer: bytes, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Start a server that answers every request alike; an empty answer means that it stays silent."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()

    return await asyncio.start_server(met, "127.0.0.1", 0, ssl=tls)


def port_of(server: asyncio.Server) -> int:
    """Return where it listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def look(options: Mapping[str, object], *, depth: Depth = Depth.READY, policy: OutboundPolicy = LOCAL) -> Look:
    """Look once over HTTP."""
    kind: CheckKind = check_kinds()["http"]
    check = Check(name="c", kind="http", depth=depth, timeout=1.0)
    context = ProbeContext(policy, lambda _: None)
    return await kind.build(Target(name="t", service="t"), check, kind.options(**options), context).look()


@pytest.mark.asyncio
async def test_http_check_tells_good_wrong_moved_and_forbidden_apart() -> None:
    """Status and body count, a redirect is not followed, and what the policy does not list is not reached."""
    async with await serve(ANSWER) as server, await serve(MOVED) as moving:
        url = f"http://127.0.0.1:{port_of(server)}/"
        assert (await look({"url": url, "contains": "ready"})).good
        assert (await look({"url": url, "contains": "absent"})).failure_type == FailureType.NOT_READY
        moved = await look({"url": f"http://127.0.0.1:{port_of(moving)}/"})
        assert (moved.good, "302" in moved.detail) == (False, True)
        assert not (await look({"url": url}, policy=OutboundPolicy())).good


@pytest.mark.asyncio
async def test_http_check_of_silence_is_unresponsive_only_when_it_asks_for_life() -> None:
    """A server that takes connections and says nothing may be restarted only for a failed alive."""
    async with await serve(b"") as server:
        url = f"http://127.0.0.1:{port_of(server)}/"
        assert (await look({"url": url}, depth=Depth.ALIVE)).failure_type == FailureType.UNRESPONSIVE
        assert (await look({"url": url})).failure_type == FailureType.NOT_READY
    assert (await look({"url": url})).failure_type == FailureType.UNREACHABLE


@pytest.mark.asyncio
async def test_http_check_over_tls_verifies_and_sees_the_certificate_end(tmp_path: Path) -> None:
    """A certificate that is trusted and ends within the hour is good until days are asked for."""
    files = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.chain, files.key)
    async with await serve(ANSWER, tls) as server:
        url = f"https://127.0.0.1:{port_of(server)}/"
        trusted = {"url": url, "ca_file": str(files.chain)}
        assert (await look(trusted)).good
        assert (await look(trusted | {"certificate_days": 7.0})).failure_type == FailureType.CERTIFICATE
        assert not (await look({"url": url})).good


@pytest.mark.asyncio
async def test_tcp_check_that_holds_a_connection_notices_its_end_at_once() -> None:
    """The end of the held connection is reported without waiting for the next look."""
    met: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: met.put_nowait(writer), "127.0.0.1", 0)
    kind = check_kinds()["tcp"]
    options = TcpOptions(host="127.0.0.1", port=port_of(server), hold=True)
    check = Check(name="c", kind="tcp", depth=Depth.ALIVE)
    probe = kind.build(Target(name="t", service="t"), check, options, ProbeContext(LOCAL, lambda _: None))
    assert isinstance(probe, Sentinel)
    async with server:
        waiting = asyncio.create_task(probe.lost())
        writer = await met.get()
        ended = time.monotonic()
        writer.transport.abort()
        lost = await waiting
    assert (lost.good, lost.failure_type) == (False, FailureType.UNREACHABLE)
    assert lost.at - ended < 0.5


@pytest.mark.asyncio
async def test_http_check_of_a_name_tries_its_addresses_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server listens on the second one only, as on a machine whose localhost is an IPv6 address first."""
    async with await serve(ANSWER) as server:
        port = port_of(server)

        async def resolver(host: str, *args: object, **options: object) -> object:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")
            ]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver)
        assert (await look({"url": f"http://web.example.com:{port}/"})).good


def test_http_check_that_looks_at_no_certificate_cannot_tell_its_end() -> None:
    """It would seem good for ever."""
    with pytest.raises(ConfigError, match="certificate_days"):
        check_kinds()["http"].options(url="https://web.example.com/", certificate_days=14, verify=False)
