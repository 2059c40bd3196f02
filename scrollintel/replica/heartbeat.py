"""A program says that it lives, and how far it has got, to the control plane that watches it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import SplitResult, quote

from ..core.config.base import NAME_ALLOWED, name_problem
from ..core.errors import ConfigError, Violation
from .address import ADDRESS_ALLOWED, TOKEN_ALLOWED, is_token, parsed_address
from .exchange import Channel, ExchangeError

INTERVAL = 1.0
"""Seconds between two beats."""
SEND_TIMEOUT = 2.0
"""Seconds that one beat over HTTP may take."""
MAX_SOCKET_PATH = 103
"""Bytes of a Unix socket's path on every system."""
MAX_PROGRESS = 200
"""Characters of a progress that is a text."""


@dataclass(frozen=True, slots=True)
class HeartbeatStatus:
    """How a heartbeat stands.

    Attributes:
        sent: Beats that were handed over.
        missed: Beats that were not.
        error: Code of the last miss, such as "unreachable", or None after a beat that was handed over.
    """

    sent: int
    missed: int
    error: str | None


class Heartbeat:
    """Signs of life of this process; never raises and never waits after it was made.

    As a context manager it beats from a daemon thread, so that long work needs no care. That proves that the process
    lives, not that it gets on: tell that with `progress`, and give the target a `progress_timeout`. Without a thread,
    and only over a socket, `beat` sends one beat, for a loop that wants to vouch for itself.

    A forked child is another process: there it does nothing.

    Arguments:
        target: Name of the watched target, such as "agent" or "web/a"; SCROLLINTEL_TARGET by default, which processes
            that the control plane starts have.
        socket_path: The Unix socket that `recovery.heartbeat_socket` names; SCROLLINTEL_HEARTBEAT_SOCKET by default.
        url: Address of the control plane, for a program on another machine; SCROLLINTEL_URL by default when there is
            no socket.
        token: A token that may join for the target's service; SCROLLINTEL_TOKEN by default. It appears in no error.
        interval: Seconds between two beats of the thread; above 0, default 1. A third of the target's `timeout` lets
            two beats be lost.
        tls: For https: a context, or the path of a file with certificate authorities; the system's by default.

    Raises:
        ConfigError: with every bad argument, or when there is neither a socket nor an address.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        socket_path: str | Path | None = None,
        url: str | None = None,
        token: str | None = None,
        interval: float = INTERVAL,
        tls: ssl.SSLContext | str | None = None,
    ) -> None:
        name = target if target is not None else os.environ.get("SCROLLINTEL_TARGET")
        path = socket_path if socket_path is not None or url is not None else _named("SCROLLINTEL_HEARTBEAT_SOCKET")
        address = url if url is not None or path is not None else _named("SCROLLINTEL_URL")
        token = token if token is not None or path is not None else _named("SCROLLINTEL_TOKEN")
        parsed = _checked(name, path, address, token, interval)
        self.target = str(name)
        self._interval = interval
        self._way: _Way = _Socket(str(path)) if parsed is None else _Http(parsed, token, self.target, tls)
        self._progress: float | str | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._status = HeartbeatStatus(0, 0, None)

    def __repr__(self) -> str:
        return f"Heartbeat({self.target!r})"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Beat from a daemon thread until `stop`; a second start does nothing."""
        with self._lock:
            if self._thread is None and not self._is_elsewhere():
                self._stopping = False
                # A heartbeat that nobody holds any more must not go on for a program that has forgotten it.
                arguments = (weakref.ref(self), self._wake, self._interval)
                self._thread = threading.Thread(
                    target=_beat_on, args=arguments, name="scrollintel heartbeat", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Beat no more. The control plane notices the silence: it means that somebody has to look."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(0.2)
            self._wake.clear()

    def progress(self, value: float | str) -> None:
        """Tell how far the work has got: a number or a text of up to 200 characters that changes whenever it gets on.

        It goes with the next beat of the thread, and at once without one. What is neither is ignored, and counted as
        missed.
        """
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self._missed("bad_progress")
            return
        self._progress = value[:MAX_PROGRESS] if isinstance(value, str) else value
        if self._thread is None:
            self.beat()

    def beat(self) -> None:
        """Send one beat now: over a socket at once, over HTTP by the thread, which has to run."""
        if self._is_elsewhere():
            return
        if self._way.may_wait:
            self._wake.set()
        else:
            self._send()

    def status(self) -> HeartbeatStatus:
        """Return how many beats were handed over; it holds no secret."""
        return self._status

    def _is_elsewhere(self) -> bool:
        return os.getpid() != self._pid

    def _beats_on(self) -> bool:
        return not self._stopping

    def _send(self) -> None:
        try:
            self._way.send(self.target, self._progress)
        except ExchangeError as error:
            self._missed(error.code)
        except Exception as error:  # whatever it is, the program has more important work
            self._missed(type(error).__name__)
        else:
            self._status = HeartbeatStatus(self._status.sent + 1, self._status.missed, None)

    def _missed(self, code: str) -> None:
        self._status = HeartbeatStatus(self._status.sent, self._status.missed + 1, code)


def _beat_on(reference: weakref.ref[Heartbeat], wake: threading.Event, interval: float) -> None:
    while True:
        heartbeat = reference()
        if heartbeat is None or not heartbeat._beats_on():
            return
        wake.clear()
        heartbeat._send()
        if not heartbeat._beats_on():
            return
        del heartbeat
        wake.wait(interval)


class _Way(Protocol):
    """Brings beats over; `may_wait` tells whether that can take a while."""

    may_wait: bool

    def send(self, target: str, progress: float | str | None) -> None:
        """Bring one over; raises whatever goes wrong."""


class _Socket:
    """Datagrams to a local socket, named anew with each, because whoever listens may have started anew."""

    may_wait = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def send(self, target: str, progress: float | str | None) -> None:
        content = {"target": target} if progress is None else {"target": target, "progress": progress}
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        try:
            self._socket.sendto(json.dumps(content).encode(), self._path)
        except BlockingIOError:
            raise ExchangeError("socket_full") from None
        except OSError:
            raise ExchangeError("unreachable") from None

    def __del__(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()


class _Http:
    """Requests to the control plane, by the thread."""

    may_wait = True

    def __init__(self, url: SplitResult, token: str | None, target: str, tls: ssl.SSLContext | str | None) -> None:
        context = None
        if url.scheme == "https":
            context = tls if isinstance(tls, ssl.SSLContext) else ssl.create_default_context(cafile=tls)
        headers = {"User-Agent": "scrollintel-heartbeat", "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._channel = Channel(url, headers, context)
        self._path = f"/heartbeats/{quote(target, safe='/')}"

    def send(self, target: str, progress: float | str | None) -> None:
        self._channel.call("POST", self._path, {"progress": progress}, SEND_TIMEOUT)


def _named(variable: str) -> str | None:
    return os.environ.get(variable) or None


def _checked(name: object, path: object, url: object, token: object, interval: object) -> SplitResult | None:
    """Return the address when it is one that is used; no value that may hold a secret enters the error."""
    bad: list[Violation] = []
    if name_problem(name) and not (isinstance(name, str) and all(not name_problem(part) for part in name.split("/"))):
        bad.append(Violation("target", name, f"the name of a watched target: {NAME_ALLOWED}"))
    number = isinstance(interval, int | float) and not isinstance(interval, bool)
    if not number or not 0 < interval < float("inf"):  # type: ignore[operator]  # a number by now
        bad.append(Violation("interval", interval, "a finite number of seconds above 0"))
    address = None
    if path is not None:
        if not 0 < len(os.fsencode(str(path))) <= MAX_SOCKET_PATH or "\0" in str(path):
            bad.append(Violation("socket_path", str(path), f"a path of 1 to {MAX_SOCKET_PATH} bytes"))
    elif url is None:
        bad.append(Violation("socket_path", None, "a path, or url an address; neither argument nor variable names one"))
    else:
        address = parsed_address(url)
        if address is None:
            bad.append(Violation("url", "(hidden)", ADDRESS_ALLOWED))
        if token is not None and not is_token(token):
            bad.append(Violation("token", "(hidden)", TOKEN_ALLOWED))
    if bad:
        raise ConfigError("Heartbeat", bad)
    return address
