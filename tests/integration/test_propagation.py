"""What a service is told by its caller, over real HTTP: deadline, criticality, and who retries."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Protocol

import httpx
import pytest
from fastapi import FastAPI, Response

import scrollintel.integrations.httpx as protected_httpx
from scrollintel import BudgetConfig, Pipeline, Policy, Registry, RetryConfig, TimeoutConfig, remaining, request_context
from scrollintel.core.context import current_request, fairness_key
from scrollintel.core.retry_scope import surrounding_retries
from scrollintel.core.strategies.admission import Admission
from scrollintel.integrations import asgi, wsgi
from scrollintel.integrations.http_policy import http_policy
from scrollintel.integrations.propagation import Accept
from tests.integration.asgi_server import ServedApplication
from tests.integration.http_callers import CALLERS
from tests.integration.wsgi_server import served


class Serve(Protocol):
    """Serves an ASGI application behind the middleware that `options` make, and returns its address."""

    def __call__(self, app: Any, **options: Any) -> str: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves an application until the test is over."""
    servers: list[ServedApplication] = []

    def start(app: Any, **options: Any) -> str:
        servers.append(ServedApplication(asgi.ServerMiddleware(app, **options)))
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


def policy(**parts: Any) -> Policy:
    """Return a policy for HTTP clients that waits for nothing and never opens."""
    return http_policy("shop", breaker=None, retry=RetryConfig(base_delay=0, max_attempts=3), **parts)


def get(kind: str, url: str, policy: Policy, **options: Any) -> tuple[int, dict[str, Any]]:
    """Send a GET through one kind of client and return status and answer."""
    with closing(CALLERS[kind](policy, Registry(), **options)) as caller:
        status, text = caller.get(url)
    return status, json.loads(text)


def ask(url: str, left: int, **headers: str) -> httpx.Response:
    """Send a GET as a client does that knows nothing of policies, with `left` milliseconds for the answer."""
    named = {"x-envoy-expected-rq-timeout-ms": str(left), **headers}
    return httpx.get(url, headers=named, timeout=20, trust_env=False)


