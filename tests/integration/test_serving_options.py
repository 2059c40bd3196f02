"""What the settings say about serving, shown by a real server: TLS, trusted proxies, hosts, addresses in the log."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..servers.certificates import Certificate, self_signed
from ..servers.control_plane import PREFIX
from ..servers.program import Program

ANN = {
    "name": "ann's",
    "subject": "ann@example.org",
    "bindings": [{"role": "admin", "services": ["*"]}],
}
CREATE = {"If-None-Match": "*"}


def bearer(token: str) -> dict[str, str]:
    """Return the header that sends a token."""
    return {"Authorization": f"Bearer {token}"}


# ----------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Make a certificate for this machine, and its key."""
    return self_signed(tmp_path)


def test_tls_serves_https_alone_and_the_admin_socket_beside_it(tmp_path: Path, certificate: Certificate) -> None:
    """Who trusts the certificate is served; plain HTTP is not; the owner of the data still gets in."""
    chain, key = certificate
    with Program(tmp_path / "a", {"server": {"tls_certificate": str(chain), "tls_key": str(key)}}) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(chain))
        with httpx2.Client(verify=context) as client:
            assert client.get(f"{server.api}/health").status_code == 200
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{server.url}/livez")  # a client that trusts others only
        with pytest.raises(httpx2.TransportError):
            httpx2.get(server.url.replace("https", "http") + "/livez")
        with server.client() as admin:
            assert admin.put("/configuration/a", json={"value": 1}, headers=CREATE).status_code == 200
        assert server.stop() == 0
    assert not (tmp_path / "a" / "data" / "admin.sock").exists()


# --------------------------------------------------------------------------------------------------------------- hosts


def status_for(server: Program, *hosts: str, version: str = "1.1") -> int:
    """Send a request with these `Host` headers, byte by byte as given, and return the status of the answer."""
    return int(answer_for(server, *hosts, version=version).split(b" ", 2)[1])


def answer_for(server: Program, *hosts: str, version: str = "1.1") -> bytes:
    """Send a request with these `Host` headers and return the whole answer."""
    url = httpx2.URL(server.url)
    lines = [f"GET {PREFIX}/health HTTP/{version}", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        received = b""
        while block := connection.recv(65536):
            received += block
    return received


def test_host_of_another_is_refused_with_a_problem_document(tmp_path: Path) -> None:
    """Without settings, names of this machine and the bound address pass, with and without a port; others get 421."""
    with Program(tmp_path / "a") as server:
        port = httpx2.URL(server.url).port
        for name in ("localhost", "LOCALHOST.", "127.0.0.1", f"127.0.0.1:{port}", f"localhost:{port}", "[::1]:80"):
            assert status_for(server, name) != 421, name
        for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "0.0.0.0"):
            assert status_for(server, name) == 421, name
        for name in ("[::1", "localhost:80:80", "localhost:port", "localhost:999999", "user@localhost", ""):
            assert status_for(server, name) in (400, 421), name
        assert status_for(server) == 400
        assert status_for(server, "localhost", "evil.example") == 400
        assert status_for(server, version="1.0") not in (400, 421)
        answer = answer_for(server, "evil.example")
        assert b"application/problem+json" in answer and b'"code":"host_not_allowed"' in answer
        assert b"server.allowed_hosts" in answer and b"evil" not in answer
        assert b"x-content-type-options: nosniff" in answer.lower()


def test_host_that_the_settings_list_passes_beside_those_of_the_machine(tmp_path: Path) -> None:
    """A name for the network is listed once; a token is asked for all the same."""
    with Program(tmp_path / "a", {"server": {"host": "0.0.0.0", "allowed_hosts": ["Control.Example"]}}) as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert status_for(server, "control.example:8400") == 401
        assert status_for(server, "127.0.0.1") == 401
        assert status_for(server, "other.example") == 421
        assert status_for(server, "0.0.0.0") == 421


# ------------------------------------------------------------------------------------------------------------- proxies


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[Program]:
    """Run a server that believes 127.0.0.1, and no other address of this machine."""
    with Program(tmp_path / "a", {"server": {"trusted_proxies": ["127.0.0.1"]}}) as server:
        yield server


def client_from(server: Program, address: str, **options: Any) -> httpx2.Client:  # Any: options of the client
    """Return a client whose connections come from an address of this machine."""
    transport = httpx2.HTTPTransport(local_address=address)
    return httpx2.Client(transport=transport, base_url=server.api, **options)


def addresses_of(server: Program, action: str, count: int) -> list[tuple[str | None, str | None]]:
    """Return subject and address in the newest records of an action, waiting until there are so many."""
    deadline = time.monotonic() + 10.0
    with server.client() as admin:
        while True:
            items = admin.get("/audit", params={"action": action, "limit": count}).json()["items"]
            if len(items) >= count or time.monotonic() > deadline:
                return [(item["personal"]["subject"], item["personal"]["address"]) for item in items]
            time.sleep(0.05)


def test_forwarded_address_counts_from_a_trusted_proxy_alone(behind_a_proxy: Program) -> None:
    """The audit record names the client that the proxy names, and the peer itself where nobody trusts the peer."""
    server = behind_a_proxy
    with server.client() as admin:
        token = admin.post("/tokens", json=ANN).json()["token"]
    forwarded = {**bearer(token), "X-Forwarded-For": "203.0.113.7"}
    spoofed = {**bearer(token), "X-Forwarded-For": "198.51.100.1, 203.0.113.8"}
    with client_from(server, "127.0.0.1") as proxy, client_from(server, "127.0.0.2") as stranger:
        for key, client, headers in (("a", proxy, forwarded), ("b", stranger, forwarded), ("c", proxy, spoofed)):
            answer = client.put(f"/configuration/{key}", json={"value": 1}, headers={**CREATE, **headers})
            assert answer.status_code == 200, answer.text
    wanted = [("ann@example.org", address) for address in ("203.0.113.8", "127.0.0.2", "203.0.113.7")]
    assert addresses_of(server, "configuration.set", 3) == wanted


def test_refusals_without_a_token_are_recorded_with_their_address(behind_a_proxy: Program) -> None:
    """Access control is on behind a proxy, and who knocks is known by address, sealed; nothing of it is in clear."""
    server = behind_a_proxy
    with client_from(server, "127.0.0.1") as proxy, client_from(server, "127.0.0.2") as stranger:
        assert proxy.get("/circuit-breakers", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
        assert stranger.get("/circuit-breakers", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
        assert stranger.get("/circuit-breakers", headers=bearer("sit_wrong")).status_code == 401
    found = addresses_of(server, "access.refuse", 2)
    assert set(found) == {(None, "203.0.113.9"), (None, "127.0.0.2")}
    server.stop()
    assert not any(b"203.0.113.9" in path.read_bytes() for path in server.data.glob("*") if path.is_file())
