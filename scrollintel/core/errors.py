"""The error tree: everything this library raises on its own account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a configuration breaks: the field, the value given and what would be allowed."""

    field: str
    value: object
    allowed: str

    def __str__(self) -> str:
        try:
            text = repr(self.value)
        except Exception:  # a broken __repr__, or a number with more digits than may be printed
            text = f"<{type(self.value).__name__}>"
        if len(text) > 80:
            text = text[:77] + "..."
        return f"{self.field}={text}: must be {self.allowed}"


def text_of(error: BaseException | None) -> str:
    """Return the first 200 characters of an error's text; an exception whose `__str__` is broken has a stand-in."""
    if error is None:
        return ""
    try:
        return str(error)[:200]
    except Exception:
        return "<unprintable>"


def note_broken(error: BaseException, hook: str, broken: Exception, so: str) -> None:
    """Note on `error` that a hook raised when it was asked about it, and what was done therefore."""
    with suppress(Exception):  # an error that takes no notes surfaces all the same
        error.add_note(f"{hook} raised {type(broken).__name__}; {so}")


def kind_of(error: BaseException | None) -> str:
    """Return the name of an error's class, or "result" for a returned value that counted as a failure."""
    return "result" if error is None else type(error).__name__


class FailureSummary(NamedTuple):
    """What is kept of a failure: no traceback and no reference to the exception, so nothing piles up.

    Attributes:
        type: Name of the error's class, or "result" for a returned value that counted as a failure.
        message: The first 200 characters of the error's text. It may hold personal data of the operation, so it
            never enters an error text, `repr` or `details`.
        at: Seconds since 1970-01-01 UTC.
    """

    type: str
    message: str
    at: float

    @classmethod
    def of(cls, error: BaseException | None, at: float) -> FailureSummary:
        """Summarise `error`, or a result that counted as a failure when there is none."""
        return cls(kind_of(error), text_of(error), at)

    def __repr__(self) -> str:
        return f"FailureSummary(type={self.type!r}, at={self.at!r})"

    def to_dict(self) -> dict[str, object]:
        """Return type and time; the message is left out."""
        return {"type": self.type, "at": self.at}


