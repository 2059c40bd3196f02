"""A client of the REST API with the standard library alone, so that a command starts quickly."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from .problems import CommandError, ProblemError, UnreachableError
from .target import Target

PREFIX = "/api/v1/fault-tolerance"
TIMEOUT = 10.0
"""Seconds that connecting and each wait for an answer may take."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read as a whole; streams have no such limit."""
_AGENT = "scrollintel-cli"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the control plane answered, status 200 to 299."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def etag(self) -> str | None:
        """The revision, for `If-Match`."""
        return self.headers.get("etag")

    def json(self) -> Any:  # Any: JSON values
        """Return the parsed body, or None when it is empty."""
        try:
            return json.loads(self.text) if self.text else None
        except (ValueError, RecursionError):
            raise CommandError("the answer is not JSON; is this a control plane?", code="unexpected_answer") from None


def path(*parts: str) -> str:
    """Return a path below the API's prefix; every part is quoted, so that a name may hold a slash."""
    return PREFIX + "".join(f"/{quote(part, safe='')}" for part in parts)


class Client:
    """Sends one request at a time, each on a connection of its own.

    Arguments:
        target: Where the control plane is.
        timeout: Seconds that connecting and each wait for an answer may take; default 10.
    """

    def __init__(self, target: Target, *, timeout: float = TIMEOUT) -> None:
        self.target = target
        self._timeout = timeout

    def request(
        self,
        method: str,
        route: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer.

        Arguments:
            method: GET, POST, PUT or DELETE. A POST carries an idempotency key, so that a repetition by the network
                does nothing twice.
            route: Path from `path`, or another one of the server such as /livez.
            body: JSON value to send, or None for no body.
            query: Parameters; those that are None are left out.
            headers: Further headers.

        Raises:
            UnreachableError: when nobody answers in time.
            ProblemError: when the answer is an error.
        """
        with self._exchange(method, route, body, query, headers, self._timeout) as response:
            data = response.read(MAX_ANSWER + 1)
            if len(data) > MAX_ANSWER:
                raise CommandError(f"the answer has more than {MAX_ANSWER} bytes", code="unexpected_answer")
            return Answer(response.status, _headers(response), data.decode("utf-8", errors="replace"))

    def get(self, route: str, **query: object) -> Any:  # Any: JSON values
        """Return the JSON that a GET answers."""
        return self.request("GET", route, query=query).json()

    @contextmanager
    def lines(
        self,
        route: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> Iterator[Iterator[str]]:
        """Give the lines of an answer as they come, without line ends.

        Arguments:
            route, query, headers: As `request` takes them.
            silence: Seconds without a line after which the stream counts as broken; default is the timeout.
        """
        wait = self._timeout if silence is None else silence
        with self._exchange("GET", route, None, query, headers, wait) as response:
            yield (line.decode("utf-8", errors="replace").rstrip("\r\n") for line in response)

    @contextmanager
    def _exchange(
        self,
        method: str,
        route: str,
        body: object,
        query: Mapping[str, object] | None,
        headers: Mapping[str, str] | None,
        timeout: float,
    ) -> Iterator[http.client.HTTPResponse]:
        sent = {"Accept": "application/json", "User-Agent": _AGENT, **(headers or {})}
        if self.target.token is not None and self.target.socket is None:
            sent["Authorization"] = f"Bearer {self.target.token}"
        data = None
        if body is not None:
            data = json.dumps(body, allow_nan=False).encode()
            sent["Content-Type"] = "application/json"
        if method == "POST":
            sent.setdefault("Idempotency-Key", secrets.token_hex(16))
        chosen = {name: value for name, value in (query or {}).items() if value is not None}
        full = self.target.path + route + (f"?{urlencode(chosen, doseq=True)}" if chosen else "")
        connection = self.target.connection(timeout)
        try:
            connection.request(method, full, body=data, headers=sent)
            response = connection.getresponse()
            if not 200 <= response.status < 300:
                raise _problem(response)
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{self.target.name} cannot be reached: {_reason(error)}") from error
        finally:
            connection.close()


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _problem(response: http.client.HTTPResponse) -> ProblemError:
    try:
        document = json.loads(response.read(1024 * 1024))
    except (ValueError, RecursionError):
        document = None
    return ProblemError(response.status, document if isinstance(document, dict) else {})


def _reason(error: Exception) -> str:
    """Return in a few words why a connection failed; no words of a stranger are repeated."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS"
    if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return "it does not speak HTTP"
    text = getattr(error, "strerror", None) or "the address is not known"
    return str(text).lower()
