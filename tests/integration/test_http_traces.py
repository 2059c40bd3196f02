"""Traces in the requests of protected HTTP clients, as a real server sees them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scrollintel import HedgeConfig, Pipeline, Policy, Registry, RetryConfig
from scrollintel.integrations.http_policy import http_policy
from scrollintel.integrations.trace_headers import OUTGOING
from scrollintel.telemetry.otel import instrument
from tests.integration.http_callers import CALLERS, Caller, Open, opened
from tests.integration.scripted_server import Answer, ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Return a server of the test's own."""
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture(params=CALLERS)
def open_client(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Open]:
    """Return a function that makes clients of one kind."""
    yield from opened(CALLERS[request.param], registry)


@pytest.fixture
def spans(registry: Registry) -> Iterator[InMemorySpanExporter]:
    """Trace every call and each attempt of the test's registry."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentation = instrument(registry, sample=1.0, attempt_spans=True, tracer_provider=provider)
    yield exporter
    instrumentation.remove()
    provider.shutdown()


def policy(**parts: Any) -> Policy:
    """Return a policy for HTTP clients that waits for nothing."""
    return http_policy("shop", retry=RetryConfig(max_attempts=3, base_delay=0), **parts)


def attempts(exporter: InMemorySpanExporter) -> list[str]:
    """Return the `traceparent` of each attempt, in the order of their numbers."""
    found = {
        (span.attributes or {})["resilience.attempt"]: span.context
        for span in exporter.get_finished_spans()
        if span.name == "resilience.attempt"
    }
    return [f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}" for _, at in sorted(found.items()) if at]


def sent(server: ScriptedServer) -> list[str | None]:
    """Return the `traceparent` of each request that the server has seen."""
    return [{name.lower(): value for name, value in seen.headers.items()}.get("traceparent") for seen in server.seen]


def test_traces_each_attempt_is_the_parent_of_its_request(
    open_client: Open, server: ScriptedServer, spans: InMemorySpanExporter
) -> None:
    """A server sees the span of the attempt that sends the request, and another one in the second attempt."""
    server.answer(Answer(503), Answer())
    client = open_client(policy())
    assert client.get(server.url) == (200, "ok")
    assert len(set(sent(server))) == 2
    assert sent(server) == attempts(spans)


def test_traces_a_trace_of_the_callers_own_stays(
    open_client: Open, server: ScriptedServer, spans: InMemorySpanExporter
) -> None:
    """Whoever puts a trace into the request, by hand or by an instrumentation, is not overruled."""
    own = f"00-{1:032x}-{2:016x}-01"
    server.answer(Answer(503), Answer())
    open_client(policy()).send("GET", server.url, traceparent=own)
    assert sent(server) == [own, own]


def test_traces_end_with_the_instrumentation(open_client: Open, server: ScriptedServer, registry: Registry) -> None:
    """Without tracing nothing is put into a request, and the last one to end it turns it off."""
    provider = TracerProvider()
    other = Registry()
    first = instrument(registry, sample=1.0, tracer_provider=provider)
    second = instrument(other, sample=1.0, tracer_provider=provider)
    client = open_client(policy())
    client.get(server.url)
    first.remove()
    assert OUTGOING.source is not None
    second.remove()
    assert OUTGOING.source is None
    client.get(server.url)
    provider.shutdown()
    assert [trace is None for trace in sent(server)] == [False, True]


def test_traces_the_callers_trace_goes_on_where_a_call_has_no_span(
    open_client: Open, server: ScriptedServer, registry: Registry
) -> None:
    """A call that was not chosen still belongs to its caller's trace."""
    provider = TracerProvider()
    instrumentation = instrument(registry, sample=1e-18, tracer_provider=provider)
    client: Caller = open_client(policy())
    with provider.get_tracer("test").start_as_current_span("request") as span:
        client.get(server.url)
    instrumentation.remove()
    provider.shutdown()
    at = span.get_span_context()
    assert sent(server) == [f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"]


def test_traces_the_request_is_given_back_as_it_was(
    open_client: Open, server: ScriptedServer, spans: InMemorySpanExporter
) -> None:
    """Sending the same client's next request starts without the trace of the one before."""
    client = open_client(policy())
    client.get(server.url)
    client.get(server.url)
    first, second = sent(server)
    assert first is not None
    assert second is not None
    assert first[3:35] != second[3:35]


@pytest.mark.parametrize("kind", CALLERS)
def test_traces_hedged_requests_carry_the_trace_of_the_hedged_call(
    kind: str, server: ScriptedServer, registry: Registry, spans: InMemorySpanExporter
) -> None:
    """The first request hangs, the hedge answers; both, in threads or tasks of their own, are in the call's trace."""
    patient = Registry()  # on the system's clock, because a hanging server takes real time
    server.answer(Answer(hang=True), Answer())
    makers = opened(CALLERS[kind], registry)
    make = next(makers)
    callers: list[Any] = [make(policy()), make(policy())]  # a client of the test has one connection
    hedged = patient.pipeline(Policy("race", hedge=HedgeConfig(delay=0.05, max_hedges=1, quantile=None, budget=None)))
    provider = TracerProvider()
    instrumentation = instrument(patient, sample=1.0, tracer_provider=provider)
    with provider.get_tracer("test").start_as_current_span("request") as span:
        if kind.endswith("async"):
            clients = [caller.client for caller in callers]
            callers[0].runner.run(raced(hedged, clients, lambda client: client.get(server.url)))
        else:
            raced_in_threads(hedged, callers, lambda caller: caller.get(server.url), server)
    instrumentation.remove()
    provider.shutdown()
    assert [(trace or "")[3:35] for trace in sent(server)] == [f"{span.get_span_context().trace_id:032x}"] * 2
    next(makers, None)


@pytest.mark.parametrize("kind", CALLERS)
def test_traces_of_one_request_that_is_sent_twice_at_a_time_are_each_its_attempts_own(
    kind: str, server: ScriptedServer, registry: Registry, spans: InMemorySpanExporter
) -> None:
    """A request that somebody has prepared and hedges: the second goes out while the first hangs."""
    server.answer(Answer(hang=True), Answer())
    makers = opened(CALLERS[kind], registry)
    make = next(makers)
    callers: list[Any] = [make(policy()), make(policy())]
    config = HedgeConfig(delay=0.05, max_hedges=1, quantile=None, budget=None)
    hedged = Registry().pipeline(Policy("race", hedge=config))
    if kind == "requests":
        clients = [caller.session for caller in callers]
        request = requests.Request("GET", server.url).prepare()
    else:
        clients = [caller.client for caller in callers]
        request = clients[0].build_request("GET", server.url)
    headers = dict(request.headers)
    if kind.endswith("async"):
        callers[0].runner.run(raced(hedged, clients, lambda client: client.send(request)))
    else:
        answer = raced_in_threads(hedged, clients, lambda client: client.send(request), server)
        assert answer.request is request
    assert len({(trace or "")[36:52] for trace in sent(server)} - {""}) == 2
    assert dict(request.headers) == headers
    next(makers, None)


def raced_in_threads(hedged: Pipeline, clients: list[Any], send: Callable[[Any], Any], server: ScriptedServer) -> Any:
    """Send hedged, each attempt by a client of its own, and return the first answer once both have one."""
    ended, waiting = threading.Semaphore(0), deque(clients)

    def attempt() -> Any:
        try:
            return send(waiting.popleft())
        finally:
            ended.release()

    answer = hedged.call(attempt)
    server.release.set()
    assert ended.acquire(timeout=10)
    assert ended.acquire(timeout=10)
    return answer


async def raced(hedged: Pipeline, clients: list[Any], send: Callable[[Any], Awaitable[object]]) -> None:
    """Send hedged, each attempt by a client of its own, and close the clients on the loop that they used."""
    waiting = deque(clients)
    await hedged.acall(lambda: send(waiting.popleft()))
    for client in clients:
        await client.aclose()
    await asyncio.sleep(0.05)  # sockets are closed by the loop, after the clients
