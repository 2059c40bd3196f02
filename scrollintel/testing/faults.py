"""What can be made to go wrong with a protected operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from ..core.errors import ConfigError, Violation

ErrorSource = BaseException | Callable[[], BaseException]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong with an attempt; made by `error`, `latency` and `result`.

    Attributes:
        kind: What happens.
        rate: Share of the attempts that it hits, 0 to 1.
        payload: The error or its factory, the seconds, or the value.
    """

    kind: Literal["error", "latency", "result"]
    rate: float
    payload: Any

    @classmethod
    def error(cls, error: ErrorSource, *, rate: float = 1.0) -> Fault:
        """Return a fault that raises instead of running the operation.

        Arguments:
            error: An error class or another callable that returns an error, called for each hit; or one error
                object, which is then raised each time.
            rate: Share of the attempts that it hits, 0 to 1; every attempt by default.

        Raises:
            ConfigError: when an argument is not of that kind or out of range.
        """
        usable = isinstance(error, BaseException) or (
            issubclass(error, BaseException) if inspect.isclass(error) else callable(error)
        )
        wrong = [] if usable else [Violation("error", error, "an error, its class, or a callable that returns one")]
        return cls._checked("error", rate, error, wrong)

    @classmethod
    def latency(cls, seconds: float, *, rate: float = 1.0) -> Fault:
        """Return a fault that delays the operation by `seconds`, finite and not negative.

        Arguments:
            seconds: Added before the operation starts, on the clock of the injection.
            rate: Share of the attempts that it hits, 0 to 1; every attempt by default.

        Raises:
            ConfigError: when an argument is not a number or out of range.
        """
        usable = _is_number(seconds) and seconds >= 0.0
        wrong = [] if usable else [Violation("seconds", seconds, "a finite number of seconds, at least 0")]
        return cls._checked("latency", rate, seconds, wrong)

    @classmethod
    def result(cls, value: object, *, rate: float = 1.0) -> Fault:
        """Return a fault that answers `value` instead of running the operation.

        Arguments:
            value: Returned as it is, the same object each time.
            rate: Share of the attempts that it hits, 0 to 1; every attempt by default.

        Raises:
            ConfigError: when `rate` is not a number or out of range.
        """
        return cls._checked("result", rate, value, [])

    @classmethod
    def _checked(
        cls, kind: Literal["error", "latency", "result"], rate: float, payload: object, wrong: list[Violation]
    ) -> Fault:
        if not _is_number(rate) or not 0.0 <= rate <= 1.0:
            wrong.append(Violation("rate", rate, "0 to 1"))
        if wrong:
            raise ConfigError("Fault", wrong)
        return cls(kind, rate, payload)

    def raised(self) -> BaseException:
        """Return the error to raise; one object that is used again starts without its old traceback."""
        error = self.payload if isinstance(self.payload, BaseException) else self.payload()
        if not isinstance(error, BaseException):
            raise TypeError(f"the factory of an injected error returned {error!r}")
        return error.with_traceback(None)


Step = Literal["ok"] | Fault | Sequence[Fault]
"""What a script says of one attempt: nothing, a fault, or several in the order in which they happen."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
