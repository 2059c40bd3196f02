"""An application joins a control plane: one daemon thread, the standard library, and no call that waits for it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import SplitResult

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation
from ..core.manager import FaultToleranceManager, ft_manager
from .address import ADDRESS_ALLOWED, TOKEN_ALLOWED, is_token, parsed_address
from .agent import LEAVE_TIMEOUT, Agent
from .apply import LocalReplica
from .disk import Copy, cache_directory
from .heartbeat import Heartbeat, HeartbeatStatus

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "ConnectionStatus", "Heartbeat", "HeartbeatStatus", "LocalReplica", "connect"]


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """How a connection stands.

    Attributes:
        connected: Whether the control plane knows this process.
        error: Code of the last error, such as "unreachable" or "access_denied", or None.
        sequence: The last change that was applied.
        dropped: Facts that were lost because the buffer was full, and what the control plane refused of reports.
        lag: Seconds since the last exchange that succeeded, or None before the first.
        service, instance: How this process calls itself.
    """

    connected: bool
    error: str | None
    sequence: int
    dropped: int
    lag: float | None
    service: str
    instance: str


class Connection:
    """A process's membership in a control plane; ends with `close`, and what was in force stays so."""

    def __init__(
        self, url: SplitResult, token: str | None, service: str, instance: str, manager: FaultToleranceManager,
        directory: Path | None, tls: ssl.SSLContext | str | None,
    ) -> None:  # fmt: skip
        self._arguments = (url, token, service)
        self._tls = tls
        self._manager = manager
        self._service = service
        self._directory = directory
        self._copy = Copy(directory, service)
        self._replica = LocalReplica(manager, self._wake)
        desired, opened = self._copy.load()
        if desired is not None:
            self._replica.apply_desired(desired)
        self._replica.restore_open(opened)
        self._agent = self._new_agent(instance)
        self._agent.start()

    def __repr__(self) -> str:
        return f"Connection(service={self._service!r}, connected={self._agent.connected})"

    def _new_agent(self, instance: str) -> Agent:
        url, token, service = self._arguments
        return Agent(url, token, service, instance, self._replica, self._copy, self._tls)

    def _wake(self) -> None:
        self._agent.wake()

    def status(self) -> ConnectionStatus:
        """Return how the connection stands; it holds no secret."""
        agent = self._agent
        lag = None if agent.heard_at is None else time.monotonic() - agent.heard_at
        return ConnectionStatus(
            agent.connected, agent.error, agent.sequence, agent.dropped, lag, self._service, agent.instance
        )

    def close(self, timeout: float = LEAVE_TIMEOUT) -> None:
        """Leave the control plane, within `timeout` seconds; default 0.2."""
        if _CONNECTIONS.get(id(self._manager)) is self:
            del _CONNECTIONS[id(self._manager)]
        self._agent.stop(timeout)

    def after_fork_in_child(self) -> None:
        """Become a replica of its own at the next protected call."""
        self._agent.abandon()
        self._copy.let_go()
        self._copy = Copy(self._directory, self._service)
        self._agent = self._new_agent(token_hex(16))
        self._manager.registry.await_first_call(self._begin_in_child)

    def _begin_in_child(self) -> None:
        try:
            self._replica.restore_open(self._copy.load()[1])
            self._agent.start()
        except Exception as error:  # no thread, for instance; the protected call goes on
            getLogger("scrollintel").warning("a forked child cannot join: %s", type(error).__name__)


_CONNECTIONS: dict[int, Connection] = {}
_LOCK = threading.RLock()


def connect(
    url: str,
    *,
    token: str | None = None,
    service: str | None = None,
    instance: str | None = None,
    manager: FaultToleranceManager = ft_manager,
    cache_dir: str | Path | None = None,
    tls: ssl.SSLContext | str | None = None,
) -> Connection:
    """Join a control plane and return at once; a daemon thread does the rest, and protected calls never wait for it.

    First what was last in force is read from disk, so that it holds without the control plane too. Policies of the
    control plane hold over those of the code, whose callables they keep.

    Arguments:
        url: Address such as "https://control.example:8400"; redirects are not followed.
        token: A token with the role `replica`; it appears in no log, status or error.
        service: Name of the service that this process is a replica of; the name of the main program by default.
        instance: Name of this process, unique among all; random by default.
        manager: Whose circuits, policies and levels are joined; `ft_manager` by default.
        cache_dir: Where the copy on disk lies; by default SCROLLINTEL_CACHE_DIR, or `scrollintel` below
            XDG_CACHE_HOME or ~/.cache.
        tls: For https: a context, or the path of a file with certificate authorities; the system's by default.

    Joining again with the same address, token and service returns the connection that there is.

    Raises:
        ConfigError: with every bad argument, or when the manager has joined another control plane already.
    """
    name = service if service is not None else _main_program()
    address = _checked(url, token, name)
    with _LOCK:
        known = _CONNECTIONS.get(id(manager))
        if known is not None:
            if known._arguments == (address, token, name):
                return known
            raise ConfigError("connect", [Violation("url", "(another)", "that of the present connection; close it")])
        directory = cache_directory() if cache_dir is None else Path(cache_dir)
        made = Connection(address, token, name, instance or token_hex(16), manager, directory, tls)
        _CONNECTIONS[id(manager)] = made
        return made


def connect_from_environment() -> None:
    """Join as SCROLLINTEL_URL, SCROLLINTEL_TOKEN and SCROLLINTEL_SERVICE say; a mistake there is logged."""
    if id(ft_manager) in _CONNECTIONS:
        return
    try:
        token = os.environ.get("SCROLLINTEL_TOKEN") or None
        connect(os.environ["SCROLLINTEL_URL"], token=token, service=os.environ.get("SCROLLINTEL_SERVICE") or None)
    except Exception as error:  # a protected call is on its way; it must not suffer
        detail = str(error) if isinstance(error, ConfigError) else type(error).__name__
        getLogger("scrollintel").warning("cannot join the control plane: %s", detail)


def _main_program() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    return Path(getattr(main, "__file__", None) or "python").stem


def _checked(url: object, token: object, service: object) -> SplitResult:
    """Return the address; no value that may hold a secret enters the error."""
    bad: list[Violation] = []
    parts = parsed_address(url)
    if parts is None:
        bad.append(Violation("url", "(hidden)", ADDRESS_ALLOWED))
    if token is not None and not is_token(token):
        bad.append(Violation("token", "(hidden)", TOKEN_ALLOWED))
    if name_problem(service):
        bad.append(Violation("service", service, NAME_ALLOWED))
    if bad or parts is None:
        raise ConfigError("connect", bad)
    return parts


def _leave() -> None:
    for connection in list(_CONNECTIONS.values()):
        connection.close()


def _forked() -> None:
    global _LOCK  # noqa: PLW0603 - another thread of the parent may have held it
    _LOCK = threading.RLock()
    for connection in _CONNECTIONS.values():
        connection.after_fork_in_child()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
