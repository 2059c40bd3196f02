"""The parts of the demo with real processes and sockets: who answers, who is refused, what comes back where."""

from __future__ import annotations

import asyncio
import http.server
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from demo.client import BadAnswerError, Client, check_health
from demo.platform import Platform
from demo.services import database
from demo.yard import PORT, Service, StartError, WatchedService, Yard


@pytest.fixture
def yard() -> Iterator[Yard]:
    """A yard that is cleared in the end."""
    made = Yard()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def inventory(yard: Yard) -> WatchedService:
    """A running inventory service with its database."""
    path = yard.folder / "shop.sqlite"
    database.create(path, seed=1)
    service = yard.add_watched("inventory", "demo.services.inventory", str(path), PORT)
    service.start()
    return service


def ask(service: Service, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """Send one request over a real socket."""
    response = asyncio.run(Client(service, "test").request(method, path))
    return response.status, response.body


def test_inventory_order_repeated_with_its_key_is_booked_once(yard: Yard, inventory: Service) -> None:
    """A retried order takes one piece from the stock, not two."""
    for _ in range(3):
        assert ask(inventory, "POST", "/reserve/7?key=a")[0] == 200
    assert ask(inventory, "GET", "/stock/7")[1]["rows"][0]["stock"] == database.STOCK - 1
    assert database.audit(yard.folder / "shop.sqlite") == {"damaged": 0, "reservations": 1, "booked_twice": 0}


def test_inventory_database_locked_by_another_connection_is_unavailable(yard: Yard, inventory: Service) -> None:
    """A real exclusive lock makes reads and writes fail with 503 until it is gone."""
    holder = database.connect(yard.folder / "shop.sqlite", busy_timeout=1.0)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        assert ask(inventory, "GET", "/stock/7") == (503, {"error": "database is locked"})
        assert ask(inventory, "POST", "/reserve/7?key=a")[0] == 503
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert ask(inventory, "GET", "/stock/7")[0] == 200


@pytest.mark.parametrize(
    ("fault", "kind"), [(signal.SIGKILL, "exited"), (signal.SIGSTOP, "unresponsive")], ids=["killed", "hung"]
)
@pytest.mark.asyncio
async def test_control_plane_brings_a_broken_service_back_on_its_port(
    yard: Yard, inventory: WatchedService, fault: signal.Signals, kind: str
) -> None:
    """A killed or a hung process is replaced by a new one that answers where the old one did."""
    port, pid, told = inventory.port, inventory.pid, []
    platform = Platform(yard, [inventory], lambda service, incident, text: told.append(text))
    await asyncio.to_thread(platform.start)
    async with platform.on_duty():
        inventory.send(fault)
        async with asyncio.timeout(30.0):
            while not platform.incidents:
                await asyncio.sleep(0.02)
    (incident,) = platform.incidents
    assert (incident.service, incident.failure_type, incident.succeeded) == ("inventory", kind, True)
    assert incident.noticed <= incident.began <= incident.acted <= incident.over
    assert len(told) == 2
    assert (inventory.port, inventory.pid == pid) == (port, False)
    status = (await Client(inventory, "test").request("GET", "/stock/7")).status
    assert status == 200


def test_client_stranger_on_the_port_is_refused(inventory: Service) -> None:
    """An answer without this run's nonce is no answer, neither for the stream nor for the health check."""

    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            inventory.port = server.server_port
            with pytest.raises(BadAnswerError):
                ask(inventory, "GET", "/stock/7")
            with pytest.raises(BadAnswerError):
                check_health(inventory, 5.0)
        finally:
            server.shutdown()
            thread.join(5)


def test_service_that_does_not_come_up_is_reported_with_its_own_words(yard: Yard) -> None:
    """A program that ends before it is ready is a start error that quotes what it wrote."""
    service = yard.add("storefront", "demo.services.storefront", str(yard.folder / "inventory.port"), "no port")
    with pytest.raises(StartError, match=r"'storefront' ended before it was ready(.|\n)*invalid literal for int"):
        service.start()
    assert service.is_gone()


def test_yard_closed_kills_stopped_children_and_removes_its_folder(yard: Yard, inventory: Service) -> None:
    """Closing ends every child, removes the folder, and may be repeated."""
    inventory.send(signal.SIGSTOP)
    yard.close()
    assert inventory.is_gone()
    assert not yard.folder.exists()
    yard.close()
