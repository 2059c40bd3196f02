"""Where the public keys of an identity provider come from: a configured URL or a file. Nothing else is ever fetched."""

from __future__ import annotations

import ipaddress
import json
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

from .errors import KeySetUnavailableError

SIZE_LIMIT: Final = 256 * 1024
"""Bytes of a key set that are read at most."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds for one step on the network, and for reading the whole answer."""

Jwk = dict[str, Any]  # Any: JSON values of mixed types


class KeySetSource(Protocol):
    """Something that returns the keys of a JWK Set (RFC 7517); may block."""

    @property
    def name(self) -> str:
        """The URL or path, for errors."""

    def read(self) -> list[Jwk]:
        """Return the keys as they are published; raises KeySetUnavailableError."""


def _keys_of(content: bytes, name: str) -> list[Jwk]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetUnavailableError(name, "it is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise KeySetUnavailableError(name, 'it is no object with a list "keys"')
    return keys


class KeySetFile:
    """A JWK Set in a file, for providers that the server cannot reach.

    Arguments:
        path: The file; at most 256 KiB.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def read(self) -> list[Jwk]:
        """Return the keys; raises KeySetUnavailableError when the file is missing, too large or something else."""
        try:
            with self._path.open("rb") as file:
                content = file.read(SIZE_LIMIT + 1)
        except OSError as error:
            raise KeySetUnavailableError(self.name, f"it cannot be read ({type(error).__name__})") from None
        if len(content) > SIZE_LIMIT:
            raise KeySetUnavailableError(self.name, f"it has more than {SIZE_LIMIT} bytes")
        return _keys_of(content, self.name)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_problem(url: str) -> str | None:
    """Return what is wrong with the URL of a key set, or None: https, or http to this machine, without credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "a URL"
    if not parts.hostname or port == 0 or any(character.isspace() or not character.isprintable() for character in url):
        return "a URL with a host"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "a URL without user name, password and fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname)):
        return None
    return "an https URL (http is for 127.0.0.1 only)"


class KeySetUrl:
    """A JWK Set behind a URL that the operator configured; never one that a token names.

    Redirects are not followed, proxies are not used, certificates are verified.

    Arguments:
        url: An https URL, or http to a loopback address.
        certificate_authorities: File with the authorities to trust instead of the system's, or None.

    Raises:
        ValueError: When the URL is not allowed; `url_problem` says why beforehand.
    """

    def __init__(self, url: str, *, certificate_authorities: Path | str | None = None) -> None:
        problem = url_problem(url)
        if problem is not None:
            raise ValueError(f"the URL of the key set must be {problem}")
        self._url = url
        self._parts: SplitResult = urlsplit(url)
        self._authorities = None if certificate_authorities is None else str(certificate_authorities)

    @property
    def name(self) -> str:
        """The URL."""
        return self._url

    def read(self) -> list[Jwk]:
        """Fetch and return the keys; blocks for some seconds at most and raises KeySetUnavailableError."""
        try:
            connection = self._connect()
            try:
                content = self._get(connection)
            finally:
                connection.close()
        except (OSError, HTTPException) as error:
            raise KeySetUnavailableError(self.name, f"the request failed ({type(error).__name__})") from None
        return _keys_of(content, self.name)

    def _connect(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return HTTPConnection(host, port, timeout=FETCH_TIMEOUT)
        context = ssl.create_default_context(cafile=self._authorities)
        return HTTPSConnection(host, port, timeout=FETCH_TIMEOUT, context=context)

    def _get(self, connection: HTTPConnection) -> bytes:
        target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        end = time.monotonic() + FETCH_TIMEOUT
        connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        if response.status != 200:
            raise KeySetUnavailableError(self.name, f"the answer has status {response.status}, not 200")
        content = bytearray()
        while part := response.read1(65536):
            content += part
            if len(content) > SIZE_LIMIT:
                raise KeySetUnavailableError(self.name, f"it has more than {SIZE_LIMIT} bytes")
            if time.monotonic() > end:
                raise KeySetUnavailableError(self.name, f"it took longer than {FETCH_TIMEOUT:g} s")
        return bytes(content)
