"""A peer on a real socket that does what a script says with each connection, however wrong that is."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ...servers.certificates import self_signed

LIMIT = 20.0
"""Seconds after which a peer gives up, should a test forget to end it."""
Script = Callable[["Connection"], None]


class Connection:
    """One accepted connection.

    Attributes:
        ended: Set when the peer is to end; scripts that do nothing wait for it.
    """

    def __init__(self, sock: socket.socket, ended: threading.Event) -> None:
        self.sock = sock
        self.ended = ended
        sock.settimeout(LIMIT)

    def request(self) -> tuple[str, bytes]:
        """Read a request; return its head and its body."""
        head = self.head()
        length = next((line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-le")), "0")
        body = b""
        while len(body) < int(length):
            body += self.sock.recv(65536)
        return head, body

    def head(self) -> str:
        """Read the head of a request, and nothing of its body."""
        found = b""
        while not found.endswith(b"\r\n\r\n"):
            part = self.sock.recv(1)
            if not part:
                raise ConnectionError
            found += part
        return found.decode("latin-1")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def reset(self) -> None:
        """Break the connection off, so that the other side sees an error instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def response(body: bytes = b"{}", status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """Return an HTTP response; `length` may lie."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(*answers: bytes) -> Script:
    """Answer the requests of one connection in turn, then end it."""

    def script(connection: Connection) -> None:
        for answer in answers:
            connection.request()
            connection.send(answer)

    return script


class Peer:
    """Gives each connection the next script, and the last one to all later ones; remembers how many there were."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.scripts = deque(scripts)
        self.connections = 0
        self.ended = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            script = self.scripts.popleft() if len(self.scripts) > 1 else self.scripts[0]
            thread = threading.Thread(target=self._serve, args=(sock, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, script: Script) -> None:
        with sock:
            try:
                if self._tls is not None:
                    sock.settimeout(LIMIT)
                    sock = self._tls.wrap_socket(sock, server_side=True)
                with sock:
                    script(Connection(sock, self.ended))
            except (OSError, ValueError):
                return

    def close(self) -> None:
        """End everything."""
        self.ended.set()
        # A thread that waits in `accept` holds the socket; only this wakes it.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for thread in self._threads:
            thread.join(LIMIT)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def certificate(directory: Path, address: str) -> tuple[Path, ssl.SSLContext]:
    """Return a new self-signed certificate for an address, and the settings of a server that shows it."""
    made = self_signed(directory, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    return made.chain, context
