"""Whether an error or a returned value counts as a failure of the dependency."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config.breaker import CircuitBreakerConfig
from ..config.limit import AdaptiveLimitConfig
from ..errors import RejectedError, UnprotectedError
from ..outcome import ErrorMatcher, ErrorPredicate, Verdict

if TYPE_CHECKING:
    from ..config.outliers import OutlierConfig

FAILURE, IGNORED, ABANDONED = Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED
Classifier = Callable[[BaseException], Verdict]


_OWN = (RejectedError, UnprotectedError)
"""What this library raises instead of protecting a call; it says nothing about the dependency."""


def classify_default(error: BaseException) -> Verdict:
    """Count every `Exception` but our own refusals; cancellation and exits of the process are neutral."""
    if isinstance(error, Exception) and not isinstance(error, _OWN):
        return FAILURE
    return ABANDONED


def classifier(config: CircuitBreakerConfig | OutlierConfig) -> Classifier:
    """Return the rule for errors: refusals and cancellation, ignored ones, then the predicate or the list.

    An error that nothing names is neutral.
    """
    if config.failure_exceptions == (Exception,) and not config.ignored_exceptions and not config.failure_predicate:
        return classify_default
    ignored = ErrorMatcher(config.ignored_exceptions)
    counted = config.failure_predicate or ErrorMatcher(config.failure_exceptions)

    def classify(error: BaseException) -> Verdict:
        if not isinstance(error, Exception) or isinstance(error, _OWN):
            return ABANDONED
        if ignored(error):
            return IGNORED
        try:
            return FAILURE if counted(error) else IGNORED
        except Exception as broken:
            # A predicate that raises must neither hide the real error nor leave a permit behind.
            with contextlib.suppress(Exception):
                error.add_note(f"failure_predicate raised {type(broken).__name__}; the error counts as a failure")
            return FAILURE

    return classify


def failure_classifier(counted: ErrorPredicate) -> Classifier:
    """Return the rule for errors that a predicate alone decides on, beside refusals and cancellation."""

    def classify(error: BaseException) -> Verdict:
        if not isinstance(error, Exception) or isinstance(error, _OWN):
            return ABANDONED
        try:
            return FAILURE if counted(error) else IGNORED
        except Exception:  # a predicate that raises must not hide the real error
            return FAILURE

    return classify


def overload_classifier(config: AdaptiveLimitConfig) -> Classifier:
    """Return the rule by which errors tell of overload: FAILURE for these, and a neutral verdict for all others."""
    told = config.overload_predicate or ErrorMatcher(config.overload_exceptions)

    def classify(error: BaseException) -> Verdict:
        if not isinstance(error, Exception) or isinstance(error, _OWN):
            return ABANDONED
        try:
            return FAILURE if told(error) else IGNORED
        except Exception:  # a predicate that raises must neither hide the real error nor keep a slot
            return IGNORED

    return classify


def cancels(error: BaseException) -> bool:
    """Tell whether `error` is asyncio's cancellation, without importing asyncio."""
    return any(cls.__name__ == "CancelledError" for cls in type(error).__mro__)
