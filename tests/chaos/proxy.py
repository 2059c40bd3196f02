"""A TCP proxy that misbehaves on demand: refuses, hangs, delays, throttles, resets, drops one way."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

CHUNK = 65536


@dataclass(frozen=True)
class Fault:
    """What the proxy does to connections.

    Arguments:
        refuse: It does not listen.
        hang: It accepts, and passes nothing on.
        delay: Seconds that every reply waits.
        rate: Bytes a second that replies are throttled to; None for no limit.
        reset_after: Bytes of a reply after which the connection is reset; None for never.
        drop_replies: Replies are swallowed.
    """

    refuse: bool = False
    hang: bool = False
    delay: float = 0.0
    rate: float | None = None
    reset_after: int | None = None
    drop_replies: bool = False


PASS = Fault()


class Proxy:
    """Listens on a port of 127.0.0.1 and passes connections on, in a thread of its own.

    Arguments:
        target: Port that is passed on to.
        port: Port to listen on; any free one by default.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.fault = PASS
        with socket.create_server(("127.0.0.1", port)) as probe:
            self.port: int = probe.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, name=f"proxy {target}", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, fault: Fault) -> None:
        """Misbehave from now on; open connections end, so that the fault holds for all of them."""
        asyncio.run_coroutine_threadsafe(self._set(fault), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)

    async def _set(self, fault: Fault) -> None:
        was, self.fault = self.fault, fault
        for writer in list(self._writers):
            writer.transport.abort()
        if fault.refuse and self._server is not None:
            self._server.close()
            self._server = None
        elif was.refuse and not fault.refuse and self._server is None:
            await self._listen()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            if self.fault.hang:
                await asyncio.sleep(3600)
            back, onward = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(onward)
            done, rest = await asyncio.wait(
                [
                    asyncio.create_task(self._pass(reader, onward, reply=False)),
                    asyncio.create_task(self._pass(back, writer, reply=True)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in rest:
                task.cancel()
            await asyncio.gather(*done, *rest, return_exceptions=True)
        except OSError:
            _reset(writer)
        finally:
            for each in (writer, onward):
                if each is not None:
                    self._writers.discard(each)
                    with suppress(OSError, RuntimeError):
                        each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reply: bool) -> None:
        passed = 0
        while data := await reader.read(CHUNK):
            if reply:
                fault = self.fault
                if fault.drop_replies:
                    continue
                if fault.delay:
                    await asyncio.sleep(fault.delay)
                if fault.rate is not None:
                    await asyncio.sleep(len(data) / fault.rate)
                if fault.reset_after is not None and passed + len(data) > fault.reset_after:
                    writer.write(data[: max(0, fault.reset_after - passed)])
                    _reset(writer)
                    return
            passed += len(data)
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
