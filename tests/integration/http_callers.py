"""The three client libraries, blocking and asyncio, behind one face, so that one test serves them all."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, ClassVar

import httpx
import httpx2
import requests

import scrollintel.integrations.httpx as protected_httpx
import scrollintel.integrations.httpx2 as protected_httpx2
import scrollintel.integrations.requests as protected_requests
from scrollintel import Pipeline, Policy, Registry

FOREVER = 30.0
"""Seconds that the clients themselves allow, so that only the policy's limits matter."""
TLS = ssl.create_default_context()
"""One for all: making it is what takes the most time in making a transport."""


class Caller(ABC):
    """A client of one library whose requests are protected; `options` go to what protects it."""

    client_error: ClassVar[type[Exception]]
    refused_error: ClassVar[type[Exception]]
    late_error: ClassVar[type[Exception]]
    pipeline: Pipeline

    @abstractmethod
    def __init__(self, policy: Policy | str, registry: Registry, **options: Any) -> None: ...

    @abstractmethod
    def send(self, method: str, url: str, *, body: Any = None, **headers: str) -> tuple[int, str]:
        """Send a request and return status and text."""

    @abstractmethod
    def stream(self, url: str) -> tuple[int, bytes]:
        """Send a GET, read the body piece by piece, and return status and body."""

    @abstractmethod
    def under(self, outer: Pipeline, url: str) -> object:
        """Send a GET inside another protected call."""

    @abstractmethod
    def close(self) -> None:
        """Close the client."""

    def get(self, url: str) -> tuple[int, str]:
        """Send a GET."""
        return self.send("GET", url)

    def unbuffered(self, parts: Iterable[bytes]) -> Any:
        """Return a body that can be sent once."""
        return iter(parts)


class BlockingCaller(Caller):
    """`Client` of httpx2 or httpx, with one connection so that one that is not freed is missed at once."""

    module: ClassVar[Any]
    protected: ClassVar[Any]

    def __init__(self, policy: Policy | str, registry: Registry, **options: Any) -> None:
        wrapped = self.module.HTTPTransport(verify=TLS, limits=self.module.Limits(max_connections=1))
        transport = self.protected.ResilientTransport(wrapped, policy, registry=registry, **options)
        self.pipeline = transport.pipeline
        self.client = self.module.Client(transport=transport, timeout=self.module.Timeout(FOREVER, pool=0.5))

    def send(self, method: str, url: str, *, body: Any = None, **headers: str) -> tuple[int, str]:
        response = self.client.request(method, url, content=body, headers=_named(headers))
        return response.status_code, response.text

    def stream(self, url: str) -> tuple[int, bytes]:
        with self.client.stream("GET", url) as response:
            return response.status_code, b"".join(response.iter_raw())

    def under(self, outer: Pipeline, url: str) -> object:
        return outer.call(self.client.get, url)

    def close(self) -> None:
        self.client.close()


class AsyncCaller(Caller):
    """`AsyncClient` of httpx2 or httpx, on an event loop of its own."""

    module: ClassVar[Any]
    protected: ClassVar[Any]

    def __init__(self, policy: Policy | str, registry: Registry, **options: Any) -> None:
        wrapped = self.module.AsyncHTTPTransport(verify=TLS, limits=self.module.Limits(max_connections=1))
        transport = self.protected.AsyncResilientTransport(wrapped, policy, registry=registry, **options)
        self.pipeline = transport.pipeline
        self.client = self.module.AsyncClient(transport=transport, timeout=self.module.Timeout(FOREVER, pool=0.5))
        self.runner = asyncio.Runner()

    def send(self, method: str, url: str, *, body: Any = None, **headers: str) -> tuple[int, str]:
        response = self.runner.run(self.client.request(method, url, content=body, headers=_named(headers)))
        return response.status_code, response.text

    def stream(self, url: str) -> tuple[int, bytes]:
        async def read() -> tuple[int, bytes]:
            async with self.client.stream("GET", url) as response:
                return response.status_code, b"".join([part async for part in response.aiter_raw()])

        return self.runner.run(read())

    def under(self, outer: Pipeline, url: str) -> object:
        return self.runner.run(outer.acall(self.client.get, url))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()

    def unbuffered(self, parts: Iterable[bytes]) -> Any:
        async def generate() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return generate()


class RequestsCaller(Caller):
    """A `requests.Session`, with one connection and waiting for it, so that one that is not freed is missed."""

    client_error = requests.RequestException
    refused_error = requests.ConnectionError
    late_error = requests.Timeout

    def __init__(self, policy: Policy | str, registry: Registry, **options: Any) -> None:
        self.session = protected_requests.session(policy, registry=registry, pool_maxsize=1, pool_block=True, **options)
        self.session.trust_env = False
        adapter = self.session.get_adapter("http://")
        assert isinstance(adapter, protected_requests.ResilientAdapter)
        self.pipeline = adapter.pipeline

    def send(self, method: str, url: str, *, body: Any = None, **headers: str) -> tuple[int, str]:
        response = self.session.request(method, url, data=body, headers=_named(headers), timeout=FOREVER)
        return response.status_code, response.text

    def stream(self, url: str) -> tuple[int, bytes]:
        with self.session.get(url, stream=True, timeout=FOREVER) as response:
            return response.status_code, b"".join(response.iter_content(1000))

    def under(self, outer: Pipeline, url: str) -> object:
        return outer.call(self.session.get, url, timeout=FOREVER)

    def close(self) -> None:
        self.session.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _of(base: type[Caller], module: Any, protected: Any) -> type[Caller]:
    errors = {
        "client_error": module.HTTPError,
        "refused_error": module.TransportError,
        "late_error": module.TimeoutException,
    }
    return type(base.__name__, (base,), {"module": module, "protected": protected, **errors})


HTTPX_CALLERS: dict[str, type[Caller]] = {
    "httpx2": _of(BlockingCaller, httpx2, protected_httpx2),
    "httpx2-async": _of(AsyncCaller, httpx2, protected_httpx2),
    "httpx": _of(BlockingCaller, httpx, protected_httpx),
    "httpx-async": _of(AsyncCaller, httpx, protected_httpx),
}
CALLERS: dict[str, type[Caller]] = {**HTTPX_CALLERS, "requests": RequestsCaller}
Open = Callable[[Policy | str], Caller]


def opened(kind: type[Caller], registry: Registry) -> Iterator[Open]:
    """Yield a function that makes callers of one kind, and close them in the end."""
    callers: list[Caller] = []

    def make(policy: Policy | str) -> Caller:
        caller = kind(policy, registry)
        callers.append(caller)
        return caller

    yield make
    for caller in callers:
        caller.close()
