"""Parameters of retries, of their delays and of the budget that keeps them from becoming a storm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import Violation
from ..outcome import ErrorPredicate, ErrorSpec, ResultPredicate
from .base import Config, boolean, choice, errors, hook, integer, name, nested, number


class Jitter(StrEnum):
    """How a delay `d` is spread at random, with `u` drawn from [0, 1).

    `NONE` keeps `d`; `FULL` takes `u * d`; `EQUAL` takes `d / 2 + u * d / 2`; `DECORRELATED` takes
    `min(max_delay, base + u * (3 * previous - base))`. Source: AWS Architecture Blog, "Exponential Backoff
    And Jitter".
    """

    NONE = "none"
    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"


class Backoff(StrEnum):
    """How the delay grows from one retry to the next, before jitter; the cap comes first."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class BudgetConfig(Config):
    """How many retries and hedges may be added to the ordinary traffic.

    Arguments:
        name: Policies that name the same budget share it; None gives the policy its own.
        ratio: Tokens that one call adds, or one success with `deposit_on_success`; 0 to 1, default 0.1.
        reserve: Tokens there at the start and the most that can be saved; default 10 attempts.
        cost: Tokens that one retry takes; default 1.
        threshold: Share of `reserve` that must be exceeded for a retry; 0 by default, 0.5 is gRPC's rule.
        deposit_on_success: False (default): every call adds `ratio` (Finagle, Envoy, SRE book). True: only a
            successful call does, every failure takes `cost` and a retry itself takes nothing (gRPC A6).
        across_layers: Whether the layers inside, in this process and behind other services, pay from this budget too,
            make one attempt only while this layer is in a retry, and whether an error that one of them could not pay
            for ends the call here as well. Only a call that succeeds adds `ratio` then. Default False.

    Raises:
        ConfigError: with every violation.
    """

    name: str | None = field(default=None, metadata=name(optional=True))
    ratio: float = field(default=0.1, metadata=number(maximum=1.0, unit="tokens"))
    reserve: float = field(default=10.0, metadata=number(above=True, maximum=1e9, unit="tokens"))
    cost: float = field(default=1.0, metadata=number(above=True, maximum=1e9, unit="tokens"))
    threshold: float = field(default=0.0, metadata=number(maximum=1.0))
    deposit_on_success: bool = field(default=False, metadata=boolean())
    across_layers: bool = field(default=False, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that there is one rule for deposits: with `deposit_on_success` a retry has no price to share."""
        if not broken & {"across_layers", "deposit_on_success"} and self.across_layers and self.deposit_on_success:
            yield Violation("across_layers", True, "False with deposit_on_success")

    @classmethod
    def grpc(cls, name: str | None = None, *, max_tokens: float = 10.0, token_ratio: float = 0.1) -> BudgetConfig:
        """Return gRPC's retry throttling: retry only while more than half of `max_tokens` are left (gRFC A6)."""
        return cls(name=name, ratio=token_ratio, reserve=max_tokens, threshold=0.5, deposit_on_success=True)


@dataclass(frozen=True, slots=True)
class RetryConfig(Config):
    """Which results are tried again, how often and after how long.

    Arguments:
        max_attempts: Attempts including the first; at least 1, default 3.
        base_delay: Seconds before the first retry, before jitter; default 1.
        max_delay: Cap of a delay in seconds, applied before jitter; default 60.
        exponential_base: Growth factor; at least 1, default 2.
        jitter: True means full, False none; or a `Jitter`. Default full.
        retryable_exceptions: Errors that are tried again; every `Exception` by default. A rejected call (an
            open circuit, a full bulkhead) is not among them unless `retry_rejected` is set.
        backoff: Exponential (default), linear (`base_delay * n`) or constant.
        non_retryable_exceptions: Errors that end the call even when another list names them.
        retry_predicate: Decides on an error instead of `retryable_exceptions`.
        result_predicate: True for a returned value that is tried again.
        repeatable: Tells from the call's arguments whether the operation may run more than once, such as only an
            idempotent request; None (default) when every call may. Asked only when a retry is due.
        retry_rejected: Whether refusals by this library's own layers are tried again; default False.
        max_elapsed: Seconds from the start of the call after which no retry starts, or None.
        retry_after: Extracts a server's wish (seconds, or None) from the error or the returned value.
        max_retry_after: A longer wish than this many seconds ends the call instead; default 300.
        budget: Limits retries to a share of the traffic; None (default) for no limit.

    Raises:
        ConfigError: with every violation.
    """

    max_attempts: int = field(default=3, metadata=integer(minimum=1, unit="attempts"))
    base_delay: float = field(default=1.0, metadata=number(unit="seconds"))
    max_delay: float = field(default=60.0, metadata=number(unit="seconds"))
    exponential_base: float = field(default=2.0, metadata=number(minimum=1.0, maximum=1000.0))
    jitter: Jitter | bool = field(
        default=Jitter.FULL, metadata=choice(Jitter, aliases={True: Jitter.FULL, False: Jitter.NONE})
    )
    retryable_exceptions: Iterable[ErrorSpec] = field(default=(Exception,), metadata=errors())
    _: KW_ONLY
    backoff: Backoff = field(default=Backoff.EXPONENTIAL, metadata=choice(Backoff))
    non_retryable_exceptions: Iterable[ErrorSpec] = field(default=(), metadata=errors())
    retry_predicate: ErrorPredicate | None = field(default=None, metadata=hook())
    result_predicate: ResultPredicate | None = field(default=None, metadata=hook())
    repeatable: Callable[..., bool] | None = field(default=None, metadata=hook())
    retry_rejected: bool = field(default=False, metadata=boolean())
    max_elapsed: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    retry_after: Callable[[Any], float | None] | None = field(default=None, metadata=hook())  # Any: error or value
    max_retry_after: float = field(default=300.0, metadata=number(unit="seconds"))
    budget: BudgetConfig | None = field(default=None, metadata=nested(BudgetConfig))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that the cap is not below the first delay."""
        if not broken & {"base_delay", "max_delay"} and self.max_delay < self.base_delay:
            yield Violation("max_delay", self.max_delay, f"at least base_delay ({self.base_delay:g} seconds)")
