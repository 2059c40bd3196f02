"""One operation under a degradation level: what runs first, and what answers when that fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ..clock import Clock
from ..config.degradation import DegradationLevel
from ..config.fallback import Fallback
from ..errors import UnprotectedError
from ..outcome import Outcome
from .features import is_coroutine_function


class LevelFallback(NamedTuple):
    """A fallback with the level from which it answers and whether it takes the outcome, which is read once."""

    level: DegradationLevel
    answer: Fallback
    takes_outcome: bool


Step = tuple[int, LevelFallback]


class Recorder(Protocol):
    """Where an execution tells how it went."""

    def operation_ended(self, error: Exception | None) -> None:
        """Count the end of an operation."""

    def fallback_ended(
        self, index: int, fallback: LevelFallback, *, first: Exception | None, error: Exception | None
    ) -> None:
        """Count the end of a fallback; `first` is the error that it stands in for, if any."""


class Execution:
    """The steps of one execution, in order.

    At a level with a fallback, or else with one for a lower level, that fallback comes first and the operation
    does not run; otherwise the operation comes first. What raises is followed by the next heavier fallback.
    """

    __slots__ = (
        "_args", "_began", "_clock", "_current", "_errors", "_kwargs", "_operation", "_recorder", "_service", "_steps",
    )  # fmt: skip

    def __init__(
        self,
        service: str,
        level: DegradationLevel,
        fallbacks: tuple[LevelFallback, ...],
        recorder: Recorder,
        clock: Clock,
        call: tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]],  # Any: whatever the user runs
    ) -> None:
        self._service = service
        self._operation, self._args, self._kwargs = call
        self._recorder = recorder
        self._clock = clock
        self._began = clock.monotonic()
        self._errors: list[Exception] = []
        lighter = [step for step in enumerate(fallbacks) if step[1].level <= level]
        first: list[Step | None] = [lighter[-1] if lighter else None]
        self._steps = [*first, *(step for step in enumerate(fallbacks) if step[1].level > level)]
        self._current: Step | None = None

    def __iter__(self) -> Iterator[Callable[[], Any]]:  # Any: whatever the user's functions return
        """Yield what to run; report its end with `succeeded` or `failed` before asking for the next."""
        for step in self._steps:
            self._current = step
            yield self._run_operation if step is None else self._bind(step[1])

    def _run_operation(self) -> Any:  # Any: whatever the operation returns
        return self._operation(*self._args, **self._kwargs)

    def _bind(self, fallback: LevelFallback) -> Callable[[], Any]:
        if not fallback.takes_outcome:
            return fallback.answer
        outcome = Outcome(
            policy=self._service,
            error=self._errors[0] if self._errors else None,
            attempts=len(self._errors),
            elapsed=self._clock.monotonic() - self._began,
            args=self._args,
            kwargs=self._kwargs,
        )
        return lambda: fallback.answer(outcome)

    def succeeded(self) -> None:
        """Count that the present step gave the answer."""
        self._report(None)

    def failed(self, error: Exception) -> None:
        """Count that the present step raised `error`, and keep it."""
        self._report(error)
        self._errors.append(error)

    def _report(self, error: Exception | None) -> None:
        if self._current is None:
            self._recorder.operation_ended(error)
        else:
            first = self._errors[0] if self._errors else None
            self._recorder.fallback_ended(*self._current, first=first, error=error)

    def surfacing(self) -> Exception:
        """Return the error to raise when no step gave an answer: the first one, with a note about the others."""
        first, *others = self._errors
        self._errors.clear()
        if others:
            kinds = ", ".join(type(error).__name__ for error in others)
            first.add_note(f"{self._service!r} has no fallback left: {kinds} raised by {len(others)} of them")
        return first


def refuse_awaitable(value: object) -> None:
    """Close the coroutine that a blocking execution was given, and say what to do instead.

    Raises:
        UnprotectedError: when `value` is awaitable.
    """
    if inspect.isawaitable(value):
        close = getattr(value, "close", None)
        if close is not None:
            close()
        raise UnprotectedError("a blocking execution got an awaitable; use execute() for coroutine functions")


def refuse_operation(operation: object, *, blocking: bool) -> None:
    """Refuse before anything runs what would run outside the execution.

    Raises:
        UnprotectedError: when `operation` is no callable, a generator function, or a coroutine function that a
            blocking execution cannot await.
    """
    if not callable(operation):
        raise UnprotectedError(f"an operation must be callable, not {type(operation).__name__}; pass the function")
    if inspect.isgeneratorfunction(operation) or inspect.isasyncgenfunction(operation):
        raise UnprotectedError("a generator runs after the execution has ended; consume it inside the operation")
    if blocking and is_coroutine_function(operation):
        raise UnprotectedError("a blocking execution got a coroutine function; use execute() for it")


def takes_at_most_one(fallback: Fallback) -> bool:
    """Tell whether `fallback` can be called with nothing or with one `Outcome`."""
    try:
        signature = inspect.signature(fallback)
    except ValueError:  # a built-in without a signature
        return True
    for arguments in ((), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return True
    return False
