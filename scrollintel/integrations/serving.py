"""What the middlewares of servers have in common: who is let in, and under which terms."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any

from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.config.admission import AdmissionConfig
from ..core.context import Criticality, fairness_key
from ..core.errors import ConfigError, DeadlineExceededError, RejectedError, Violation
from ..core.outcome import Verdict
from ..core.retry_scope import RetryScope
from ..core.strategies.admission import Admission
from .propagation import NOTHING, Accept, Lookup, Received, received, serving

QUEUED_HEADER = "x-request-start"
"""When a proxy in front took the request: seconds, milliseconds or microseconds since 1970, `t=` before it or not."""
HEALTH_PATHS = frozenset({"/health", "/healthz", "/livez", "/ready", "/readyz"})
_LONGEST_WAIT = 60.0

Ask = Callable[[Any], Any]  # Any: a scope or an environment


class Visit:
    """One request that may be let in.

    Attributes:
        told: What it told, completed by what the application said about it.
        permit: What its admission gave: a permit, or a `Wait` that has to be over first.
        admission: Who gave it, or None for nobody.
        verdict: How it ended; to be set before the block is left.
        retries: What the layers inside have given up.
    """

    __slots__ = ("_began", "_cell", "_clock", "admission", "permit", "retries", "told", "verdict")

    def __init__(self, told: Received, clock: Clock) -> None:
        self.told = told
        self.permit: Any = None
        self.admission: Admission | None = None
        self.verdict = Verdict.IGNORED
        self.retries = RetryScope()
        self._clock = clock
        self._began = clock.monotonic()
        self._cell: list[Any] | None = None

    @contextmanager
    def working(self, *, revocable: bool = False) -> Iterator[None]:
        """Let the block work for the request, and give its permit back in the end.

        Arguments:
            revocable: Whether `abandon` is to have an effect, which makes protected calls in the block take longer.
        """
        self._cell = [inf, self._clock] if revocable else None
        left = self.told.remaining
        if left is not None:  # the caller has not waited less because the request stood in line here
            waited = self._clock.monotonic() - self._began
            self.told = replace(self.told, remaining=max(0.0, left - waited))
        try:
            with serving(self.told, self._clock, self._cell) as self.retries:
                yield
        except BaseException:
            self.broke_off()
            raise
        finally:
            self._cell = None
            if self.admission is not None:
                self.admission.leave(self.permit, self.verdict)

    def broke_off(self) -> None:
        """Note that an answer which had begun well was not finished, so its time says nothing."""
        if self.verdict is Verdict.SUCCESS:
            self.verdict = Verdict.IGNORED

    def abandon(self) -> None:
        """Let no protected call in the block begin any more, because nobody waits for the answer."""
        cell = self._cell
        if cell is not None:
            cell[0] = -inf

    def answered(self, status: int) -> bool:
        """Note the status of the answer; returns whether it is to say that nobody should try again."""
        if status in (503, 504):
            self.verdict = Verdict.FAILURE
        else:
            self.verdict = Verdict.SUCCESS if status < 500 else Verdict.IGNORED
        return status >= 500 and self.retries.gave_up


class Reception:
    """Decides about requests before the application sees them.

    Arguments:
        admission: Lets requests in; None for one that lets everybody in and counts what has expired.
        accept: What is believed of the headers of `propagation`; None for nothing.
        exempt: Paths that are always served, and count for nothing.
        criticality: Tells the class of a request, as a `Criticality` or its value, or None to leave it to the headers.
        user: Tells whom a request is for, such as the id of a user or tenant, or None.
        clock: Where time comes from; the system's by default.

    Raises:
        ConfigError: when an argument is something else, which would otherwise fail with each request.
    """

    def __init__(
        self,
        *,
        admission: Admission | None = None,
        accept: Accept | None = None,
        exempt: Collection[str] = HEALTH_PATHS,
        criticality: Ask | None = None,
        user: Ask | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        _check(admission, accept, exempt, criticality=criticality, user=user)
        self.exempt = frozenset(exempt)
        self._unlimited = admission is None
        self.admission = Admission(AdmissionConfig()) if admission is None else admission
        self._accept = accept
        self._criticality = criticality
        self._user = user
        self.clock = clock

    def begin(self, request: object, header: Lookup, left: float | None = None) -> Visit:
        """Return a request as it is to be let in; one whose permit is a `Wait` has to wait first.

        Arguments:
            request: What `criticality` and `user` are asked about.
            header: Gives the values of its headers.
            left: Seconds until its caller stops waiting, when the protocol itself says so; None for what headers say.

        Raises:
            ShedError: when it is refused because there are too many.
            DeadlineExceededError: when nobody waits for its answer any more.
        """
        told, waited = self._told(request, header)
        if left is not None:
            told = replace(told, remaining=max(0.0, left))
        if told.expired:
            raise self.admission.expired()
        visit = Visit(told, self.clock)
        if not self._unlimited:
            visit.admission = self.admission
            criticality = told.criticality or Criticality.CRITICAL
            visit.permit = self.admission.enter(criticality, told.fairness, waited, told.remaining)
        return visit

    def _told(self, request: object, header: Lookup) -> tuple[Received, float | None]:
        told, waited = NOTHING, None
        if self._accept is not None:
            told = received(header, self._accept)
            waited = queue_wait(header(QUEUED_HEADER), self.clock.time())
        criticality = None if self._criticality is None else self._criticality(request)
        user = None if self._user is None else self._user(request)
        if criticality is None and user is None:
            return told, waited
        told = replace(
            told,
            criticality=told.criticality if criticality is None else Criticality(criticality),
            fairness=told.fairness if user is None else fairness_key(user if isinstance(user, bytes) else str(user)),
        )
        return told, waited


def _check(admission: object, accept: object, exempt: object, **asked: object) -> None:
    problems = []
    if admission is not None and not isinstance(admission, Admission):
        allowed = "an Admission or None; an AdmissionConfig becomes one by Admission(config)"
        problems.append(Violation("admission", admission, allowed))
    if accept is not None and not isinstance(accept, Accept):
        problems.append(Violation("accept", accept, "an Accept or None"))
    if isinstance(exempt, str) or not isinstance(exempt, Iterable):
        problems.append(Violation("exempt", exempt, "a list of paths or methods, not one of them"))
    for field, value in asked.items():
        if value is not None and not callable(value):
            problems.append(Violation(field, value, "a function of the request or None"))
    if problems:
        raise ConfigError("ServerMiddleware", problems)


def queue_wait(text: str | None, now: float) -> float | None:
    """Return the seconds since a proxy took the request, 0 to 60; None when the header says nothing of use.

    Arguments:
        text: The header's value.
        now: Seconds since 1970.
    """
    if text is None:
        return None
    try:
        since = float(text.strip().removeprefix("t="))
    except ValueError:
        return None
    for unit in (1.0, 1e3, 1e6):
        waited = now - since / unit
        if -1.0 <= waited <= 3600.0:
            return min(max(waited, 0.0), _LONGEST_WAIT)
    return None


def refusal(error: RejectedError) -> tuple[int, str, dict[str, str], bytes]:
    """Return status, reason phrase, headers and body of the answer to a request that was refused."""
    if isinstance(error, DeadlineExceededError):
        status, phrase, title = 504, "Gateway Timeout", "the caller's time is over"
    else:
        status, phrase, title = 503, "Service Unavailable", "the server is overloaded"
    problem = {"type": "about:blank", "title": title, "status": status, "code": error.code}
    body = json.dumps(problem).encode()
    headers = {"content-type": "application/problem+json", "content-length": str(len(body))}
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:.0f}"
    return status, phrase, headers, body
