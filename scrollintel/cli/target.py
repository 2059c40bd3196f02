"""Where the control plane is and how it is spoken to: TCP, TLS, or the admin socket of this machine."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .exit_codes import ExitCode
from .problems import CommandError


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Target:
    """A control plane.

    Arguments:
        url: `http://HOST[:PORT][/PATH]` or https; ignored when there is a socket.
        socket: The admin socket, or None.
        token: API token, or None.
        authorities: File with the certificates, in PEM form, of the authorities that are trusted; None trusts those
            of this machine.
    """

    url: str = "http://127.0.0.1:8400"
    socket: Path | None = None
    token: str | None = field(default=None, repr=False)
    authorities: Path | None = None

    def __post_init__(self) -> None:
        """Refuse an address that cannot be meant."""
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
            # A password or a query would be an address that holds a secret; it would be shown and left out.
            valid = valid and parts.username is None and not parts.query and not parts.fragment
        except ValueError:
            valid = False
        if not valid or not self.url.isprintable() or not self.url.isascii() or " " in self.url:
            message = "the address of the control plane must be http://HOST:PORT or https://HOST:PORT"
            raise CommandError(message, ExitCode.USAGE, "invalid_url")
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or " " in self.token):
            raise CommandError("the token is not one line of plain text", ExitCode.USAGE, "invalid_token")

    @property
    def name(self) -> str:
        """What people call it."""
        return self.url if self.socket is None else f"socket {self.socket}"

    @property
    def path(self) -> str:
        """Path in front of every route, without a slash at the end."""
        return "" if self.socket is not None else urlsplit(self.url).path.rstrip("/")

    @property
    def exposes_token(self) -> bool:
        """Whether a token would cross a network unencrypted."""
        parts = urlsplit(self.url)
        if self.socket is not None or self.token is None or parts.scheme == "https":
            return False
        host = parts.hostname or ""
        try:
            return not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        """Return a connection that is not open yet; `timeout` in seconds holds for each step."""
        if self.socket is not None:
            return _UnixConnection(self.socket, timeout)
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = self._trust()
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=None if self.authorities is None else str(self.authorities))
        except (OSError, ssl.SSLError) as error:
            # OpenSSL says for an empty or foreign file only that there is no certificate.
            reason = "no certificates in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
            message = f"the file {self.authorities} cannot be used: {(reason or 'unreadable').lower()}"
            raise CommandError(message, ExitCode.USAGE, "unreadable_ca_file") from None
