"""Interceptors for gRPC: clients tell their deadline, criticality and retries, servers keep to them and shed load."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from math import inf
from typing import Any, NamedTuple

import grpc
import grpc.aio

from ..core.call import remaining
from ..core.drivers import asynchronous, blocking
from ..core.errors import DeadlineExceededError, RejectedError, ShedError
from ..core.outcome import Verdict
from ..core.strategies.gate import Wait
from .propagation import NONE, RETRIES_HEADER, TIMEOUT_HEADER, outgoing
from .serving import Reception, Visit

PUSHBACK = "grpc-retry-pushback-ms"
"""Milliseconds until the next try, below 0 for none; gRPC's own retries keep to it (gRFC A6)."""
_KINDS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
Behavior = Callable[[Any, Any], Any]  # Any: messages and contexts of any service


def retry_after(seen: Any) -> float | None:  # Any: an error of any kind
    """Return the seconds that a server asks to wait, -1 for no further try, or None; for `RetryConfig.retry_after`."""
    if isinstance(seen, RejectedError):
        return seen.retry_after
    trailing = getattr(seen, "trailing_metadata", None)
    metadata = dict(trailing() or ()) if callable(trailing) else {}
    if metadata.get(RETRIES_HEADER) == NONE:
        return -1.0
    text = str(metadata.get(PUSHBACK, ""))
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        return None
    return -1.0 if text.startswith("-") else int(text) / 1000.0


# ------------------------------------------------------------------ clients


def _timeout(own: float | None) -> float | None:
    left = remaining()
    if left is None:
        return own
    return left if own is None else min(own, left)


def _told(metadata: Any) -> list[tuple[str, Any]]:
    listed = [] if metadata is None else [(key, value) for key, value in metadata]
    known = {key for key, _ in listed}
    told = outgoing().items()  # gRPC has a deadline of its own
    return [*listed, *((key, value) for key, value in told if key not in known and key != TIMEOUT_HEADER)]


class _Details(NamedTuple):
    method: Any
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class ClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """For `grpc.intercept_channel`: a call ends with the protected call around it, and tells what `outgoing` says."""

    def _send(self, continuation: Any, details: Any, request: Any) -> Any:
        told = _Details(
            details.method,
            _timeout(details.timeout),
            _told(details.metadata),
            details.credentials,
            getattr(details, "wait_for_ready", None),
            getattr(details, "compression", None),
        )
        return continuation(told, request)

    # One for all four, of which each knows its own types of requests and answers.
    intercept_unary_unary = intercept_unary_stream = _send  # type: ignore[assignment]
    intercept_stream_unary = intercept_stream_stream = _send  # type: ignore[assignment]


class _AsyncClientInterceptor:
    async def _send(self, continuation: Any, details: Any, request: Any) -> Any:
        metadata = grpc.aio.Metadata(*_told(details.metadata))
        return await continuation(details._replace(timeout=_timeout(details.timeout), metadata=metadata), request)


class AsyncUnaryUnary(_AsyncClientInterceptor, grpc.aio.UnaryUnaryClientInterceptor):
    """For calls with one request and one answer."""

    intercept_unary_unary = _AsyncClientInterceptor._send  # type: ignore[assignment]


