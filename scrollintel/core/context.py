"""What is known of the request that a call belongs to; it passes on to nested calls, tasks and threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum


class Criticality(StrEnum):
    """How much harm it does when a request is refused: what is least critical is refused first.

    The four classes are those of the SRE book (chapter 21, "Handling Overload"). `rank` counts them from 0, the most
    critical one.
    """

    rank: int

    CRITICAL_PLUS = "critical_plus"
    """Refusing it does serious harm that users see; the last to be refused."""
    CRITICAL = "critical"
    """What a request is unless somebody says otherwise."""
    SHEDDABLE_PLUS = "sheddable_plus"
    """Partial unavailability is expected: batch work that is tried again minutes or hours later."""
    SHEDDABLE = "sheddable"
    """Frequent refusals are expected; the first to be refused."""


for _rank, _member in enumerate(Criticality):
    _member.rank = _rank


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is known of one request.

    Arguments:
        criticality: Its class; `Criticality.CRITICAL` by default.
        fairness: Whom it is for, as `fairness_key` gives it, so that load is shed user by user; None when unknown.
    """

    criticality: Criticality = Criticality.CRITICAL
    fairness: str | None = None


_UNKNOWN = RequestContext()
REQUEST: ContextVar[RequestContext] = ContextVar("scrollintel_request", default=_UNKNOWN)
"""The request that the present task or thread works for."""


def fairness_key(user: str | bytes | int) -> str:
    """Return 16 hexadecimal digits that stand for a user or a tenant: the same everywhere, and not the name itself.

    Text, the bytes of a header and numbers that read the same mean the same user.
    """
    from hashlib import blake2b

    name = user if isinstance(user, bytes) else str(user).encode(errors="replace")
    return blake2b(name, digest_size=8).hexdigest()


def current_request() -> RequestContext:
    """Return what is known of the request that the caller works for."""
    return REQUEST.get()


def _class_of(given: Criticality | str) -> Criticality:
    try:
        return Criticality(given)
    except ValueError:
        allowed = f"one of {', '.join(repr(known.value) for known in Criticality)}"
        raise ValueError(f"request_context: criticality={given!r}: must be {allowed}") from None


@contextmanager
def request_context(
    *, criticality: Criticality | str | None = None, user: str | bytes | int | None = None
) -> Iterator[RequestContext]:
    """Say something about the request that the block works for; what is not said stays as around the block.

    `with request_context(criticality="sheddable"): ...` in blocking code and in coroutines alike.

    Arguments:
        criticality: A `Criticality` or its value; None (default) for that of the surrounding request.
        user: Whom the request is for, such as the id of a user or a tenant; only a hash of it is kept.

    Raises:
        ValueError: when there is no such criticality, or the user is none of these.
    """
    context = REQUEST.get()
    if criticality is not None:
        context = replace(context, criticality=_class_of(criticality))
    if user is not None:
        if isinstance(user, bool) or not isinstance(user, str | bytes | int):
            kind = type(user).__name__  # the value itself may be personal data
            raise ValueError(f"request_context: user is a {kind}: must be text, bytes or a whole number")
        context = replace(context, fairness=fairness_key(user))
    token = REQUEST.set(context)
    try:
        yield context
    finally:
        REQUEST.reset(token)