class ScrollIntelError(Exception):
    """Base of every error that this library raises."""

    code: ClassVar[str] = "error"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Facts about the error that can be serialised to JSON and hold no personal data."""
        return {}


class ConfigError(ScrollIntelError, ValueError):
    """A configuration breaks its rules; `violations` lists every one of them."""

    code = "invalid_config"

    def __init__(self, subject: str, violations: Iterable[Violation]) -> None:
        self.subject = subject
        self.violations = tuple(violations)
        super().__init__(subject, self.violations)

    def __str__(self) -> str:
        listed = "; ".join(str(violation) for violation in self.violations)
        return f"{self.subject}: {listed}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {
            "subject": self.subject,
            "violations": [{"field": v.field, "value": repr(v.value), "allowed": v.allowed} for v in self.violations],
        }


class RejectedError(ScrollIntelError):
    """The operation did not start, because a layer of this library refused it.

    Arguments:
        source: Name of the policy or circuit that refused.
        retry_after: Seconds until a new try may be worthwhile, or None when unknown.
    """

    code = "rejected"
    reason: ClassVar[str] = "refused the call"

    # There is no `__init__` at run time, because a refusal must be cheap: the arguments are what the base class keeps.
    if TYPE_CHECKING:

        def __init__(self, source: str, retry_after: float | None = None) -> None: ...

    @property
    def source(self) -> str:
        """Name of the policy or circuit that refused."""
        return str(self.args[0])

    @property
    def retry_after(self) -> float | None:
        """Seconds until a new try may be worthwhile, or None when unknown."""
        return self.args[1] if len(self.args) > 1 else None

    def __str__(self) -> str:
        hint = "" if self.retry_after is None else f"; try again in {self.retry_after:.3g} s"
        return f"{self.source!r} {self.reason}{hint}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"source": self.source, "retry_after": self.retry_after}


class CircuitOpenError(RejectedError):
    """The circuit is open: its dependency failed lately and gets time to recover.

    Arguments:
        source: Name of the circuit.
        retry_after: Seconds until the next probe is admitted; None when only an operator can end the state.
        last_failure: Summary of the failure seen last, or None.
        key: Which circuit of the policy it is, where each key or level has one; None for that of the whole policy.
    """

    code = "circuit_open"
    reason = "is open"
    until: ClassVar[str] = "next probe in"

    if TYPE_CHECKING:

        def __init__(
            self,
            source: str,
            retry_after: float | None = None,
            last_failure: FailureSummary | None = None,
            key: str | None = None,
        ) -> None: ...

    @property
    def last_failure(self) -> FailureSummary | None:
        """Summary of the failure seen last, or None."""
        return self.args[2] if len(self.args) > 2 else None

    @property
    def key(self) -> str | None:
        """Key or level whose circuit refused, or None for the circuit of the whole policy."""
        return self.args[3] if len(self.args) > 3 else None

    def __str__(self) -> str:
        circuit = f"{self.source!r}" if self.key is None else f"{self.key!r} of {self.source!r}"
        hint = f"; {self.until} {self.retry_after:.3g} s" if self.until and self.retry_after is not None else ""
        failed = "" if self.last_failure is None else f"; last failure: {self.last_failure.type}"
        return f"circuit {circuit} {self.reason}{hint}{failed}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        failure = self.last_failure
        return {
            "source": self.source,
            "retry_after": self.retry_after,
            "last_failure": None if failure is None else failure.to_dict(),
            "key": self.key,
        }


class CircuitIsolatedError(CircuitOpenError):
    """An operator holds the circuit open; only `close` or `reset` ends that."""

    code = "circuit_isolated"
    reason = "is held open by an operator"


class CircuitHalfOpenError(CircuitOpenError):
    """The circuit tries its dependency with a few probes, and all of them are out.

    `retry_after` is the longest that can take: the seconds until the first of their leases ends.
    """

    code = "circuit_half_open"
    reason = "is half-open and its probes are out"
    until = "next probe at the latest in"


class CircuitRampingError(CircuitOpenError):
    """The circuit has just closed and lets traffic return step by step; this call was not among the first."""

    code = "circuit_ramping"
    reason = "lets traffic return step by step"
    until = ""


class BulkheadFullError(RejectedError):
    """All slots of the bulkhead are taken, and so is its waiting line, or the wait took too long."""

    code = "bulkhead_full"
    reason = "has no free slot"


class RateLimitedError(RejectedError):
    """The rate limit has no permit left within the time that the call may wait."""

    code = "rate_limited"
    reason = "is over its rate limit"


class LimitReachedError(RejectedError):
    """As many attempts run as the dependency can serve in time, and none may wait, or the wait took too long."""

    code = "limit_reached"
    reason = "is at its adaptive limit"


class ThrottledError(RejectedError):
    """The dependency refuses or fails so much that a share of the attempts is not sent; this was one of them."""

    code = "throttled"
    reason = "throttles itself, because its dependency accepts too little"


class ShedError(RejectedError):
    """The server is overloaded and serves more critical requests, or other users for now."""

    code = "shed"
    reason = "sheds load"


class MetastableSheddingError(RejectedError):
    """An overload keeps itself alive, so only some of the calls pass until it ends; this was not one of them."""

    code = "metastable_shedding"
    reason = "sheds calls until an overload that keeps itself alive has ended"


class DeadlineExceededError(RejectedError):
    """The deadline of the surrounding call had passed before this operation could start."""

    code = "deadline_exceeded"
    reason = "was not started: the deadline has passed"


class CallTimeoutError(ScrollIntelError, TimeoutError):
    """The operation started but did not finish in time; whether it took effect is unknown.

    Arguments:
        source: Name of the policy or circuit.
        timeout: Seconds that the attempt was given.
    """

    code = "call_timeout"

    def __init__(self, source: str, timeout: float) -> None:
        super().__init__(source, timeout)
        self.source = source
        self.timeout = timeout

    def __str__(self) -> str:
        return f"{self.source!r} did not finish within {self.timeout:.3g} s"

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle asks for
        return (type(self), (self.source, self.timeout))

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"source": self.source, "timeout": self.timeout}


class UnprotectedError(ScrollIntelError, TypeError):
    """The object cannot be protected in the way that was asked; the text says what to do instead."""

    code = "cannot_protect"


class RecoveryError(ScrollIntelError):
    """A recovery did not do what it was meant to."""

    code = "recovery_failed"


class LeaseLostError(RecoveryError):
    """A recovery has passed to another process, so this one must not act for it any more.

    Arguments:
        recovery: Id of the recovery.
    """

    code = "recovery_lease_lost"

    def __init__(self, recovery: str) -> None:
        super().__init__(recovery)
        self.recovery = recovery

    def __str__(self) -> str:
        return f"recovery {self.recovery!r} has passed to another process"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"recovery": self.recovery}


class StepFailedError(RecoveryError):
    """One step of a recovery failed or was not followed by a healthy service.

    Arguments:
        strategy: Name of the strategy.
        step: Name of the step, such as "act" or "verify".
        reason: One sentence for an operator.
    """

    code = "recovery_step_failed"

    def __init__(self, strategy: str, step: str, reason: str) -> None:
        super().__init__(strategy, step, reason)
        self.strategy = strategy
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        return f"strategy {self.strategy!r}, step {self.step!r}: {self.reason}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"strategy": self.strategy, "step": self.step, "reason": self.reason}


class PlanRefusedError(RecoveryError):
    """The strategy refuses to act on what it observes, because acting could make things worse."""

    code = "recovery_plan_refused"


class NotFoundError(ScrollIntelError, LookupError):
    """Nothing is registered under that name."""

    code = "not_found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.kind = kind
        self.name = name

    def __str__(self) -> str:
        return f"no {self.kind} is registered as {self.name!r}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"kind": self.kind, "name": self.name}


ERROR_CODES: Mapping[str, type[ScrollIntelError]] = {
    error.code: error
    for error in (
        ConfigError, RejectedError, CircuitOpenError, CircuitIsolatedError, CircuitHalfOpenError, CircuitRampingError,
        BulkheadFullError, RateLimitedError, LimitReachedError, ThrottledError, ShedError,
        MetastableSheddingError, DeadlineExceededError,
        CallTimeoutError, UnprotectedError, RecoveryError, StepFailedError, LeaseLostError, PlanRefusedError,
        NotFoundError,
    )
}  # fmt: skip
"""Every error class by its stable code, for edges that translate errors."""
