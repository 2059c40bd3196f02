"""Middleware for WSGI servers: sheds load, keeps callers' deadlines, and hands on how critical a request is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from contextvars import Context, copy_context
from typing import Any

from ..core.drivers.blocking import wait_for
from ..core.errors import DeadlineExceededError, ShedError
from ..core.outcome import Verdict
from ..core.strategies.gate import Wait
from .propagation import NONE, RETRIES_HEADER
from .serving import Reception, Visit, refusal

Environment = dict[str, Any]  # Any: as WSGI has it
Application = Callable[[Environment, Any], Iterable[bytes]]


class ServerMiddleware:
    """A WSGI application around another one.

    Arguments:
        app: The application.
        options: What `Reception` takes: `admission`, `accept`, `exempt`, `criticality`, `user`; the two callables take
            the WSGI environment.
    """

    def __init__(self, app: Application, **options: Any) -> None:
        self._app = app
        self._reception = Reception(**options)

    def __call__(self, environ: Environment, start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "") in self._reception.exempt:
            return self._app(environ, start_response)

        def header(name: str) -> str | None:
            value = environ.get("HTTP_" + name.upper().replace("-", "_"))
            return value if isinstance(value, str) else None

        reception = self._reception
        try:
            visit = reception.begin(environ, header)
            if isinstance(visit.permit, Wait):
                visit.permit = wait_for(reception.admission, reception.clock, visit, visit.permit)
        except (ShedError, DeadlineExceededError) as error:
            status, phrase, headers, body = refusal(error)
            start_response(f"{status} {phrase}", list(headers.items()))
            return [body]
        context, stack = copy_context(), ExitStack()
        try:
            answer = context.run(self._begin, stack, visit, environ, start_response)
            if not isinstance(answer, list | tuple):
                return _Answer(answer, visit, context, stack)
        except BaseException:
            visit.verdict = Verdict.IGNORED
            context.run(stack.close)
            raise
        context.run(stack.close)  # there is nothing left to do for it
        return answer

    def _begin(self, stack: ExitStack, visit: Visit, environ: Environment, start_response: Any) -> Iterable[bytes]:
        stack.enter_context(visit.working())

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if visit.answered(int(status[:3])):
                headers = [*headers, (RETRIES_HEADER, NONE)]
            return start_response(status, headers, *more)

        return self._app(environ, start)


class _Answer:
    """The rest of an answer, which is made under the terms of its request."""

    __slots__ = ("_context", "_parts", "_rest", "_stack", "_visit")

    def __init__(self, parts: Iterable[bytes], visit: Visit, context: Context, stack: ExitStack) -> None:
        self._parts = parts
        self._rest = context.run(iter, parts)
        self._visit = visit
        self._context = context
        self._stack = stack

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self._context.run(next, self._rest)
        except StopIteration:
            raise
        except BaseException:
            self._visit.broke_off()
            raise

    def close(self) -> None:
        """End the request, as servers must say."""
        self._context.run(self._close)

    def _close(self) -> None:
        with self._stack:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
