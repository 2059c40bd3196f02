"""Parameters of an adaptive throttle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from ..outcome import ErrorPredicate, ResultPredicate
from .base import Config, hook, integer, number


@dataclass(frozen=True, slots=True)
class ThrottleConfig(Config):
    """When a share of the attempts is not sent, because the dependency accepts too few of them.

    Of the attempts of the last `window` seconds, `requests` in all, `accepts` were accepted by the dependency. An
    attempt is refused with probability max(0, (requests - multiplier * accepts) / (requests + 1)).

    Arguments:
        multiplier: How many attempts are sent for each accepted one; at least 1, default 2. Higher wastes more of the
            dependency's capacity on refusing, lower throttles sooner. It holds for critical calls; the excess over 1 is
            doubled for `critical_plus`, and three quarters and one half of it for the two sheddable classes.
        window: Seconds that are looked at; at least 0.001, default 10. It is forgotten when so many attempts in a row
            were accepted that the dependency has recovered beyond doubt: 23 with a multiplier of 2.
        min_requests: Attempts in the window below which nothing is refused; at least 1, default 20.
        max_share: Share that is refused at most, so that some always find out how the dependency fares; below 1,
            default 0.9.
        failure_predicate: True for errors by which the dependency did not accept, such as a status 503; None (default)
            for those that the breaker counts as failures, or every one without a breaker. Refusals by inner layers
            and cancellations never count.
        result_predicate: True for returned values by which it did not accept; None (default) for the breaker's.

    Raises:
        ConfigError: with every violation.

    Source: "Handling Overload" in the SRE book (client-side throttling, K = 2); limits of the share and of the number
    of attempts as in Envoy's admission control and failsafe-go.
    """

    multiplier: float = field(default=2.0, metadata=number(minimum=1.0, maximum=100.0))
    window: float = field(default=10.0, metadata=number(minimum=0.001, maximum=3600.0, unit="seconds"))
    min_requests: int = field(default=20, metadata=integer(minimum=1, maximum=1_000_000, unit="attempts"))
    max_share: float = field(default=0.9, metadata=number(above=True, maximum=1.0))
    failure_predicate: ErrorPredicate | None = field(default=None, metadata=hook())
    result_predicate: ResultPredicate | None = field(default=None, metadata=hook())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a share that would never let anything pass again."""
        if "max_share" not in broken and self.max_share == 1.0:
            yield Violation("max_share", self.max_share, "below 1")
