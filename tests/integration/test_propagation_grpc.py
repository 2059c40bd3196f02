"""What a service is told by its caller, over real gRPC, in both colours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest

from scrollintel import (
    AdmissionConfig,
    BudgetConfig,
    Criticality,
    DeadlineExceededError,
    Pipeline,
    Policy,
    RetryConfig,
    TimeoutConfig,
    remaining,
    request_context,
)
from scrollintel.core.context import current_request, fairness_key
from scrollintel.core.retry_scope import surrounding_retries
from scrollintel.core.strategies.admission import Admission
from scrollintel.integrations import grpc as protected
from scrollintel.integrations.propagation import Accept

PATH = "/shop/Ask"
Operation = Callable[[], Any]


def terms() -> bytes:
    """Return under which terms the present call is served."""
    scope = surrounding_retries()
    request = current_request()
    attempt = None if scope is None else scope.attempt
    return json.dumps([remaining(), request.criticality.value, request.fairness, attempt]).encode()


@contextlib.contextmanager
def blocking_server(behavior: Callable[[Any, Any], Any], streaming: bool = False, **options: Any) -> Iterator[str]:
    """Serve one method by threads and give the server's address."""
    make = grpc.unary_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler
    interceptors = [protected.ServerInterceptor(**options)]
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop", {"Ask": make(behavior)})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def ask(address: str, timeout: float | None = None, **options: Any) -> bytes:
    """Call the method through the interceptor."""
    with grpc.insecure_channel(address) as plain:
        channel = grpc.intercept_channel(plain, protected.ClientInterceptor())
        answer: bytes = channel.unary_unary(PATH)(b"", timeout=timeout, **options)
        return answer


def run_async(
    behavior: Callable[[Any, Any], Any],
    use: Callable[[grpc.aio.Channel], Awaitable[Any]],
    streaming: bool,
    **options: Any,
) -> Any:
    """Serve one method on an event loop, and return what `use` gets from it."""

    async def main() -> Any:
        make = grpc.unary_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler
        server = grpc.aio.server(interceptors=[protected.AsyncServerInterceptor(**options)])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop", {"Ask": make(behavior)})])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            interceptors = protected.async_client_interceptors()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=interceptors) as channel:
                return await use(channel)
        finally:
            await server.stop(0)

    return asyncio.run(main())


def check_terms(answer: bytes) -> None:
    """Compare what the service was told with what its caller knew."""
    left, criticality, fairness, attempt = json.loads(answer)
    assert 5.0 < left <= 21.0  # gRPC rounds up what it sends
    assert (criticality, fairness, attempt) == ("sheddable", fairness_key("ada"), 1)


CALLER = Policy("caller", timeout=TimeoutConfig(20.0))


@pytest.mark.parametrize("streaming", [False, True])
def test_blocking_service_knows_what_its_caller_knows(streaming: bool) -> None:
    """Deadline, criticality and user arrive, in each part of a stream as well."""

    def behavior(request: Any, context: Any) -> bytes:
        return terms()

    def parts(request: Any, context: Any) -> Iterator[bytes]:
        yield terms()
        yield terms()

    def stream(address: str) -> list[bytes]:
        with grpc.insecure_channel(address) as plain:
            return list(grpc.intercept_channel(plain, protected.ClientInterceptor()).unary_stream(PATH)(b""))

    with (
        blocking_server(parts if streaming else behavior, streaming, accept=Accept()) as address,
        request_context(criticality="sheddable", user="ada"),
    ):
        answers = Pipeline(CALLER).call(stream, address) if streaming else [Pipeline(CALLER).call(ask, address)]
    assert len(answers) == (2 if streaming else 1)
    for answer in answers:
        check_terms(answer)


