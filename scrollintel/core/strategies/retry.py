"""Whether a failed attempt is followed by another one, and after how long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ..call import Call
from ..chance import chance
from ..clock import Clock
from ..config.retry import RetryConfig
from ..errors import RejectedError, UnprotectedError, kind_of, note_broken
from ..hub import EventHub
from ..machines.backoff import next_delay
from ..outcome import ErrorMatcher, ErrorPredicate
from ..retry_scope import RetryScope, pay, payers, surrounding_retries
from .budget import Budget
from .meter import SharedCounter

NOTE = "gave up after "


class RetryRule:
    """The rule of one policy's retries; it holds no state but counters and the shared budget."""

    __slots__ = (
        "_clock",
        "_guarded",
        "_hub",
        "_name",
        "_never",
        "_random",
        "_retryable",
        "budget",
        "config",
        "given_up",
        "retries",
        "spans",
    )

    def __init__(
        self,
        name: str,
        config: RetryConfig,
        clock: Clock,
        hub: EventHub,
        *,
        budget: Budget | None = None,
        retries: SharedCounter | None = None,
        given_up: SharedCounter | None = None,
        guarded: bool = False,
        source: Callable[[], float] = chance,
    ) -> None:
        self.config = config
        self.budget = budget
        self.spans = config.budget is not None and config.budget.across_layers
        self.retries = retries if retries is not None else SharedCounter()
        self.given_up = given_up if given_up is not None else SharedCounter()
        self._guarded = guarded
        self._name = name
        self._clock = clock
        self._hub = hub
        self._random = source
        self._never = ErrorMatcher(config.non_retryable_exceptions) if config.non_retryable_exceptions else None
        every = config.retryable_exceptions == (Exception,)
        self._retryable = config.retry_predicate or (None if every else ErrorMatcher(config.retryable_exceptions))

    def after_value(self, call: Call, value: object) -> float | None:
        """Return the seconds before the next attempt when the returned `value` asks for one, else None."""
        predicate = self.config.result_predicate
        if predicate is None or not predicate(value):
            self.succeeded()
            return None
        return self._next(call, None, value)

    def after_error(self, call: Call, error: BaseException) -> float | None:
        """Return the seconds before the next attempt, or None when `error` ends the call.

        An error that ends a call of several attempts gets a note that tells how many and over how long.
        """
        config = self.config
        if not isinstance(error, Exception):
            return None
        if isinstance(error, RejectedError):
            call.not_started()
            wanted = config.retry_rejected
        elif isinstance(error, UnprotectedError):
            wanted = False
        else:
            wanted = self._retryable is None or self._asks_for(self._retryable, error)
            if wanted and self._never is not None:
                wanted = not self._never(error)
        if not wanted:
            if call.attempt > 1:
                self._note(call, error)
            return None
        return self._next(call, error, error)

    def succeeded(self) -> None:
        """Count a call that succeeded; one inside a layer with the same budget is part of that layer's call."""
        budget = self.budget
        if budget is None or budget.is_full:
            return
        if self.spans:
            outer = surrounding_retries()
            if outer is not None and budget in outer.purses:
                return
        budget.record(True)

    def _next(self, call: Call, error: BaseException | None, seen: object) -> float | None:
        config = self.config
        if self.budget is not None and not isinstance(error, RejectedError):
            self.budget.record(False)  # a refusal by a layer of our own is none of the dependency
        outer = surrounding_retries()
        reason = self._hindrance(call, seen, outer)
        if reason is not None:
            self._stop(call, error, reason)
            return None
        previous = config.base_delay if call.previous_delay is None else call.previous_delay
        delay = next_delay(config, call.attempt - 1, previous, self._random())
        call.previous_delay = delay
        hinted = config.retry_after is not None or isinstance(seen, RejectedError)
        asked = self._asked(seen) if hinted else None
        if asked is not None:
            if asked < 0.0 or asked > config.max_retry_after:
                if asked < 0.0 and outer is not None:
                    outer.give_up(seen)  # the server has said that nobody is to try again
                self._stop(call, error, "retry_after")
                return None
            delay = max(delay, asked)
        # Waiting for an attempt that the circuit inside is sure to refuse would only hide the real error.
        if self._guarded and not config.retry_rejected and call.circuit.refuses_for() > delay:
            self._stop(call, error, "circuit")
            return None
        if config.max_elapsed is not None or call.deadline is not None:
            end = self._clock.monotonic() + delay
            if config.max_elapsed is not None and end - call.started > config.max_elapsed:
                self._stop(call, error, "elapsed")
                return None
            if call.deadline is not None and end >= call.deadline:
                self._stop(call, error, "deadline")
                return None
        if not self._pay(call, outer):
            if outer is not None:
                outer.give_up(seen)
            self._stop(call, error, "budget")
            return None
        self.retries.add()
        if self._hub.active:
            from ..events import RetryScheduled

            self._hub.emit(
                RetryScheduled(
                    policy=self._name, at=self._clock.time(), attempt=call.attempt, delay=delay, error=kind_of(error)
                )
            )
        return delay

    def _hindrance(self, call: Call, seen: object, outer: RetryScope | None) -> str | None:
        """Return why no attempt may follow, whenever that would be; None when one may."""
        config = self.config
        if call.given_up or (outer is not None and outer.is_given_up(seen)):
            return "budget"
        if outer is not None and outer.stands_down:
            return "outer"
        if call.attempt >= config.max_attempts:
            return "attempts"
        if config.repeatable is not None and not self._is_repeatable(config.repeatable, call, seen):
            return "repeatable"
        return None

    # A hook that raises must not hide the error that it is asked about.

    def _asks_for(self, predicate: ErrorPredicate, error: Exception) -> bool:
        try:
            return bool(predicate(error))
        except Exception as broken:
            note_broken(error, "retry_predicate", broken, "the error is not tried again")
            return False

    def _is_repeatable(self, repeatable: Callable[..., bool], call: Call, seen: object) -> bool:
        try:
            return bool(repeatable(*call.args, **call.kwargs))
        except Exception as broken:
            if not isinstance(seen, Exception):
                raise
            note_broken(seen, "repeatable", broken, "the call is not tried again")
            return False

    def _pay(self, call: Call, outer: RetryScope | None) -> bool:
        purses = payers(self.budget, outer)
        if not pay(purses):
            return False
        call.paid = purses
        return True

    def _asked(self, seen: object) -> float | None:
        """Return the server's wish in seconds; one that cannot be read is ignored."""
        extract = self.config.retry_after
        if extract is not None:
            try:
                asked = extract(seen)
                return None if asked is None else float(asked)
            except Exception:
                return None
        return seen.retry_after if isinstance(seen, RejectedError) else None

    def _stop(self, call: Call, error: BaseException | None, reason: str) -> None:
        self.given_up.add()
        if error is not None:
            self._note(call, error)
        if self._hub.active:
            from ..events import RetryGivenUp

            self._hub.emit(
                RetryGivenUp(
                    policy=self._name,
                    at=self._clock.time(),
                    attempts=call.attempt,
                    elapsed=self._clock.monotonic() - call.started,
                    reason=reason,
                    error=kind_of(error),
                )
            )

    def _note(self, call: Call, error: BaseException) -> None:
        elapsed = self._clock.monotonic() - call.started
        plural = "" if call.attempt == 1 else "s"
        mine = f" ({self._name})"
        with contextlib.suppress(Exception):  # an error that takes no notes surfaces all the same
            # An error object that is raised again and again keeps one note of each policy, not one for each time.
            notes = getattr(error, "__notes__", None)
            if notes:
                notes[:] = [note for note in notes if not (note.startswith(NOTE) and note.endswith(mine))]
            error.add_note(f"{NOTE}{call.attempt} attempt{plural} in {elapsed:.3g} s{mine}")
