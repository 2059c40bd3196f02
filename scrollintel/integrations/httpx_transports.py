"""The transports of `httpx2` and `httpx`, whose interfaces are the same; imports neither."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from ..core.call import remaining
from ..core.config.policy import Policy
from ..core.pipeline import Pipeline
from ..core.registry import DEFAULT_REGISTRY, Registry
from .http_errors import ClientErrors
from .http_exchange import AsyncExchange, Exchange, is_small, may_be_retried, shorter
from .http_policy import DEFAULT_NAME, Protection
from .propagation import note_final
from .trace_headers import Propagate, Source, carried_by, with_trace

T = TypeVar("T")
_PHASES = ("connect", "read", "write", "pool")


class ProtectedTransport(Generic[T]):
    """What both colours share.

    Arguments:
        wrapped: The transport that sends; by default a new one with the client library's defaults. Its own
            `retries` should stay 0, because they would multiply.
        policy: A `Policy`, the name of one, or a pipeline; see `http_policy`.
        registry: Where names are looked up; the process-wide one by default.
        propagate: Whether requests tell their server the time left, their criticality and who retries, see
            `propagation`; or a function of the request that says so. False by default: the same client may speak to
            strangers, whom none of this concerns.

    Raises:
        ConfigError: when the policy does not fit HTTP clients.
    """

    errors: ClassVar[ClientErrors]
    body: ClassVar[Any]  # the client library's ByteStream
    default: ClassVar[Any]  # the client library's own transport

    def __init__(
        self,
        wrapped: T | None = None,
        policy: Policy | Pipeline | str = DEFAULT_NAME,
        *,
        registry: Registry = DEFAULT_REGISTRY,
        propagate: Propagate = False,
    ) -> None:
        self._propagate = propagate
        self._protection = Protection(policy, registry)
        self._wrapped: Any = self.default() if wrapped is None else wrapped

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline behind this transport, for its circuits and snapshots."""
        return self._protection.pipeline


def _attempt_of(request: Any, traces: Source | None) -> Any:
    """Return a request as one attempt sends it: the same may be sent more than once at a time, by a hedge around it."""
    attempt = object.__new__(type(request))
    attempt.__dict__.update(request.__dict__)  # the stream included, which `copy` leaves out
    attempt.extensions = dict(request.extensions)
    attempt.headers = with_trace(request.headers, traces)
    return attempt


class _Limited:
    """Caps the limits of an attempt while it runs; afterwards the body is read under the request's own.

    The connection reads the limits from the request's extensions when each phase starts.
    """

    __slots__ = ("_extensions", "_own")

    def __init__(self, request: Any) -> None:
        self._extensions = request.extensions
        self._own = request.extensions.get("timeout")

    def __enter__(self) -> None:
        left = remaining()
        if left is not None:
            own = self._own or {}
            self._extensions["timeout"] = {phase: shorter(own.get(phase), left) for phase in _PHASES}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._own is None:
            self._extensions.pop("timeout", None)
        else:
            self._extensions["timeout"] = self._own


class BlockingTransport(ProtectedTransport[T]):
    """Sends the requests of a blocking client under a policy."""

    def handle_request(self, request: Any) -> Any:  # Any: the types of either client library
        """Send a request as often as the policy says and return the last response.

        Raises:
            RejectedError: as a `TransportError` of the client library, when the request was not sent.
            Exception: what the wrapped transport raised last.
        """
        pipeline = self._protection.pipeline
        policy = pipeline.policy
        traces = carried_by(request, self._propagate)

        def send(request: Any) -> Any:
            attempt = _attempt_of(request, traces)
            with _Limited(attempt):
                response = self._wrapped.handle_request(attempt)
                note_final(response, response.headers)
                if may_be_retried(policy, response) and is_small(response):
                    self._read(response)
                return response

        return Exchange(send, self.errors).run(pipeline, request)

    def _read(self, response: Any) -> None:
        stream = response.stream
        try:
            response.stream = self.body(b"".join(stream))
        finally:
            stream.close()

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._wrapped.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Close the wrapped transport."""
        self._wrapped.close()


class AsyncTransport(ProtectedTransport[T]):
    """Sends the requests of an asyncio client under a policy."""

    async def handle_async_request(self, request: Any) -> Any:  # Any: the types of either client library
        """Send a request as often as the policy says and return the last response.

        Raises:
            RejectedError: as a `TransportError` of the client library, when the request was not sent.
            CallTimeoutError: as a `TimeoutException` of the client library, when it did not finish in time.
            Exception: what the wrapped transport raised last.
        """
        pipeline = self._protection.pipeline
        policy = pipeline.policy
        traces = carried_by(request, self._propagate)

        async def send(request: Any) -> Any:
            attempt = _attempt_of(request, traces)
            with _Limited(attempt):
                response = await self._wrapped.handle_async_request(attempt)
                note_final(response, response.headers)
                if may_be_retried(policy, response) and is_small(response):
                    await self._read(response)
                return response

        return await AsyncExchange(send, self.errors).run(pipeline, request)

    async def _read(self, response: Any) -> None:
        stream = response.stream
        try:
            response.stream = self.body(b"".join([part async for part in stream]))
        finally:
            await stream.aclose()

    async def __aenter__(self) -> Self:
        await self._wrapped.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._wrapped.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._wrapped.aclose()
