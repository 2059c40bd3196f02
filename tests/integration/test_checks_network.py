"""TCP and gRPC checks against real servers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from scrollintel.recovery.symptom import Condition, ConditionChange, Depth, FailureType
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.kinds import ProbeContext
from scrollintel.watch.watcher import Watcher
from tests.servers.looks import LOCAL, look
from tests.servers.processes import eventually


async def _says_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if (await reader.read(100)).startswith(b"PING"):
        writer.write(b"+PO")
        await writer.drain()
        writer.write(b"NG\r\n")
    writer.close()


@pytest.mark.asyncio
async def test_tcp_check_sends_and_waits_for_what_it_expects() -> None:
    """Also when it comes in pieces; another answer, silence and a closed port are told apart."""
    server = await asyncio.start_server(_says_hello, "127.0.0.1", 0)
    place = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
    async with server:
        assert (await look("tcp", **place)).good
        assert (await look("tcp", **place, send="PING\r\n", expect="+PONG")).good
        other = await look("tcp", **place, send="HELP\r\n", expect="+PONG")
        assert other.detail == "c: did not say what is expected"
        silent = await look("tcp", **place, expect="+PONG", timeout=0.2, depth=Depth.ALIVE)
        assert silent.failure_type == FailureType.UNRESPONSIVE
    closed = await look("tcp", **place)
    assert closed.failure_type == FailureType.UNREACHABLE
    assert "refused" in (await look("tcp", host="10.0.0.1", port=80)).detail or not closed.good


@pytest.mark.asyncio
async def test_tcp_end_of_a_held_connection_is_confirmed_though_the_port_still_takes_one() -> None:
    """The kernel closes the sockets of a process one after the other; the next look would come in an hour."""
    met: list[asyncio.StreamWriter] = []
    ended: list[float] = []

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)
        if ended:
            server.close()  # the last one that it takes

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    options = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "hold": True}
    check = Check(name="tcp", kind="tcp", depth=Depth.ALIVE, interval=3600.0, successes=1, options=options)
    changes: list[ConditionChange] = []
    watcher = Watcher(on_change=changes.append, context=ProbeContext(LOCAL, lambda _: None), seed=1)
    watcher.start()
    try:
        await asyncio.to_thread(watcher.apply, [Target(name="t", service="t", checks=(check,))])
        async with asyncio.timeout(20.0):
            while not (changes and changes[-1].new is Condition.HEALTHY and len(met) >= 2):
                await asyncio.sleep(0.01)
        ended.append(time.monotonic())
        for writer in met:
            writer.transport.abort()
        assert await asyncio.to_thread(eventually, lambda: changes[-1].new is Condition.FAILED)
        assert changes[-1].failure_type == FailureType.UNREACHABLE
    finally:
        await asyncio.to_thread(watcher.stop)
        server.close()
        await _ended(met)


async def _second_listens(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]


@asynccontextmanager
async def _grpc(servicer: health.aio.HealthServicer | None) -> AsyncIterator[int]:
    server = grpc.aio.server()
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@pytest.mark.asyncio
async def test_grpc_check_asks_the_standard_health_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server as a whole or one service of it; one that is unknown, or has no health service, is not ready.

    Of the addresses of a name the first that takes connections is asked.
    """
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("orders", health_pb2.HealthCheckResponse.NOT_SERVING)
    async with _grpc(servicer) as port:
        place = {"host": "127.0.0.1", "port": port}
        assert (await look("grpc", **place)).good
        down = await look("grpc", **place, service="orders")
        assert (down.failure_type, down.detail) == (FailureType.NOT_READY, "c: says that it does not serve")
        assert (await look("grpc", **place, service="nothing")).detail == "c: answers NOT_FOUND"
        await servicer.set("orders", health_pb2.HealthCheckResponse.SERVING)
        assert (await look("grpc", **place, service="orders")).good
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", _second_listens)
        assert (await look("grpc", host="orders.example.com", port=port)).good
        monkeypatch.undo()
    async with _grpc(None) as other:
        assert (await look("grpc", host="127.0.0.1", port=other)).detail == "c: answers UNIMPLEMENTED"
    gone = await look("grpc", **place)
    assert gone.failure_type == FailureType.UNREACHABLE


@pytest.mark.asyncio
async def test_grpc_check_of_a_server_that_hangs_ends_in_time() -> None:
    """Something takes the connection and says nothing."""
    met: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: met.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        said = await look("grpc", host="127.0.0.1", port=port, timeout=0.3, depth=Depth.ALIVE)
        assert (said.good, time.monotonic() - began < 5.0) == (False, True)
        await _ended(met)


async def _ended(writers: list[asyncio.StreamWriter]) -> None:
    """End what a server has taken, and wait until it has ended."""
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
