"""What a request tells the next service: the time that is left, how critical it is, and who retries.

Header names are those of gRPC metadata as well. What is received is never trusted: a value that makes no sense is
ignored, and one that makes sense is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ..core.call import DEADLINE, remaining
from ..core.clock import Clock
from ..core.config.base import Config, choice, number
from ..core.context import REQUEST, Criticality, RequestContext, current_request
from ..core.interventions import INTERVENTIONS
from ..core.retry_scope import RETRIES, RetryScope, surrounding_retries

TIMEOUT_HEADER = "x-envoy-expected-rq-timeout-ms"
"""Whole milliseconds that are left for the request; Envoy sends and understands it. gRPC has `grpc-timeout`."""
ATTEMPT_HEADER = "x-envoy-attempt-count"
"""Number of the attempt, from 1; Envoy sends it too."""
CRITICALITY_HEADER = "request-criticality"
"""A value of `Criticality`."""
FAIRNESS_HEADER = "request-fairness"
"""Hash of the user or tenant, 16 hexadecimal digits."""
RETRIES_HEADER = "request-retries"
"""`none` in a request: the caller's layers retry, so make one attempt. `none` in an answer: do not try again."""
NONE = "none"
MAX_ATTEMPT = 100
_MAX_DIGITS = 12
_MOST_MILLISECONDS = 10.0**_MAX_DIGITS - 1.0
_HEX = frozenset("0123456789abcdef")

Lookup = Callable[[str], str | None]
"""Gives the value of a header by its lower-case name."""


@dataclass(frozen=True, slots=True)
class Accept(Config):
    """What of a caller's word is believed.

    Arguments:
        longest: Seconds that a caller may claim to wait at most; longer claims are cut. Above 0, default 300.
        highest: Highest criticality that a caller may claim; higher claims are lowered. Default `critical`, so that
            only a service which says so takes `critical_plus` from outside.

    Raises:
        ConfigError: with every violation.
    """

    longest: float = field(default=300.0, metadata=number(above=True, maximum=86_400.0, unit="seconds"))
    highest: Criticality = field(default=Criticality.CRITICAL, metadata=choice(Criticality))


@dataclass(frozen=True, slots=True)
class Received:
    """What a request has told, after it was checked.

    Arguments:
        remaining: Seconds left for it, at least 0; None when nothing was said.
        attempt: Number of the attempt, from 1.
        caller_retries: Whether the caller's layers own the retries.
        criticality: Its class, or None.
        fairness: Whom it is for, or None.
    """

    remaining: float | None = None
    attempt: int = 1
    caller_retries: bool = False
    criticality: Criticality | None = None
    fairness: str | None = None

    @property
    def expired(self) -> bool:
        """True when nobody waits for the answer any more."""
        return self.remaining is not None and self.remaining <= 0.0


NOTHING = Received()


def outgoing(attempt: int = 1) -> dict[str, str]:
    """Return the headers for an attempt that begins now; must not raise.

    Arguments:
        attempt: Number of the attempt, from 1; an outer layer's higher number counts.
    """
    headers: dict[str, str] = {}
    left = remaining()
    if left is not None:
        headers[TIMEOUT_HEADER] = str(int(min(left * 1000.0, _MOST_MILLISECONDS)))
    scope = surrounding_retries()
    if scope is not None:
        attempt = max(attempt, scope.attempt)
    headers[ATTEMPT_HEADER] = str(min(attempt, MAX_ATTEMPT))
    if attempt > 1 or (scope is not None and not all(purse.affords for purse in scope.purses)):
        headers[RETRIES_HEADER] = NONE
    request = current_request()
    if request.criticality is not Criticality.CRITICAL:
        headers[CRITICALITY_HEADER] = request.criticality.value
    if request.fairness is not None:
        headers[FAIRNESS_HEADER] = request.fairness
    return headers


def received(header: Lookup, accept: Accept) -> Received:
    """Return what a request tells; never raises, whatever the headers hold."""
    milliseconds = _whole(header(TIMEOUT_HEADER))
    attempt = _whole(header(ATTEMPT_HEADER))
    return Received(
        remaining=None if milliseconds is None else min(milliseconds / 1000.0, accept.longest),
        attempt=1 if attempt is None else min(max(attempt, 1), MAX_ATTEMPT),
        caller_retries=_word(header(RETRIES_HEADER)) == NONE,
        criticality=_criticality(header(CRITICALITY_HEADER), accept.highest),
        fairness=_fairness(header(FAIRNESS_HEADER)),
    )


def is_final(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer says that it is not to be asked for again; `headers` ignores upper and lower case."""
    return _word(headers.get(RETRIES_HEADER)) == NONE


def note_final(response: object, headers: Mapping[str, str]) -> None:
    """Let no layer around try again after an answer that says so."""
    if is_final(headers):
        scope = surrounding_retries()
        if scope is not None:
            scope.give_up(response)


@contextmanager
def serving(told: Received, clock: Clock, cell: list[Any] | None = None) -> Iterator[RetryScope]:
    """Let the block work for a request: under its deadline, with its criticality, and as an attempt of its caller.

    `gave_up` of the scope tells whether something in the block could not pay for another try. With a `cell` the caller
    can change the deadline while the block works, see `core.call.DEADLINE`.
    """
    if told.remaining is not None:
        cell = [inf, clock] if cell is None else cell
        cell[0] = clock.monotonic() + told.remaining
    if cell is not None:
        INTERVENTIONS.expect_deadlines()
    scope = RetryScope((), max(told.attempt, 2 if told.caller_retries else 1))
    token = DEADLINE.set(cell)
    request = REQUEST.set(RequestContext(told.criticality or Criticality.CRITICAL, told.fairness))
    retries = RETRIES.set(scope)
    try:
        yield scope
    finally:
        if cell is not None:
            cell[0] = inf
        scope.end(None)
        try:
            RETRIES.reset(retries)
            REQUEST.reset(request)
            DEADLINE.reset(token)
        except ValueError:  # a coroutine that the garbage collector closes is in another context
            pass


def _word(text: str | None) -> str | None:
    return None if text is None else text.strip().lower()


def _whole(text: str | None) -> int | None:
    text = _word(text)
    if not text or len(text) > _MAX_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def _criticality(text: str | None, highest: Criticality) -> Criticality | None:
    try:
        found = Criticality(_word(text) or "")
    except ValueError:
        return None
    return highest if found.rank < highest.rank else found


def _fairness(text: str | None) -> str | None:
    text = _word(text)
    return text if text is not None and len(text) == 16 and _HEX.issuperset(text) else None
