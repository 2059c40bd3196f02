"""What middlewares make of requests that wait, answers that break off, and applications that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from scrollintel.core.call import remaining
from scrollintel.core.config.admission import AdmissionConfig
from scrollintel.core.context import request_context
from scrollintel.core.errors import ConfigError, DeadlineExceededError
from scrollintel.core.machines.admission import FixedSlots
from scrollintel.core.outcome import Verdict
from scrollintel.core.strategies.admission import Admission
from scrollintel.core.strategies.gate import Wait
from scrollintel.integrations import asgi, wsgi
from scrollintel.integrations.propagation import TIMEOUT_HEADER, Accept
from scrollintel.integrations.serving import Reception
from scrollintel.testing import ManualClock

PATH = {"PATH_INFO": "/"}
SCOPE = {"type": "http", "path": "/", "headers": []}


class Slots(FixedSlots):
    """One slot that tells how the requests ended that had it."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.ended: list[Verdict] = []

    def release(self, flight: Any, now: float, verdict: Verdict) -> None:
        """Give the slot back."""
        self.ended.append(verdict)
        super().release(flight, now, verdict)


@pytest.fixture
def slots() -> Slots:
    """Return one slot."""
    return Slots()


@pytest.fixture
def admission(slots: Slots, clock: ManualClock) -> Admission:
    """Return the admission of a server that serves one request at once."""
    return Admission(AdmissionConfig(max_wait=10.0), slots=slots, clock=clock)


def start(status: str, headers: Any, *more: Any) -> None:
    """Take the status of a WSGI answer."""


def test_wait_for_a_slot_counts_as_time_of_the_caller(admission: Admission, clock: ManualClock) -> None:
    """A request with 0.5 s that stood in line for 0.4 s has 0.1 s left when it begins."""
    reception = Reception(admission=admission, accept=Accept(), clock=clock)
    headers = {TIMEOUT_HEADER: "500"}
    first, second = (reception.begin({}, headers.get) for _ in range(2))
    assert isinstance(second.permit, Wait)
    with first.working():
        clock.advance(0.4)
    second.permit = admission.resume(None, second.permit)
    with second.working():
        assert remaining() == pytest.approx(0.1)


def test_time_of_the_caller_that_ended_in_line_lets_nothing_begin(admission: Admission, clock: ManualClock) -> None:
    """Granted the slot at the very end of its time, a request has nothing left."""
    reception = Reception(admission=admission, accept=Accept(), clock=clock)
    first, second = (reception.begin({}, {TIMEOUT_HEADER: "500"}.get) for _ in range(2))
    with first.working():
        clock.advance(0.6)
    second.permit = admission.resume(None, second.permit)
    with second.working():
        assert remaining() == 0.0


def test_asgi_answer_that_breaks_off_is_no_response_time(admission: Admission, slots: Slots) -> None:
    """An application that fails, or is cancelled, after its 200 has not answered in good time."""

    async def send(message: Any) -> None:
        return

    def breaking(error: BaseException) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise error

        return app

    for error in (ValueError(), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            asyncio.run(asgi.ServerMiddleware(breaking(error), admission=admission)(SCOPE, None, send))  # type: ignore[arg-type]
    assert slots.ended == [Verdict.IGNORED, Verdict.IGNORED]


def test_wsgi_answer_that_breaks_off_is_no_response_time(admission: Admission, slots: Slots) -> None:
    """An iterable that fails after its first part has not answered in good time."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a part"
        raise ValueError

    answer: Any = wsgi.ServerMiddleware(app, admission=admission)(PATH, start)
    assert next(answer) == b"a part"
    with pytest.raises(ValueError):
        next(answer)
    answer.close()
    assert slots.ended == [Verdict.IGNORED]


def test_wsgi_application_that_returns_nothing_keeps_no_slot(admission: Admission, slots: Slots) -> None:
    """What cannot be iterated gives the slot back at once, whoever keeps the error."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])

    with pytest.raises(TypeError) as kept:
        wsgi.ServerMiddleware(app, admission=admission)(PATH, start)
    assert slots.running == 0, kept
    assert slots.ended == [Verdict.IGNORED]


@pytest.mark.parametrize("last", ["http.response.body", "http.response.pathsend", "http.response.zerocopysend"])
def test_work_after_a_file_that_the_server_sends_is_not_cancelled(last: str) -> None:
    """A server tells that the caller is gone once it has the whole answer, in whichever form."""
    ended: list[str] = []

    async def main() -> None:
        came: asyncio.Queue[Any] = asyncio.Queue()
        came.put_nowait({"type": "http.request", "body": b""})

        async def send(message: Any) -> None:
            if message["type"] == last:
                came.put_nowait({"type": "http.disconnect"})

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": last})
            for _ in range(10):
                await asyncio.sleep(0)
            ended.append(last)

        await asgi.ServerMiddleware(app, cancel_abandoned=True)(SCOPE, came.get, send)

    asyncio.run(main())
    assert ended == [last]


def test_request_whose_time_is_over_takes_no_slot(admission: Admission, slots: Slots, clock: ManualClock) -> None:
    """What nobody waits for is refused before it stands in line."""
    reception = Reception(admission=admission, accept=Accept(), clock=clock)
    with pytest.raises(DeadlineExceededError):
        reception.begin({}, {TIMEOUT_HEADER: "0"}.get)
    assert slots.running == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"admission": AdmissionConfig()}, "must be an Admission or None"),
        ({"accept": True}, "accept=True: must be an Accept or None"),
        ({"exempt": "/health"}, "exempt='/health': must be a list of paths or methods, not one of them"),
        ({"criticality": "critical"}, "criticality='critical': must be a function of the request or None"),
        ({"user": "ann"}, "user='ann': must be a function of the request or None"),
    ],
)
@pytest.mark.parametrize("middleware", [asgi.ServerMiddleware, wsgi.ServerMiddleware])
def test_middleware_refuses_what_would_fail_with_each_request(middleware: Any, options: Any, told: str) -> None:
    """A server that starts serves: what does not fit is told when the middleware is made."""
    with pytest.raises(ConfigError) as caught:
        middleware(lambda *arguments: [], **options)
    assert told in str(caught.value)


def test_admission_takes_a_configuration_alone() -> None:
    """A name in its place is told at once."""
    wrong: Any = "shop"
    with pytest.raises(ConfigError, match="config='shop': must be an AdmissionConfig or None"):
        Admission(wrong)


@pytest.mark.parametrize("user", ["7", b"7", 7])
def test_user_is_the_same_however_a_server_gives_its_name(admission: Admission, user: object) -> None:
    """ASGI gives headers as bytes and WSGI as text; whoever is meant keeps the same place."""
    visit = Reception(admission=admission, user=lambda request: user).begin({}, {}.get)
    with request_context(user="7") as known:
        assert visit.told.fairness == known.fairness