class AsyncUnaryStream(_AsyncClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """For calls with one request and many answers."""

    intercept_unary_stream = _AsyncClientInterceptor._send  # type: ignore[assignment]


class AsyncStreamUnary(_AsyncClientInterceptor, grpc.aio.StreamUnaryClientInterceptor):
    """For calls with many requests and one answer."""

    intercept_stream_unary = _AsyncClientInterceptor._send  # type: ignore[assignment]


class AsyncStreamStream(_AsyncClientInterceptor, grpc.aio.StreamStreamClientInterceptor):
    """For calls with many requests and many answers."""

    intercept_stream_stream = _AsyncClientInterceptor._send  # type: ignore[assignment]


def async_client_interceptors() -> list[Any]:
    """Return what `grpc.aio.insecure_channel(..., interceptors=...)` takes; see `ClientInterceptor`."""
    return [AsyncUnaryUnary(), AsyncUnaryStream(), AsyncStreamUnary(), AsyncStreamStream()]


# ------------------------------------------------------------------ servers


def _begin(reception: Reception, context: Any) -> Visit:
    metadata = {str(key): value for key, value in context.invocation_metadata() or ()}

    def header(name: str) -> str | None:
        value = metadata.get(name)
        return value if isinstance(value, str) and name != TIMEOUT_HEADER else None

    left = context.time_remaining()
    return reception.begin(context, header, None if left is None or left == inf else left)


def _refusal(error: RejectedError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    if isinstance(error, DeadlineExceededError):
        return grpc.StatusCode.DEADLINE_EXCEEDED, "the caller's time is over", ()
    wait = error.retry_after
    pushback = () if wait is None else ((PUSHBACK, f"{wait * 1000.0:.0f}"),)
    return grpc.StatusCode.UNAVAILABLE, "the server is overloaded", pushback


def _final(visit: Visit, context: Any, metadata: Any = ()) -> Any:
    """Return the trailing metadata of a call that fails, which says so when nobody is to try again."""
    metadata = metadata or context.trailing_metadata() or ()
    return (*metadata, (RETRIES_HEADER, NONE), (PUSHBACK, "-1")) if visit.retries.gave_up else metadata


class _Context:
    """The context of a call on an event loop, where `abort` sends the trailing metadata at once."""

    def __init__(self, context: Any, visit: Visit) -> None:
        self._context = context
        self._visit = visit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> None:
        """End the call with an error."""
        await self._context.abort(code, details, _final(self._visit, self._context, trailing_metadata))


def _wrapped(handler: Any, wrap: Callable[[Behavior, bool], Behavior | None]) -> Any:
    name, make = _KINDS[handler.request_streaming, handler.response_streaming]
    behavior = wrap(getattr(handler, name), handler.response_streaming)
    return handler if behavior is None else make(behavior, handler.request_deserializer, handler.response_serializer)


class ServerInterceptor(grpc.ServerInterceptor):
    """For `grpc.server(..., interceptors=[...])`.

    A handler whose caller has gone cannot be stopped; its protected calls are refused from then on.

    Arguments:
        options: What `Reception` takes: `admission`, `accept`, `criticality`, `user`; the two callables take the
            servicer context. `exempt` names methods such as `/grpc.health.v1.Health/Check`.
    """

    def __init__(self, **options: Any) -> None:
        self._reception = Reception(**options)

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler, decided about each time it is called."""
        handler = continuation(handler_call_details)
        if handler is None or handler_call_details.method in self._reception.exempt:
            return handler
        return _wrapped(handler, self._stream_or_not)

    def _stream_or_not(self, behavior: Behavior, streaming: bool) -> Behavior:
        def unary(request: Any, context: Any) -> Any:
            visit = self._admit(context)
            return copy_context().run(self._run, visit, behavior, request, context)

        def stream(request: Any, context: Any) -> Iterator[Any]:
            visit = self._admit(context)
            # A context of its own, because the body of a generator would leave its terms to the thread at each yield.
            own = copy_context()
            answers = self._answers(visit, behavior, request, context)
            try:
                while True:
                    try:
                        answer = own.run(next, answers)
                    except StopIteration:
                        return
                    yield answer
            finally:
                own.run(answers.close)

        return stream if streaming else unary

    def _admit(self, context: Any) -> Visit:
        reception = self._reception
        try:
            visit = _begin(reception, context)
            if isinstance(visit.permit, Wait):
                visit.permit = blocking.wait_for(reception.admission, reception.clock, visit, visit.permit)
        except (ShedError, DeadlineExceededError) as error:
            code, text, trailing = _refusal(error)
            context.set_trailing_metadata(trailing)
            context.abort(code, text)
            raise  # `abort` has raised already
        context.add_callback(visit.abandon)
        return visit

    def _run(self, visit: Visit, behavior: Behavior, request: Any, context: Any) -> Any:
        with visit.working(revocable=True):
            try:
                answer = behavior(request, context)
            except Exception:
                context.set_trailing_metadata(_final(visit, context))
                raise
            visit.verdict = Verdict.SUCCESS
            return answer

    def _answers(self, visit: Visit, behavior: Behavior, request: Any, context: Any) -> Any:
        with visit.working(revocable=True):
            try:
                yield from behavior(request, context)
            except Exception:
                context.set_trailing_metadata(_final(visit, context))
                raise
            visit.verdict = Verdict.SUCCESS


class AsyncServerInterceptor(grpc.aio.ServerInterceptor):
    """For `grpc.aio.server(interceptors=[...])`, which cancels handlers whose caller has gone by itself.

    Handlers are coroutine functions or asynchronous generators; plain functions pass undecided.

    Arguments:
        options: What `ServerInterceptor` takes.
    """

    def __init__(self, **options: Any) -> None:
        self._reception = Reception(**options)

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler, decided about each time it is called."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method in self._reception.exempt:
            return handler
        return _wrapped(handler, self._stream_or_not)

    def _stream_or_not(self, behavior: Behavior, streaming: bool) -> Behavior | None:
        async def coroutine(request: Any, context: Any) -> Any:
            visit = await self._admit(context)
            with visit.working():
                try:
                    answer = await behavior(request, _Context(context, visit))
                except Exception:
                    context.set_trailing_metadata(_final(visit, context))
                    raise
                visit.verdict = Verdict.SUCCESS
                return answer

        async def generator(request: Any, context: Any) -> AsyncIterator[Any]:
            visit = await self._admit(context)
            with visit.working():
                try:
                    async for answer in behavior(request, _Context(context, visit)):
                        yield answer
                except Exception:
                    context.set_trailing_metadata(_final(visit, context))
                    raise
                visit.verdict = Verdict.SUCCESS

        if inspect.isasyncgenfunction(behavior):
            return generator
        return coroutine if inspect.iscoroutinefunction(behavior) else None

    async def _admit(self, context: Any) -> Visit:
        reception = self._reception
        try:
            visit = _begin(reception, context)
            if isinstance(visit.permit, Wait):
                visit.permit = await asynchronous.wait_for(reception.admission, reception.clock, visit, visit.permit)
        except (ShedError, DeadlineExceededError) as error:
            code, text, trailing = _refusal(error)
            await context.abort(code, text, trailing)
            raise  # `abort` has raised already
        return visit
