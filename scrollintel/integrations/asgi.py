"""Middleware for ASGI servers: sheds load, keeps callers' deadlines, and hands on how critical a request is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..core.drivers.asynchronous import wait_for
from ..core.errors import DeadlineExceededError, RejectedError, ShedError
from ..core.outcome import Verdict
from ..core.strategies.gate import Wait
from .propagation import NONE, RETRIES_HEADER
from .serving import Reception, Visit, refusal

Message = MutableMapping[str, Any]  # Any: as ASGI has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]
_BODIES = ("http.response.body", "http.response.zerocopysend", "http.response.pathsend")
"""Parts of an answer; the last two are extensions by which a server sends files itself."""
_FINAL = (RETRIES_HEADER.encode(), NONE.encode())


class ServerMiddleware:
    """An ASGI application around another one, on asyncio.

    Only HTTP requests are decided about; lifespan and web sockets pass.

    Arguments:
        app: The application.
        cancel_abandoned: Whether the application is cancelled when its caller has gone or the caller's time is over.
            Default False: not every handler was written to be interrupted. Protected calls inside end at the caller's
            deadline in any case.
        options: What `Reception` takes: `admission`, `accept`, `exempt`, `criticality`, `user`; the two callables take
            the ASGI scope.
    """

    def __init__(self, app: Application, *, cancel_abandoned: bool = False, **options: Any) -> None:
        self._app = app
        self._cancel = cancel_abandoned
        self._reception = Reception(**options)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._reception.exempt:
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])

        def header(name: str) -> str | None:
            value = headers.get(name.encode())
            return None if value is None else value.decode("latin-1")

        reception = self._reception
        try:
            visit = reception.begin(scope, header)
            if isinstance(visit.permit, Wait):
                visit.permit = await wait_for(reception.admission, reception.clock, visit, visit.permit)
        except (ShedError, DeadlineExceededError) as error:
            await _refuse(error, send)
            return
        attendant = _Attendant(visit, receive, send)
        with visit.working():
            if self._cancel:
                await attendant.run(self._app, scope)
            else:
                await self._app(scope, receive, attendant.send)


class _Attendant:
    """Stands between server and application for one request, and tells when nobody waits for the answer any more."""

    def __init__(self, visit: Visit, receive: Receive, send: Send) -> None:
        self._visit = visit
        self._receive = receive
        self._send = send
        self._came: asyncio.Queue[Message] = asyncio.Queue()
        self._started = self._complete = self._gone = False
        self._reason: Verdict | None = None
        self._task: asyncio.Task[Any] | None = None

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self._started = True
            if self._visit.answered(message["status"]):
                message = {**message, "headers": [*message.get("headers", ()), _FINAL]}
        elif message["type"] in _BODIES and not message.get("more_body", False):
            self._complete = True  # a server says that the caller has gone once it has the whole answer
        await self._send(message)

    async def receive(self) -> Message:
        """Give the application the next part of the request."""
        if self._gone and self._came.empty():
            return {"type": "http.disconnect"}
        message = await self._came.get()
        self._came.task_done()
        return message

    async def run(self, app: Application, scope: Any) -> None:
        """Run the application, and cancel it when its caller has gone or the caller's time is over."""
        task = self._task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        left = self._visit.told.remaining
        timer = None if left is None else task.get_loop().call_later(left, self._stop, Verdict.FAILURE)
        pump = asyncio.ensure_future(self._pump())
        try:
            await app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            if self._reason is None or task.uncancel() > cancelling:
                raise
        except BaseException:
            if self._reason is not None:
                task.uncancel()
            raise
        else:
            if self._reason is not None:
                task.uncancel()
        finally:
            if timer is not None:
                timer.cancel()
            pump.cancel()
        if self._reason is not None:
            self._visit.verdict = self._reason
            if self._reason is Verdict.FAILURE and not self._started:
                await _refuse(DeadlineExceededError("server"), self._send)

    def _stop(self, reason: Verdict) -> None:
        if self._task is not None and self._reason is None and not self._complete:
            self._reason = reason
            self._task.cancel()

    async def _pump(self) -> None:
        """Read ahead by one part, for only after the last one does a server tell that the caller has gone."""
        while True:
            try:
                message = await self._receive()
            except Exception:  # the connection is broken, whatever else this server says about it
                message = {"type": "http.disconnect"}
            self._gone = message["type"] == "http.disconnect"
            self._came.put_nowait(message)
            if self._gone:
                self._stop(Verdict.ABANDONED)
                return
            if message.get("more_body", False):
                await self._came.join()


async def _refuse(error: RejectedError, send: Send) -> None:
    status, _, headers, body = refusal(error)
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
