"""Runs the control plane as a server: one event loop, a TCP socket, and the admin socket of this machine's owner."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from .api.middleware import AllowedHosts
from .core.errors import ConfigError
from .dashboard.application import create_app
from .service.errors import RequestError
from .service.use_cases import UseCases

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread lets another one run. The interpreter's 5 ms would keep the writer waiting for the
event loop after each commit."""
BACKLOG = 2048
ADMIN_SOCKET = "admin.sock"
MAX_SOCKET_PATH = 100
"""Bytes of a Unix socket's path; Linux takes 107."""

logger = logging.getLogger("scrollintel")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens.

    Arguments:
        host, port: TCP address; port 0 takes any free one.
        directory: Folder of the admin socket, or None for none.
        tls_certificate, tls_key: PEM files for https, or None.
        trusted_proxies: Addresses whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        allowed_hosts: Names that requests may be addressed to, besides those of this machine and the address.
        shutdown_timeout: Seconds that requests may take to end when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    directory: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    shutdown_timeout: float = 3.0


class _Server(uvicorn.Server):
    """A server that ends its streams before it waits for its connections, and listens on the admin socket without TLS.

    The admin socket needs none: nothing leaves this machine, and the file's mode has decided who may connect.
    """

    def __init__(self, config: uvicorn.Config, use_cases: UseCases, admin: socket.socket | None) -> None:
        super().__init__(config)
        self._use_cases = use_cases
        self._admin = admin
        self._reloads: deque[asyncio.Task[None]] = deque(maxlen=1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order on the signals that mean so; what has been stopped in order ends like any other program."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; what lives as long as the process is taken out of the garbage collector's sight.

        A full collection would walk all modules, routes and mappings, and stop every request for 0.1 s meanwhile.
        """
        await super().startup(sockets)
        if self._admin is not None:
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(self._connected, sock=self._admin, backlog=BACKLOG))
        self._hear_hangups()
        gc.collect()
        gc.freeze()

    def _hear_hangups(self) -> None:
        """Read the settings file anew on SIGHUP, as servers do."""
        reload = self._use_cases.reload
        if reload is None or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        async def reload_or_say() -> None:
            try:
                await reload()
            except (ConfigError, RequestError) as error:
                logger.error("the settings file is not taken over, everything stays as it is: %s", error)

        async def read() -> None:
            await self._use_cases.loops.attempt("read settings anew", reload_or_say)

        loop.add_signal_handler(signal.SIGHUP, lambda: self._reloads.append(loop.create_task(read())))

    def _connected(self) -> asyncio.Protocol:
        """Return what speaks on a new connection of the admin socket, as uvicorn makes it for its own sockets."""
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; streams and waiting replicas are answered first."""
        self._use_cases.close_streams()
        await super().shutdown(sockets)


def run(use_cases: UseCases, listening: Listening, *, announce: bool = True) -> None:
    """Serve until SIGINT or SIGTERM.

    Arguments:
        use_cases: A control plane that is not started yet.
        listening: Where.
        announce: Whether to say on standard error where the server can be reached.

    Raises:
        OSError: when an address cannot be listened on.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    tcp = _listen(listening)
    with _admin_socket(listening.directory) as admin:
        server = _Server(_config(use_cases, listening, admin), use_cases, admin)
        if announce:
            scheme = "https" if listening.tls_certificate else "http"
            host, port = tcp.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            url = f"{scheme}://{shown}:{port}"
            print(f"scrollintel serves at {url}; dashboard: {url}/", file=sys.stderr)  # noqa: T201 - for the terminal
        server.run(sockets=[tcp])


def _config(use_cases: UseCases, listening: Listening, admin: socket.socket | None) -> uvicorn.Config:
    app = create_app(
        use_cases,
        hosts=AllowedHosts((listening.host, *listening.allowed_hosts)),
        admin_socket=None if admin is None else admin.getsockname(),
    )
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        proxy_headers=bool(listening.trusted_proxies),
        forwarded_allow_ips=list(listening.trusted_proxies) or None,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(listening.shutdown_timeout)),
        timeout_keep_alive=30,
        limit_concurrency=None,
        ssl_certfile=listening.tls_certificate,
        ssl_keyfile=listening.tls_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        backlog=BACKLOG,
    )


def _listen(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((listening.host, listening.port))
        tcp.setblocking(False)
    except OSError:
        tcp.close()
        raise
    return tcp


@contextmanager
def _admin_socket(directory: Path | None) -> Iterator[socket.socket | None]:
    """Listen on a socket that only the owner of the directory can open, and remove it at the end."""
    if directory is None or not hasattr(socket, "AF_UNIX"):
        yield None
        return
    path = directory / ADMIN_SOCKET
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        logger.warning("there is no admin socket: the path of the data directory is too long for one")
        yield None
        return
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _answers(path):
        path.unlink()
    admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    former = os.umask(0o177)
    try:
        admin.bind(str(path))
    except OSError:
        admin.close()
        raise
    finally:
        os.umask(former)
    admin.setblocking(False)
    try:
        yield admin
    finally:
        admin.close()
        path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    """Tell whether a server listens on a Unix socket."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(1.0)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    finally:
        probe.close()
    return True
