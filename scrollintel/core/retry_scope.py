"""What nested calls know of the retries around them: whose budgets they pay from, and whether to stand down."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

MOST_MARKS = 16
"""Results that one attempt remembers as given up; the oldest are forgotten."""
MOST_CAUSES = 8
"""Errors behind an error that are looked at."""


class Purse(Protocol):
    """What pays for further attempts: a budget."""

    @property
    def affords(self) -> bool:
        """True when it can pay for a further attempt now."""

    def withdraw(self) -> bool:
        """Take the price of a further attempt; False when there is not enough."""

    def refund(self) -> None:
        """Take the price of a further attempt back that did not start."""


class RetryScope:
    """One attempt of a layer that has the retries of all layers inside it on its books.

    Arguments:
        purses: Budgets that every further attempt inside pays from, the outermost first.
        attempt: Number of the attempt; the highest one of all layers around it, from 1.
        outer: The scope around this one, or None.

    Attributes:
        marks: What layers inside have given up, or None.
        ended: True when the attempt is over. Tasks and threads that it started live on with a copy of its context, and
            what they do then is on nobody's books.
    """

    # Defaults of the class instead of slots that every attempt would have to fill.
    outer: RetryScope | None = None
    ended = False
    marks: list[object] | None = None

    def __init__(self, purses: tuple[Purse, ...] = (), attempt: int = 1, outer: RetryScope | None = None) -> None:
        self.purses = purses
        self.attempt = attempt
        if outer is not None:
            self.outer = outer

    @property
    def stands_down(self) -> bool:
        """True when a layer around is in a further attempt already, so that those inside make one attempt each."""
        return self.attempt > 1

    def give_up(self, seen: object) -> None:
        """Note that nothing may pay for another try after `seen`, an error or a returned value."""
        if self.marks is None:
            self.marks = []
        self.marks.append(seen)
        del self.marks[:-MOST_MARKS]

    @property
    def gave_up(self) -> bool:
        """True when some layer inside could not pay for another try."""
        return bool(self.marks)

    def is_given_up(self, seen: object) -> bool:
        """Tell whether `seen`, or an error that it was raised from, was given up by a layer inside."""
        marks = self.marks
        if not marks:
            return False
        for _ in range(MOST_CAUSES):
            answer = _answer_of(seen)
            if any(mark is seen or (mark is answer and answer is not None) for mark in marks):
                return True
            if not isinstance(seen, BaseException):
                return False
            seen = seen.__cause__ or seen.__context__
            if seen is None:
                return False
        return False

    def end(self, seen: object, *, abandoned: bool = False) -> bool:
        """End the attempt with `seen`; returns whether a layer inside has given that up, and tells the scope around.

        With `abandoned` a thread still runs the attempt and stays bound by it.
        """
        found = self.marks is not None and self.is_given_up(seen)
        if found and self.outer is not None:
            self.outer.give_up(seen)
        if self.marks is not None:
            self.marks = None  # an error would tie its frames, and they this scope, in a cycle
        self.ended = not abandoned
        return found


def _answer_of(seen: object) -> object:
    """Return the answer that an error of an HTTP client stands for, or None."""
    try:
        return getattr(seen, "response", None)
    except Exception:  # a property that has nothing to give must not hide the error
        return None


RETRIES: ContextVar[RetryScope | None] = ContextVar("scrollintel_retries", default=None)
"""The attempt that pays for the retries of what runs in it."""


def surrounding_retries() -> RetryScope | None:
    """Return the scope around the present code, or None."""
    scope = RETRIES.get()
    return None if scope is None or scope.ended else scope


def open_scope(purse: Purse, attempt: int) -> RetryScope:
    """Return the scope of an attempt of a layer whose budget pays for all layers inside."""
    outer = surrounding_retries()
    if outer is None:
        return RetryScope((purse,), attempt)
    purses = outer.purses if purse in outer.purses else (*outer.purses, purse)
    return RetryScope(purses, max(attempt, outer.attempt), outer)


def payers(own: Purse | None, outer: RetryScope | None) -> tuple[Purse, ...]:
    """Return who pays for a further attempt of a layer: each budget once, the outermost first."""
    if outer is None:
        return () if own is None else (own,)
    return outer.purses if own is None or own in outer.purses else (*outer.purses, own)


def pay(purses: tuple[Purse, ...]) -> bool:
    """Take the price of a further attempt from all of `purses`, or from none when one has not enough."""
    for place, purse in enumerate(purses):
        if not purse.withdraw():
            refund(purses[:place])
            return False
    return True


def refund(purses: tuple[Purse, ...]) -> None:
    """Give back what a further attempt was paid that did not start."""
    for purse in purses:
        purse.refund()


def leave_context(variable: ContextVar[Any], token: Any) -> None:
    """Reset a context variable; a coroutine that the garbage collector closes is in a context that never had it."""
    try:
        variable.reset(token)
    except ValueError:
        pass
