"""Event streams of a real server on real sockets: many listeners, none missing anything, and the end of each."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Self

import httpx2
import pytest

from ..servers.control_plane import PREFIX, ServerProcess, server_process
from .rig import bearer

LISTENERS = 500


class Listener:
    """One connection that follows events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.text = ""

    @classmethod
    async def on(
        cls, server: ServerProcess, *, last: str | None = None, token: str | None = None, cookie: str | None = None
    ) -> Self:
        """Connect, ask, and wait until the stream has begun."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = [f"GET {PREFIX}/events HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
        if last is not None:
            lines.append(f"Last-Event-ID: {last}")
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if cookie is not None:
            lines.append(f"Cookie: {cookie}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        listener = cls(reader, writer)
        await listener.until("retry: 1000")
        return listener

    async def until(self, wanted: str, times: int = 1) -> None:
        """Read on until a text has come that often."""
        while self.text.count(wanted) < times:
            chunk = await asyncio.wait_for(self._reader.read(65536), 30)
            assert chunk, self.text
            self.text += chunk.decode()

    async def end(self) -> None:
        """Read on until the server ends the stream; the last chunk of a chunked answer is an empty one."""
        await self.until("\r\n0\r\n\r\n")

    @property
    def seen(self) -> list[str]:
        """The names of the services that were told of, in order."""
        return re.findall(r'"event":"service\.changed".*?"name":"([^"]+)"', self.text)

    @property
    def last(self) -> str:
        """The identity of the event that came last."""
        return str(re.findall(r"^id: (\S+)", self.text, re.MULTILINE)[-1])

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


async def listen(server: ServerProcess, lasts: list[str | None]) -> list[Listener]:
    """Connect listeners, some at a time, as the queue of the listening socket is short."""
    gate = asyncio.Semaphore(50)

    async def one(last: str | None) -> Listener:
        async with gate:
            return await Listener.on(server, last=last)

    return list(await asyncio.gather(*(one(last) for last in lasts)))


@pytest.mark.asyncio
async def test_five_hundred_listeners_hear_everything_once_over_a_reconnect(tmp_path: Path) -> None:
    """Each hears of what happens while it listens, and after coming back of what it has missed, each once in order."""
    with server_process(tmp_path / "data") as server:
        async with httpx2.AsyncClient(base_url=server.api) as client:

            async def register(name: str) -> None:
                (await client.post("/services", json={"name": name})).raise_for_status()

            listeners = await listen(server, [None] * LISTENERS)
            await register("first")
            await asyncio.gather(*(listener.until('"name":"first"') for listener in listeners))
            lasts: list[str | None] = [listener.last for listener in listeners]
            await asyncio.gather(*(listener.close() for listener in listeners))
            assert [listener.seen for listener in listeners] == [["first"]] * LISTENERS
            await register("second")
            await register("third")
            listeners = await listen(server, lasts)
            await register("fourth")
            await asyncio.gather(*(listener.until('"name":"fourth"') for listener in listeners))
            await asyncio.gather(*(listener.close() for listener in listeners))
            assert [listener.seen for listener in listeners] == [["second", "third", "fourth"]] * LISTENERS
            assert "stream.reset" not in "".join(listener.text for listener in listeners)


@pytest.mark.asyncio
async def test_stream_ends_with_its_token(tmp_path: Path) -> None:
    """Within 5 s after its end nobody listens under a token that was revoked or has expired; others go on."""
    with server_process(tmp_path / "data", enforced=True) as server:
        admin = (server.directory / "first-admin-token").read_text().strip()
        async with httpx2.AsyncClient(base_url=server.api, headers=bearer(admin)) as client:
            body = {"name": "t", "bindings": [{"role": "viewer", "services": ["*"]}]}
            short = (await client.post("/tokens", json={**body, "expires_in": 1})).json()
            expires = time.monotonic() + 1.0
            long = (await client.post("/tokens", json=body)).json()
            expiring = await Listener.on(server, token=short["token"])
            revoked = await Listener.on(server, token=long["token"])
            staying = await Listener.on(server, token=admin)
            began = time.monotonic()
            assert (await client.delete(f"/tokens/{long['id']}")).status_code == 204
            await revoked.end()
            assert time.monotonic() - began < 3.0  # at once, and not with the next sign of life
            await expiring.end()
            assert time.monotonic() - expires < 5.0
            for ended in (long, short):
                refused = await client.get("/services", headers=bearer(ended["token"]))
                assert refused.status_code == 401
            (await client.post("/services", json={"name": "orders"})).raise_for_status()
            await staying.until('"name":"orders"')
            for listener in (expiring, revoked, staying):
                await listener.close()


@pytest.mark.asyncio
async def test_stream_under_a_session_ends_with_it_and_does_not_keep_it_alive(tmp_path: Path) -> None:
    """Signing out and revoking the token end it at once; listening, also anew, does not count as somebody there."""
    with server_process(tmp_path / "data", enforced=True) as server:
        admin = (server.directory / "first-admin-token").read_text().strip()
        async with httpx2.AsyncClient(base_url=server.api) as client:

            async def sign_in(token: str) -> tuple[str, dict[str, str]]:
                answer = await client.post("/session", json={"token": token})
                assert answer.status_code == 200
                cookie = answer.headers["set-cookie"].partition(";")[0]
                return cookie, {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf"]}

            body = {"name": "t", "bindings": [{"role": "viewer", "services": ["*"]}]}
            made = (await client.post("/tokens", json=body, headers=bearer(admin))).json()
            staying, own = await sign_in(admin)
            leaving, headers = await sign_in(admin)
            revoked, _ = await sign_in(made["token"])
            before = (await client.get("/session", headers=own)).json()["idle_expires_at"]
            streams = [await Listener.on(server, cookie=cookie) for cookie in (staying, leaving, revoked)]
            assert (await client.get("/session", headers=own)).json()["idle_expires_at"] == before
            began = time.monotonic()
            assert (await client.delete("/session", headers=headers)).status_code == 204
            await streams[1].end()
            assert (await client.delete(f"/tokens/{made['id']}", headers=own)).status_code == 204
            await streams[2].end()
            assert time.monotonic() - began < 3.0
            (await client.post("/services", json={"name": "orders"}, headers=own)).raise_for_status()
            await streams[0].until('"name":"orders"')
            for stream in streams:
                await stream.close()
