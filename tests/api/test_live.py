"""What pages follow, over a real server on real sockets: who is told what, over reconnects, until the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from ..servers.control_plane import PREFIX, ServerProcess, server_process
from .rig import bearer

Json = dict[str, Any]  # Any: JSON values


class Page:
    """One connection that follows, and what a page makes of what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self.messages: list[Json] = []
        self.resets = 0
        self.last: str | None = None
        self.ended = False
        self.beats = 0
        self.circuits: dict[str, Json] = {}
        self.targets: dict[str, Json] = {}
        self.summary: Json = {}
        self.facts: list[Json] = []

    @classmethod
    async def on(cls, server: ServerProcess, token: str | None = None, last: str | None = None) -> Self:
        """Connect and ask."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = [f"GET {PREFIX}/live HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"Last-Event-ID: {last}"] if last else []
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in status, status
        return cls(reader, writer)

    async def until(self, is_so: Callable[[Page], bool], seconds: float = 10.0) -> None:
        """Read on until something is so."""
        async with asyncio.timeout(seconds):
            while not is_so(self):
                await self._read()

    async def end(self) -> None:
        """Read on until the server ends the stream."""
        await self.until(lambda page: page.ended)

    async def _read(self) -> None:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        self._rest += (await self._reader.readexactly(size + 2))[:-2]
        self.ended = size == 0
        *blocks, self._rest = self._rest.split(b"\n\n")
        for block in blocks:
            self._take(block.decode())

    def _take(self, block: str) -> None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        self.beats += block.startswith(":")
        self.last = fields.get("id", self.last)
        if fields.get("event") == "stream.reset":
            self.resets += 1
            self.circuits, self.targets = {}, {}
        elif fields.get("event") == "batch":
            batch = json.loads(fields["data"])
            self.messages.append(batch)
            if batch.get("whole"):
                self.circuits, self.targets = {}, {}
            self.circuits.update((row["name"], row) for row in batch.get("circuits", ()))
            for name in batch.get("gone", ()):
                del self.circuits[name]
            self.targets.update((row["target"], row) for row in batch.get("targets", ()))
            self.summary = batch.get("summary", self.summary)
            self.facts += batch.get("facts", ())

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


class Plane:
    """A server with access control, and its administrator."""

    def __init__(self, server: ServerProcess, admin: str, client: httpx2.AsyncClient) -> None:
        self.server = server
        self.admin = admin
        self.client = client

    async def token(self, role: str, *services: str) -> tuple[str, str]:
        """Make a token; returns its id and text."""
        body = {"name": "t", "bindings": [{"role": role, "services": list(services)}]}
        made = (await self.client.post("/tokens", json=body)).raise_for_status().json()
        return made["id"], made["token"]

    async def circuit(self, name: str, service: str) -> None:
        """Configure a circuit."""
        body = {"configuration": {"name": name}, "service": service}
        (await self.client.post("/circuit-breakers", json=body)).raise_for_status()

    async def replica(self, service: str) -> Callable[..., Awaitable[None]]:
        """Have a replica join; returns what it reports with."""
        _, token = await self.token("replica", service)
        message = {"protocol": 1, "instance": f"{service}-1", "service": service}
        joined = await self.client.post("/replicas", json=message, headers=bearer(token))
        path = f"/replicas/{joined.raise_for_status().json()['replica']}/report"

        async def report(**content: object) -> None:
            (await self.client.post(path, json=content, headers=bearer(token))).raise_for_status()

        return report

    async def register(self, name: str) -> None:
        """Have something happen to a service: a fact."""
        (await self.client.post("/services", json={"name": name})).raise_for_status()


@asynccontextmanager
async def plane_in(directory: Path, **options: Any) -> AsyncIterator[Plane]:  # Any: JSON values
    """Serve."""
    with server_process(directory / "data", enforced=True, **options) as server:
        admin = (server.directory / "first-admin-token").read_text().strip()
        async with httpx2.AsyncClient(base_url=server.api, headers=bearer(admin)) as client:
            yield Plane(server, admin, client)


@pytest.mark.asyncio
async def test_page_is_told_everything_first_and_then_what_changes(tmp_path: Path) -> None:
    """The first message holds what the routes answer; a circuit that is isolated, reset, deleted comes as it is."""
    async with plane_in(tmp_path) as plane:
        await plane.circuit("payments", "orders")
        page = await Page.on(plane.server, plane.admin)
        await page.until(lambda page: bool(page.messages))
        listed = (await plane.client.get("/circuit-breakers")).json()["items"]
        shown = (await plane.client.get("/health/summary")).json()
        assert list(page.circuits.values()) == listed
        assert page.summary == shown
        assert page.messages[0]["whole"] is True
        await plane.client.post("/circuit-breakers/payments/isolate", json={"reason": "test"})
        await page.until(lambda page: page.circuits["payments"]["state"] == "isolated")
        await page.until(lambda page: page.summary["refusing"] == ["payments"])
        assert [fact["event"] for fact in page.facts] == ["circuit.isolate"]
        assert page.circuits["payments"] == (await plane.client.get("/circuit-breakers")).json()["items"][0]
        await plane.client.delete("/circuit-breakers/payments")
        await page.until(lambda page: not page.circuits)
        assert not any(message.get("whole") for message in page.messages[1:])
        await page.close()


@pytest.mark.asyncio
async def test_viewer_of_one_service_is_told_of_it_alone(tmp_path: Path) -> None:
    """Circuits, facts and summary of another service reach an administrator and no viewer of one service."""
    async with plane_in(tmp_path) as plane:
        _, token = await plane.token("viewer", "orders")
        await plane.circuit("payments", "orders")
        await plane.circuit("invoices", "billing")
        viewer, admin = await Page.on(plane.server, token), await Page.on(plane.server, plane.admin)
        for page in (viewer, admin):
            await page.until(lambda page: bool(page.messages))
        assert set(viewer.circuits) == {"payments"}
        assert set(admin.circuits) == {"payments", "invoices"}
        assert viewer.summary["circuits"] == {"closed": 1}
        for name in ("invoices", "payments"):
            await plane.client.post(f"/circuit-breakers/{name}/isolate", json={"reason": "test"})
        await plane.circuit("stock", "orders")
        for page in (viewer, admin):
            await page.until(lambda page: "stock" in page.circuits)
        assert [fact.get("circuit") or fact["policy"] for fact in viewer.facts] == ["payments", "stock"]
        assert [fact.get("circuit") or fact["policy"] for fact in admin.facts] == ["invoices", "payments", "stock"]
        await viewer.until(lambda page: page.summary["circuits"] == {"isolated": 1, "closed": 1})
        heard = json.dumps(viewer.messages)
        assert "invoices" not in heard
        assert "billing" not in heard
        summary = (await plane.client.get("/health/summary", headers=bearer(token))).json()
        assert viewer.summary == summary
        for page in (viewer, admin):
            await page.close()


@pytest.mark.asyncio
async def test_page_that_comes_back_has_missed_no_fact(tmp_path: Path) -> None:
    """Facts of the time in between come in order, once; what is no more is not shown."""
    async with plane_in(tmp_path) as plane:
        await plane.circuit("payments", "orders")
        page = await Page.on(plane.server, plane.admin)
        await page.until(lambda page: bool(page.messages))
        await plane.register("first")
        await page.until(lambda page: len(page.facts) == 1)
        await page.close()
        for name in ("second", "third"):
            await plane.register(name)
        await plane.client.delete("/circuit-breakers/payments")
        again = await Page.on(plane.server, plane.admin, page.last)
        await plane.register("fourth")
        await again.until(lambda page: any(fact.get("name") == "fourth" for fact in page.facts))
        names = [fact["name"] for fact in again.facts if fact["event"] == "service.changed"]
        assert names == ["second", "third", "fourth"]
        assert (again.resets, again.circuits) == (0, {})
        await again.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("last", ["00000000-1", "nonsense"])
async def test_page_that_may_have_missed_something_is_told_and_given_everything(tmp_path: Path, last: str) -> None:
    """A reset comes first, and with what follows the page needs no other request."""
    async with plane_in(tmp_path) as plane:
        await plane.circuit("payments", "orders")
        page = await Page.on(plane.server, plane.admin, last)
        await page.until(lambda page: bool(page.messages))
        assert (page.resets, list(page.circuits)) == (1, ["payments"])
        await plane.register("next")
        await page.until(lambda page: bool(page.facts))
        assert [fact["name"] for fact in page.facts] == ["next"]
        await page.close()


def facts(begin: int, end: int) -> list[Json]:
    """Return facts that a replica reports, numbered."""
    return [{"event": "retry.scheduled", "policy": "p", "at": 1.0, "number": number} for number in range(begin, end)]


def numbers(page: Page) -> list[int]:
    """Return the numbers of the facts that a replica has reported, as they came."""
    return [fact["number"] for fact in page.facts if "number" in fact]


@pytest.mark.asyncio
async def test_page_that_comes_back_after_more_than_is_kept_is_given_everything_anew(tmp_path: Path) -> None:
    """One that missed less than that has missed nothing."""
    async with plane_in(tmp_path) as plane:
        report = await plane.replica("orders")
        page = await Page.on(plane.server, plane.admin)
        await page.until(lambda page: bool(page.messages))
        await report(facts=facts(0, 1))
        await page.until(lambda page: bool(numbers(page)))
        await page.close()
        await report(facts=facts(1, 5001))
        near = await Page.on(plane.server, plane.admin, page.last)
        await near.until(lambda page: len(numbers(page)) == 5000)
        assert numbers(near) == list(range(1, 5001))
        assert near.resets == 0
        await near.close()
        await report(facts=facts(5001, 11001))
        far = await Page.on(plane.server, plane.admin, page.last)
        await far.until(lambda page: bool(page.messages))
        assert (far.resets, far.messages[0]["whole"], numbers(far)) == (1, True, [])
        assert far.summary["replicas"] == 1
        await far.close()


@pytest.mark.asyncio
async def test_page_that_reads_late_has_missed_nothing(tmp_path: Path) -> None:
    """What it finds is in order and without a gap, and the circuit is as it is now."""
    async with plane_in(tmp_path) as plane:
        report = await plane.replica("orders")
        page = await Page.on(plane.server, plane.admin)
        await page.until(lambda page: bool(page.messages))
        for number in range(20):
            state = "open" if number % 2 else "closed"
            row = ["payments", None, state, f"change {number}", 1.0, None, *[0] * 10, *[None] * 7, 0]
            await report(circuits=[row], facts=facts(200 * number, 200 * number + 200))
        await page.until(lambda page: len(numbers(page)) == 4000)
        await page.until(lambda page: "change 19" in page.circuits["payments"]["why"])
        assert numbers(page) == list(range(4000))
        await page.close()


@pytest.mark.asyncio
async def test_page_ends_with_its_token(tmp_path: Path) -> None:
    """At once, while others go on."""
    async with plane_in(tmp_path) as plane:
        made, token = await plane.token("viewer", "*")
        revoked, staying = await Page.on(plane.server, token), await Page.on(plane.server, plane.admin)
        for page in (revoked, staying):
            await page.until(lambda page: bool(page.messages))
        began = time.monotonic()
        assert (await plane.client.delete(f"/tokens/{made}")).status_code == 204
        await revoked.end()
        assert time.monotonic() - began < 3.0
        await plane.register("orders")
        await staying.until(lambda page: bool(page.facts))
        for page in (revoked, staying):
            await page.close()


@pytest.mark.asyncio
async def test_page_hears_nothing_but_signs_of_life_while_nothing_happens(tmp_path: Path) -> None:
    """Countdowns and ages that go on by themselves are no news."""
    async with plane_in(tmp_path) as plane:
        await plane.circuit("payments", "orders")
        page = await Page.on(plane.server, plane.admin)
        await page.until(lambda page: bool(page.messages))
        await asyncio.sleep(1.5)  # what has just been written may still change the summary
        await page.until(lambda page: page.beats == 1)
        heard = len(page.messages)
        await page.until(lambda page: page.beats == 2)
        assert len(page.messages) == heard
        await page.close()
