"""One request with all its attempts: sends it, and frees the connections of the answers that nobody will see."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.config.policy import Policy
from ..core.errors import CallTimeoutError, RejectedError
from ..core.pipeline import Pipeline
from .http_errors import ClientErrors

SMALL = 65_536
"""Bytes up to which the body of an answer that may be retried is read at once, so that its connection is free."""
SHORTEST = 0.001
"""Seconds that a socket is given at least; zero would mean not to wait at all."""


def is_small(response: Any) -> bool:  # Any: a response of any client
    """Tell whether a response announces a body of at most `SMALL` bytes."""
    length = response.headers.get("Content-Length", "")
    return length.isascii() and length.isdigit() and len(length) <= 9 and int(length) <= SMALL


def may_be_retried(policy: Policy, response: object) -> bool:
    """Tell whether the policy looks at `response` and would rather have another one."""
    wanted = None if policy.retry is None else policy.retry.result_predicate
    return wanted is not None and bool(wanted(response))


def shorter(own: float | None, left: float) -> float:
    """Return the shorter of a client's own limit and the seconds left, both in seconds; None is no limit."""
    return max(SHORTEST, left if own is None else min(own, left))


class Exchange:
    """A request of a blocking client; its twin for asyncio stands below.

    Arguments:
        send: Sends the request once and returns the response.
        errors: How refusals and time limits are raised.
    """

    __slots__ = ("_errors", "_last", "_send")

    def __init__(self, send: Callable[[Any], Any], errors: ClientErrors) -> None:
        self._send = send
        self._errors = errors
        self._last: Any = None

    def run(self, pipeline: Pipeline, request: object) -> Any:
        """Return the response under the policy of `pipeline`.

        Raises:
            RejectedError: as an error of the client, when the request was not sent.
            Exception: what the client raised last.
        """
        try:
            answer = pipeline.call(self._attempt, request)
        except (RejectedError, CallTimeoutError) as error:
            self._discard()
            raise self._errors.translate(error, request) from error.__cause__
        except BaseException:
            self._discard()
            raise
        if answer is not self._last:
            self._discard()
        return answer

    def _attempt(self, request: object) -> Any:
        self._discard()
        self._last = response = self._send(request)
        return response

    def _discard(self) -> None:
        response, self._last = self._last, None
        if response is not None:
            with contextlib.suppress(Exception):
                response.close()


class AsyncExchange:
    """A request of an asyncio client; see `Exchange`."""

    __slots__ = ("_errors", "_last", "_send")

    def __init__(self, send: Callable[[Any], Awaitable[Any]], errors: ClientErrors) -> None:
        self._send = send
        self._errors = errors
        self._last: Any = None

    async def run(self, pipeline: Pipeline, request: object) -> Any:
        """Return the response under the policy of `pipeline`; raises what `Exchange.run` raises."""
        try:
            answer = await pipeline.acall(self._attempt, request)
        except (RejectedError, CallTimeoutError) as error:
            await self._discard()
            raise self._errors.translate(error, request) from error.__cause__
        except BaseException:
            await self._discard()
            raise
        if answer is not self._last:
            await self._discard()
        return answer

    async def _attempt(self, request: object) -> Any:
        await self._discard()
        self._last = response = await self._send(request)
        return response

    async def _discard(self) -> None:
        response, self._last = self._last, None
        if response is not None:
            with contextlib.suppress(Exception):
                await response.aclose()
