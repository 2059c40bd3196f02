"""What came of a call or an attempt, and how it is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

ErrorPredicate = Callable[[Any], bool]  # Any: a user's predicate names the class of error that it expects
ResultPredicate = Callable[[Any], bool]  # Any: whatever the operation returns
HealthProbe = Callable[..., Any]  # Any: a plain or a coroutine function
ErrorSpec = type[BaseException] | str
"""An exception class, or its name (plain or with module) to be found in the class hierarchy of an error."""
MOST_TOLD = 20
"""Calls that are told at most of those that decided a circuit's state, the newest."""


class Verdict(Enum):
    """How a strategy counts the result of an attempt."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    """Neutral by configuration: counts for nothing and gives its permit back."""
    ABANDONED = "abandoned"
    """Cancelled by its caller or refused by an inner layer: it says nothing about the dependency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a call as a fallback or a predicate sees it.

    `value` is meaningful only when `error` is None. `attempts` counts started and refused attempts,
    `elapsed` is in seconds since the call began.
    """

    policy: str
    value: object = None
    error: BaseException | None = None
    attempts: int = 1
    elapsed: float = 0.0
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True when the call ended in an error."""
        return self.error is not None


class ErrorMatcher:
    """Decide whether an error is one of the named ones.

    Classes are matched with `isinstance`. Text is compared with the names of the classes in the error's
    hierarchy, both `TimeoutError` and `builtins.TimeoutError`, and never imported.
    """

    __slots__ = ("_classes", "_names")

    def __init__(self, specs: Iterable[ErrorSpec]) -> None:
        listed = tuple(specs)
        self._classes = tuple(spec for spec in listed if isinstance(spec, type))
        self._names = frozenset(spec for spec in listed if isinstance(spec, str))

    def __call__(self, error: BaseException) -> bool:
        if self._classes and isinstance(error, self._classes):
            return True
        if not self._names:
            return False
        return any(
            cls.__name__ in self._names or f"{cls.__module__}.{cls.__qualname__}" in self._names
            for cls in type(error).__mro__
        )

    def __bool__(self) -> bool:
        return bool(self._classes or self._names)


def idempotent(*args: object, **kwargs: object) -> bool:
    """Say of every call that it may run more than once: a mark for `repeatable` of retries and hedges."""
    return True
