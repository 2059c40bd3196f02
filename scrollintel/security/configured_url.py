"""Requests to an identity provider, at URLs that the operator configured; never at one that a token or a page names.

Redirects are not followed, proxies are not used, certificates are verified, and time and size are bounded.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlsplit

from .loopback import is_this_machine

SIZE_LIMIT: Final = 256 * 1024
"""Bytes of an answer that are read at most."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds for one step on the network, and for reading the whole answer."""
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ExchangeError(Exception):
    """There is no answer; the text is one phrase, without the URL and what was sent."""


def url_problem(url: str) -> str | None:
    """Return what is wrong with a configured URL, or None: https, or http to this machine, without credentials."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "a URL"
    if not parts.hostname or port == 0 or any(character.isspace() or not character.isprintable() for character in url):
        return "a URL with a host"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "a URL without user name, password and fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname)):
        return None
    return "an https URL (http is for 127.0.0.1 only)"


def exchange(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] = _NO_HEADERS,
    certificate_authorities: Path | str | None = None,
) -> tuple[int, bytes]:
    """Send a request and return status and body of the answer; blocks for some seconds at most.

    Arguments:
        url: One that `url_problem` finds nothing wrong with.
        body: What is posted; None asks with GET.
        headers: Beside those that every request has.
        certificate_authorities: File with the authorities to trust instead of the system's, or None.

    Raises:
        ExchangeError: when there is no answer, or one that is too long or too slow.
    """
    parts = urlsplit(url)
    try:
        connection = _connection(parts, None if certificate_authorities is None else str(certificate_authorities))
        try:
            return _answer(connection, parts, body, headers)
        finally:
            connection.close()
    except (OSError, HTTPException) as error:
        raise ExchangeError(f"the request failed ({type(error).__name__})") from None


def _connection(parts: SplitResult, authorities: str | None) -> HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=FETCH_TIMEOUT)
    context = ssl.create_default_context(cafile=authorities)
    return HTTPSConnection(host, port, timeout=FETCH_TIMEOUT, context=context)


def _answer(
    connection: HTTPConnection, parts: SplitResult, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    end = time.monotonic() + FETCH_TIMEOUT
    own = {"Accept": "application/json", "Connection": "close"}
    connection.request("GET" if body is None else "POST", target, body, {**own, **headers})
    response = connection.getresponse()
    if response.status not in (200, 400):  # with 400 an OAuth endpoint tells what was wrong
        return response.status, b""
    content = bytearray()
    while part := response.read1(65536):
        content += part
        if len(content) > SIZE_LIMIT:
            raise ExchangeError(f"it has more than {SIZE_LIMIT} bytes")
        if time.monotonic() > end:
            raise ExchangeError(f"it took longer than {FETCH_TIMEOUT:g} s")
    return response.status, bytes(content)
