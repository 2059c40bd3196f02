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

from .exit_codes import ExitCode, of_status
from .problems import CommandError, ProblemError, UnexpectedAnswerError, UnreachableError
from .target import Target

PREFIX = "/api/v1/fault-tolerance"
TIMEOUT = 10.0
"""Seconds that connecting and each wait for an answer may take."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read as a whole; streams have no such limit."""
MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line of a stream."""
PIECE = 64 * 1024
"""Bytes of a stream that are read at a time."""
MAX_PROBLEM = 1024 * 1024
_TRUST = "name it as its certificate does, and the authority that signed it with --ca-file"
_HUNG_UP = "if it speaks TLS, ask https://, otherwise look at its log"
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
        """Return the parsed body, or None when it is empty.

        Raises:
            UnexpectedAnswerError: when it is not JSON.
        """
        try:
            return json.loads(self.text) if self.text else None
        except (ValueError, RecursionError):
            raise UnexpectedAnswerError("the answer is not JSON; is this a control plane?") from None

    def item(self) -> dict[str, Any]:  # Any: JSON values
        """Return the object in the body.

        Raises:
            UnexpectedAnswerError: when it is none.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise UnexpectedAnswerError("the answer is not an object; is this a control plane?")
        return found


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
            UnexpectedAnswerError: when what answers is no control plane.
            ProblemError: when the answer is an error.
        """
        with self._exchange(method, route, body, query, headers) as response:
            with self._network():
                data = response.read(MAX_ANSWER + 1)
                if response.length and len(data) <= MAX_ANSWER:
                    raise http.client.IncompleteRead(data, response.length)
            if len(data) > MAX_ANSWER:
                raise UnexpectedAnswerError(f"the answer has more than {MAX_ANSWER} bytes")
            return Answer(response.status, _headers(response), data.decode("utf-8", errors="replace"))

    def get(self, route: str, **query: object) -> dict[str, Any]:  # Any: JSON values
        """Return the object that a GET answers."""
        return self.request("GET", route, query=query).item()

    @contextmanager
    def lines(
        self,
        route: str,
        kind: str,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> Iterator[Iterator[str]]:
        """Give the lines of an answer as they come, without line ends.

        Arguments:
            route, query, headers: As `request` takes them.
            kind: The media type that the answer must have.
            silence: Seconds without a byte that break the stream off once it has begun; None is the timeout.
        """
        asked = {"Accept": kind, **(headers or {})}
        with self._exchange("GET", route, None, query, asked, silence) as response:
            if response.headers.get_content_type() != kind:
                raise UnexpectedAnswerError(f"the answer is not {kind}; is this a control plane?")
            yield self._lines(response)

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[str]:
        rest = b""
        while True:
            with self._network():
                # Unlike `readline`, this tells a connection that broke from an answer that has ended.
                piece = response.read1(PIECE)
                if not piece and response.length:
                    raise http.client.IncompleteRead(b"", response.length)
            if not piece:
                break
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield _text(line)
            if len(rest) > MAX_LINE:
                raise UnexpectedAnswerError(f"a line of the answer has more than {MAX_LINE} bytes")
        if rest:
            yield _text(rest)

    @contextmanager
    def _exchange(
        self,
        method: str,
        route: str,
        body: object,
        query: Mapping[str, object] | None,
        headers: Mapping[str, str] | None,
        silence: float | None = None,
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
        connection = self.target.connection(self._timeout)
        try:
            with self._network():
                connection.request(method, full, body=data, headers=sent)
                opened = connection.sock  # the connection forgets it with the answer's head
                response = connection.getresponse()
                if silence is not None:
                    opened.settimeout(silence)
            if not 200 <= response.status < 300:
                raise self._problem(response)
            yield response
        finally:
            connection.close()

    @contextmanager
    def _network(self) -> Iterator[None]:
        """Translate what the network raises; what is done with an answer stays outside."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            message = f"{self.target.name} cannot be reached: {_reason(error)}"
            if isinstance(error, ssl.SSLCertVerificationError):
                raise UnreachableError(message, _TRUST) from error
            if _is_hung_up(error) and self.target.socket is None and self.target.url.startswith("http:"):
                raise UnreachableError(message, _HUNG_UP) from error
            raise UnreachableError(message) from error

    def _problem(self, response: http.client.HTTPResponse) -> CommandError:
        with self._network():
            text = response.read(MAX_PROBLEM).decode("utf-8", errors="replace")
        if self.target.token:
            text = text.replace(self.target.token, "***")  # a stranger may send back what it was sent
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict) and isinstance(document.get("code"), str):
            return ProblemError(response.status, document)
        if of_status(response.status) is ExitCode.ACCESS:
            return ProblemError(response.status, {})
        if 300 <= response.status < 400:
            return UnexpectedAnswerError(f"{self.target.name} sends to another address; name that one")
        return UnexpectedAnswerError(f"{self.target.name} answered {response.status}, not as a control plane does")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")


def _is_hung_up(error: Exception) -> bool:
    return isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)


def _reason(error: Exception) -> str:
    """Return in a few words why a connection failed; no words of a stranger are repeated."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS"
    if _is_hung_up(error):
        return "it closed the connection"
    if isinstance(error, http.client.IncompleteRead):
        return "it broke the answer off"
    if isinstance(error, http.client.HTTPException):
        return "it does not speak HTTP"
    text = getattr(error, "strerror", None) or "the address is not known"
    return str(text).lower()
