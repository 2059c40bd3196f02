"""Where the public keys of an identity provider come from: a configured URL or a file. Nothing else is ever fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from .configured_url import SIZE_LIMIT, ExchangeError, exchange, url_problem
from .errors import KeySetUnavailableError

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
        self._authorities = None if certificate_authorities is None else str(certificate_authorities)

    @property
    def name(self) -> str:
        """The URL."""
        return self._url

    def read(self) -> list[Jwk]:
        """Fetch and return the keys; blocks for some seconds at most and raises KeySetUnavailableError."""
        try:
            status, content = exchange(self._url, certificate_authorities=self._authorities)
        except ExchangeError as error:
            raise KeySetUnavailableError(self.name, str(error)) from None
        if status != 200:
            raise KeySetUnavailableError(self.name, f"the answer has status {status}, not 200")
        return _keys_of(content, self.name)