async def answer(send: Any) -> None:
    """Send an empty answer."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def terms() -> dict[str, Any]:
    """Return under which terms the present request is served."""
    scope = surrounding_retries()
    request = current_request()
    return {
        "left": remaining(),
        "criticality": request.criticality.value,
        "fairness": request.fairness,
        "attempt": None if scope is None else scope.attempt,
    }


@pytest.mark.parametrize("kind", CALLERS)
def test_service_knows_what_its_caller_knows(kind: str, serve: Serve) -> None:
    """Deadline, criticality, user and attempt arrive; each attempt has a number of its own."""
    app = FastAPI()
    seen: list[dict[str, Any]] = []

    @app.get("/")
    async def index(response: Response) -> dict[str, Any]:
        seen.append(terms())
        response.status_code = 503 if len(seen) < 3 else 200
        return seen[-1]

    url = serve(app, accept=Accept())
    with request_context(criticality="sheddable_plus", user="ada"):
        status, told = get(kind, url, policy(timeout=TimeoutConfig(20.0, total=30.0)), propagate=True)
    assert status == 200 and told == seen[2]
    assert [each["attempt"] for each in seen] == [1, 2, 3]
    assert all(each["criticality"] == "sheddable_plus" for each in seen)
    assert all(each["fairness"] == fairness_key("ada") for each in seen)
    assert all(10.0 < each["left"] <= 20.0 for each in seen)


@pytest.mark.parametrize("kind", CALLERS)
def test_clients_tell_nothing_unless_they_are_asked_to(kind: str, serve: Serve) -> None:
    """By default a request carries nothing of its caller's affairs; a function can decide for each."""
    names: list[list[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        names.append([name.decode() for name, _ in scope["headers"]])
        await answer(send)

    url = serve(app)
    with request_context(criticality="sheddable"):
        get(kind, url, policy())
        get(kind, url, policy(), propagate=lambda request: "10.0.0.1" in str(request.url))
        get(kind, url, policy(), propagate=lambda request: "127.0.0.1" in str(request.url))
    told = [any(name.startswith(("x-envoy", "request-")) for name in each) for each in names]
    assert told == [False, False, True]


def test_headers_are_believed_only_where_that_is_said(serve: Serve) -> None:
    """Without `accept` nothing that a caller claims has an effect."""
    app = FastAPI()
    app.get("/")(terms)
    told = ask(serve(app), 0, **{"request-criticality": "sheddable", "x-envoy-attempt-count": "9"})
    assert told.json() == {"left": None, "criticality": "critical", "fairness": None, "attempt": 1}


def failing_service(inner: Pipeline) -> tuple[FastAPI, list[str]]:
    """Return a service that answers with 503 once `inner` has given up, and what it asks of what it needs itself."""
    app = FastAPI()
    queries: list[str] = []

    async def query() -> None:
        queries.append("failed")
        raise ConnectionError("down")

    @app.get("/")
    async def index(response: Response) -> dict[str, Any]:
        with suppress(ConnectionError):
            await inner.acall(query)
        response.status_code = 503
        return {}

    return app, queries


def test_nested_service_stands_down_while_its_caller_retries(serve: Serve) -> None:
    """Three attempts of three are five calls: the inner service retries in its caller's first attempt alone."""
    app, queries = failing_service(Pipeline(Policy("inner", retry=RetryConfig(base_delay=0))))
    assert get("httpx", serve(app, accept=Accept()), policy(), propagate=True)[0] == 503
    assert len(queries) == 3 + 1 + 1


def test_answer_of_a_service_that_cannot_pay_is_not_asked_for_again(serve: Serve) -> None:
    """The inner service is out of budget, says so, and neither its caller nor the caller's caller tries again."""
    poor = Policy("inner", retry=RetryConfig(base_delay=0, budget=BudgetConfig(reserve=0.5)))
    app, queries = failing_service(Pipeline(poor))
    url = serve(app, accept=Accept())
    outer = Pipeline(Policy("outer", retry=RetryConfig(base_delay=0, budget=BudgetConfig(across_layers=True))))
    transport = protected_httpx.ResilientTransport(None, policy(), registry=Registry(), propagate=True)
    with httpx.Client(transport=transport) as client:

        def call() -> None:
            client.get(url).raise_for_status()

        with pytest.raises(httpx.HTTPStatusError):
            outer.call(call)
    assert len(queries) == 1


def test_expired_request_is_refused_before_it_starts(serve: Serve) -> None:
    """504, counted, and the handler has not run."""
    ran: list[int] = []
    app = FastAPI()
    app.get("/")(lambda: ran.append(1))
    admission = Admission()
    late = ask(serve(app, accept=Accept(), admission=admission), 0)
    assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
    assert (ran, admission.figures().expired) == ([], 1)


@pytest.mark.parametrize("cancel", [True, False])
def test_handler_ends_with_its_callers_time(cancel: bool, serve: Serve) -> None:
    """With `cancel_abandoned` the handler is cancelled and 504 is the answer; else its protected calls end."""
    ended: list[str] = []
    app = FastAPI()
    inner = Pipeline(Policy("inner"))

    @app.get("/")
    async def index() -> dict[str, str]:
        try:
            await (asyncio.sleep(30) if cancel else inner.acall(asyncio.sleep, 30))
        except BaseException as error:
            ended.append(type(error).__name__)
            if cancel:
                raise
        return {"code": "late"}

    url = serve(app, accept=Accept(), cancel_abandoned=cancel)
    started = time.monotonic()
    late = ask(url, 200)
    assert time.monotonic() - started < 15
    assert late.status_code == (504 if cancel else 200)
    assert ended == ["CancelledError" if cancel else "CallTimeoutError"]


def test_handler_whose_caller_has_gone_is_cancelled(serve: Serve) -> None:
    """The connection is closed while the handler works, and what it awaits ends; a body is read all the same."""
    begun, ended = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        assert body == b"x" * 300_000
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    url = serve(app, cancel_abandoned=True)

    async def leave() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            request = asyncio.ensure_future(client.post(url, content=b"x" * 300_000))
            while not begun.is_set():
                await asyncio.sleep(0.01)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    asyncio.run(leave())
    assert ended.wait(15)


def test_work_after_the_answer_is_not_cancelled(serve: Serve) -> None:
    """A background task outlives the connection of a caller that has its answer."""
    finished = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send)
        await asyncio.sleep(0.2)
        finished.set()

    url = serve(app, cancel_abandoned=True)
    assert httpx.get(url, trust_env=False).status_code == 200
    assert finished.wait(15)


def test_wsgi_application_is_served_under_its_callers_terms() -> None:
    """Deadline, criticality and attempt hold in the application and in the answer it makes bit by bit."""
    closed: list[bool] = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield json.dumps(terms()).encode()

        def close(self) -> None:
            closed.append(surrounding_retries() is not None)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(terms()).encode()] if environ["PATH_INFO"] == "/list" else Parts()

    admission = Admission()
    with served(wsgi.ServerMiddleware(app, accept=Accept(), admission=admission)) as url:
        for path in ("/list", "/parts"):
            with request_context(criticality="sheddable"):
                status, told = get("httpx", url + path, policy(timeout=TimeoutConfig(20.0)), propagate=True)
            assert (status, told["criticality"], told["attempt"]) == (200, "sheddable", 1)
            assert 10.0 < told["left"] <= 20.0
        assert ask(url, 0).status_code == 504
    figures = admission.figures()
    assert closed == [True]
    assert (figures.running, sum(figures.served), figures.expired) == (0, 2, 1)