@pytest.mark.parametrize("streaming", [False, True])
def test_asyncio_service_knows_what_its_caller_knows(streaming: bool) -> None:
    """The same on event loops."""

    async def behavior(request: Any, context: Any) -> bytes:
        return terms()

    async def parts(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield terms()
        yield terms()

    async def use(channel: grpc.aio.Channel) -> list[bytes]:
        async def operation() -> list[bytes]:
            if streaming:
                return [part async for part in channel.unary_stream(PATH)(b"")]
            return [await channel.unary_unary(PATH)(b"")]

        with request_context(criticality="sheddable", user="ada"):
            return await Pipeline(CALLER).acall(operation)

    answers = run_async(parts if streaming else behavior, use, streaming, accept=Accept())
    assert len(answers) == (2 if streaming else 1)
    for answer in answers:
        check_terms(answer)


def failing(calls: list[int], budget: BudgetConfig | None) -> tuple[Pipeline, Operation]:
    """Return a retrying layer, and an operation inside it that counts its calls and fails."""

    def query() -> None:
        calls.append(1)
        raise ConnectionError("down")

    return Pipeline(Policy("inner", retry=RetryConfig(base_delay=0, budget=budget))), query


@pytest.mark.parametrize(("budget", "expected"), [(None, 3 + 1 + 1), (BudgetConfig(reserve=0.5), 1)])
def test_nested_service_stands_down_or_ends_its_callers_retries(budget: BudgetConfig | None, expected: int) -> None:
    """In its caller's further attempts it makes one try; when it cannot pay for any, nobody tries again."""
    calls: list[int] = []
    inner, query = failing(calls, budget)

    def behavior(request: Any, context: Any) -> bytes:
        try:
            inner.call(query)
        except ConnectionError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        return b""

    retry = RetryConfig(base_delay=0, budget=BudgetConfig(across_layers=True), retry_after=protected.retry_after)
    with blocking_server(behavior, accept=Accept()) as address, pytest.raises(grpc.RpcError):
        Pipeline(Policy("outer", retry=retry)).call(ask, address)
    assert len(calls) == expected


def test_asyncio_service_that_cannot_pay_ends_its_callers_retries() -> None:
    """The same on event loops."""
    calls: list[int] = []
    inner, query = failing(calls, BudgetConfig(reserve=0.5))

    async def behavior(request: Any, context: Any) -> bytes:
        try:
            await inner.acall(query)
        except ConnectionError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        return b""

    retry = RetryConfig(base_delay=0, budget=BudgetConfig(across_layers=True), retry_after=protected.retry_after)
    outer = Pipeline(Policy("outer", retry=retry))

    async def use(channel: grpc.aio.Channel) -> None:
        async def operation() -> bytes:
            answer: bytes = await channel.unary_unary(PATH)(b"")
            return answer

        with pytest.raises(grpc.RpcError):
            await outer.acall(operation)

    run_async(behavior, use, False, accept=Accept())
    assert len(calls) == 1


def test_overloaded_service_refuses_with_a_push_back() -> None:
    """UNAVAILABLE and the milliseconds until another try, which `retry_after` reads; critical calls are counted."""
    inside, free = threading.Event(), threading.Event()

    def behavior(request: Any, context: Any) -> bytes:
        inside.set()
        assert free.wait(20)
        return b""

    admission = Admission(AdmissionConfig(max_concurrent=1, max_waiting=0))
    with blocking_server(behavior, admission=admission) as address:
        first = threading.Thread(target=ask, args=(address,))
        first.start()
        assert inside.wait(20)
        with pytest.raises(grpc.RpcError) as caught:
            ask(address)
        free.set()
        first.join()
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert protected.retry_after(error) in (1.0, 2.0, 3.0)
    figures = admission.figures()
    assert (figures.running, figures.served[0:2], figures.shed[0:2]) == (0, (0, 1), (0, 1))


def test_handler_whose_caller_has_gone_makes_no_protected_call_any_more() -> None:
    """A thread cannot be stopped, but what it would still call is refused."""
    inside, gone = threading.Event(), threading.Event()
    seen: list[type[Exception] | None] = []
    done = threading.Event()
    inner = Pipeline(Policy("inner"))

    def behavior(request: Any, context: Any) -> bytes:
        context.add_callback(gone.set)
        inside.set()
        assert gone.wait(20)
        try:
            inner.call(list)
            seen.append(None)
        except Exception as error:
            seen.append(type(error))
        done.set()
        return b""

    with blocking_server(behavior) as address, grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(PATH).future(b"")
        assert inside.wait(20)
        call.cancel()
        assert done.wait(20)
    assert seen == [DeadlineExceededError]


def test_criticality_may_come_from_the_application() -> None:
    """A function of the servicer context decides over what the caller claims."""

    def behavior(request: Any, context: Any) -> bytes:
        return terms()

    options = {"accept": Accept(), "criticality": lambda context: Criticality.SHEDDABLE_PLUS, "user": lambda context: 7}
    with blocking_server(behavior, **options) as address, request_context(criticality="sheddable"):
        answer = json.loads(ask(address))
    assert answer[1:] == ["sheddable_plus", fairness_key("7"), 1]
