"""Whether an error or a returned value counts as a failure of the dependency."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..config.breaker import CircuitBreakerConfig
from ..config.limit import AdaptiveLimitConfig
from ..errors import RejectedError, UnprotectedError, note_broken
from ..outcome import ErrorMatcher, ErrorPredicate, ResultPredicate, Verdict
from .gate import NO_RESULT

if TYPE_CHECKING:
    from ..config.outliers import OutlierConfig

SUCCESS, FAILURE, IGNORED, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED, Verdict.ABANDONED
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
            note_broken(error, "failure_predicate", broken, "the error counts as a failure")
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


class Judge:
    """How an attempt ended, for a layer that goes by the breaker of its policy.

    Arguments:
        breaker: Says what is a failure; None when the policy has no breaker, then every error is.
        errors, results: Say it instead, or None: which errors and which returned values are failures.

    Attributes:
        looks_at_values: Whether a returned value can be a failure.
    """

    __slots__ = ("_classify", "_rejects", "looks_at_values")

    def __init__(
        self,
        breaker: CircuitBreakerConfig | None,
        *,
        errors: ErrorPredicate | None = None,
        results: ResultPredicate | None = None,
    ) -> None:
        self._classify: Classifier
        if errors is not None:
            self._classify = failure_classifier(errors)
        else:
            self._classify = classify_default if breaker is None else classifier(breaker)
        self._rejects = results if results is not None or breaker is None else breaker.result_predicate
        self.looks_at_values = self._rejects is not None

    def verdict(self, error: BaseException | None, value: object) -> Verdict:
        """Return what an attempt says that ended with `error`, or else returned `value`."""
        if error is not None:
            return self._classify(error)
        if self._rejects is None or value is NO_RESULT:
            return SUCCESS
        try:
            return FAILURE if self._rejects(value) else SUCCESS
        except Exception:  # what a predicate raises the breaker reports
            return SUCCESS


def cancels(error: BaseException) -> bool:
    """Tell whether `error` is asyncio's cancellation, without importing asyncio."""
    return any(cls.__name__ == "CancelledError" for cls in type(error).__mro__)
