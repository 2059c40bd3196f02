"""HTTP over real sockets: a small asyncio client for the stream, a blocking one for health checks."""

from __future__ import annotations

import asyncio
import http.client
import json
from dataclasses import dataclass
from typing import Any

from .yard import Service


@dataclass(frozen=True, slots=True)
class Response:
    """What a service answered."""

    status: int
    body: dict[str, Any]  # Any: JSON values of mixed types

    @property
    def failed(self) -> bool:
        """Whether the service says that it could not do it."""
        return self.status >= 500


class BadAnswerError(ConnectionError):
    """What came back is no answer of this demo's services."""


class Client:
    """Sends the requests of one lane to one service, a connection for each; counts what goes to the network."""

    def __init__(self, service: Service, lane: str) -> None:
        self.sent = 0
        self._service = service
        self._lane = lane

    async def request(self, method: str, path: str) -> Response:
        """Send one request and read the answer.

        Raises:
            OSError: when the connection cannot be made or breaks; BadAnswerError for an answer of somebody else.
        """
        self.sent += 1
        reader, writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        try:
            head = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Lane: {self._lane}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.read(-1)
        finally:
            writer.transport.abort()
        return self._parse(answer)

    def _parse(self, answer: bytes) -> Response:
        head, separator, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
        if not separator or len(body) != int(headers.get("content-length", -1)):
            raise ConnectionResetError("the connection ended before the answer did")
        if headers.get("x-nonce") != self._service.nonce:
            raise BadAnswerError("a stranger answered on this port")
        return Response(int(lines[0].split()[1]), json.loads(body))


def check_health(service: Service, patience: float) -> None:
    """Ask the service for its health and wait at most `patience` seconds for each piece of the answer; blocks.

    Raises:
        OSError: when it is not there, does not answer in time, or somebody else answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=patience)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        if response.getheader("X-Nonce") != service.nonce:
            raise BadAnswerError("a stranger answered on this port")
        if response.status != 200:
            raise ConnectionError(f"health check answered {response.status}")
    except http.client.HTTPException as error:
        raise ConnectionResetError(f"health check broke off: {type(error).__name__}") from error
    finally:
        connection.close()
