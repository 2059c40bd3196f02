"""Parameters of the fallback chain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from ..errors import Violation
from ..outcome import ErrorSpec, Outcome, ResultPredicate
from .base import Config, InvalidValue, Rule, errors, hook, integer, number

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__scrollintel_shadowable__"
Fallback = Callable[..., Any]
"""A plain or coroutine function that takes nothing or the `Outcome` of the failed call."""


@dataclass(frozen=True, slots=True)
class Value:
    """A fallback that is a constant: `FallbackConfig(Value([]))`."""

    value: object

    def __call__(self) -> object:
        return self.value


def shadowable(fallback: F) -> F:
    """Mark a fallback as one that may run although nobody needs its answer, and return it; a decorator as well.

    It must read only, because what it gives is thrown away: see `FallbackConfig.shadow_rate`.

    Raises:
        TypeError: when it takes no mark, such as a builtin; wrap it in a function then.
    """
    try:
        setattr(fallback, _MARK, True)
    except AttributeError:
        raise TypeError(f"{type(fallback).__name__} objects take no mark; wrap it in a function") from None
    return fallback


def may_shadow(fallback: object) -> bool:
    """Tell whether a fallback is marked `shadowable`."""
    return getattr(fallback, _MARK, False) is True


def _takes_at_most_one(fallback: Callable[..., Any]) -> bool:
    try:
        inspect.signature(fallback).bind(None)
    except TypeError:
        try:
            inspect.signature(fallback).bind()
        except TypeError:
            return False
    except ValueError:  # a builtin that does not tell its signature
        return True
    return True


def _chain() -> dict[str, Rule]:
    def convert(value: object) -> tuple[object, ...]:
        if callable(value):
            value = (value,)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise InvalidValue
        listed = tuple(value)
        if not all(callable(item) and _takes_at_most_one(item) for item in listed):
            raise InvalidValue
        return listed

    return {"rule": Rule(convert, "a callable that takes nothing or one Outcome, or a list of such", hook=True)}


@dataclass(frozen=True, slots=True)
class FallbackConfig(Config):
    """What a call answers when it has failed for good.

    Arguments:
        chain: One callable or several in order; the first that does not raise gives the answer. Each takes
            nothing or one `Outcome`. `Value(x)` is a constant.
        stale_if_error: Seconds for which the last good result may be given again, tried before `chain`; None
            (default) keeps none.
        stale_key: Gives the key of the kept result from the call's arguments; by default one result is kept
            for all. At most `stale_entries` are kept.
        stale_entries: Results kept, the least recently used dropped; default 128.
        on: Errors that are answered; every `Exception` by default, refusals by this library included.
        when: Decides on the `Outcome` instead of `on`.
        result_predicate: True for a returned value that is replaced by a fallback.
        shadow_rate: Share of the successful calls beside which a fallback marked `shadowable` runs and its answer is
            thrown away, so that it is known whether it would work; 0 to 1. 0 (default) runs none. A fallback that has
            not run for half of `cold_after` runs beside the next call, however small the share is.
        shadow_limit: Such runs at once; default 1.
        shadow_timeout: Seconds that such a run may take; default 1. A later one has not worked.
        shadow_compare: Takes the real answer and that of the fallback and tells whether they agree; None (default)
            compares nothing.
        cold_after: Seconds without a run that worked after which a fallback is reported as cold; default 600.

    Raises:
        ConfigError: with every violation.
    """

    chain: Fallback | Iterable[Fallback] = field(default=(), metadata=_chain())
    _: KW_ONLY
    stale_if_error: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    stale_key: Callable[..., object] | None = field(default=None, metadata=hook())
    stale_entries: int = field(default=128, metadata=integer(minimum=1, maximum=1_000_000, unit="results"))
    on: Iterable[ErrorSpec] = field(default=(Exception,), metadata=errors())
    when: Callable[[Outcome], bool] | None = field(default=None, metadata=hook())
    result_predicate: ResultPredicate | None = field(default=None, metadata=hook())
    shadow_rate: float = field(default=0.0, metadata=number(maximum=1.0))
    shadow_limit: int = field(default=1, metadata=integer(minimum=1, maximum=100, unit="runs"))
    shadow_timeout: float = field(default=1.0, metadata=number(above=True, unit="seconds"))
    shadow_compare: Callable[[Any, Any], bool] | None = field(default=None, metadata=hook())
    cold_after: float = field(default=600.0, metadata=number(above=True, unit="seconds"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a chain that can never answer."""
        if not broken and self.chain == () and self.stale_if_error is None:
            yield Violation("chain", self.chain, "at least one callable, unless stale_if_error is given")
