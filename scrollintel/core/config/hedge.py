"""Parameters of hedging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import Violation
from .base import Config, hook, integer, nested, number
from .retry import BudgetConfig


@dataclass(frozen=True, slots=True)
class HedgeConfig(Config):
    """When a further attempt is sent beside one that is still running; for idempotent operations only.

    Arguments:
        delay: Seconds after which the next attempt starts; 0 starts all at once. Default 2.
        max_hedges: Attempts beside the first; default 1.
        quantile: Start after this quantile of the measured response times instead of `delay`, above 0 and
            below 1, such as 0.95; `delay` holds until `minimum_samples` are there. None by default.
        minimum_samples: Response times needed before `quantile` counts; default 20 calls.
        budget: Limits hedges to a share of the traffic; None (default) for no limit.
        repeatable: Tells from the call's arguments whether the operation may run more than once, as `RetryConfig`
            has it; None (default) when every call may. Asked only when a hedge is due.

    Raises:
        ConfigError: with every violation.

    Source: Dean and Barroso, "The Tail at Scale", 2013.
    """

    delay: float = field(default=2.0, metadata=number(unit="seconds"))
    max_hedges: int = field(default=1, metadata=integer(minimum=1, maximum=20, unit="attempts"))
    quantile: float | None = field(default=None, metadata=number(above=True, maximum=1.0, optional=True))
    minimum_samples: int = field(default=20, metadata=integer(minimum=1, unit="calls"))
    budget: BudgetConfig | None = field(default=None, metadata=nested(BudgetConfig))
    repeatable: Callable[..., bool] | None = field(default=None, metadata=hook())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse the quantile that no sample ever exceeds."""
        if "quantile" not in broken and self.quantile == 1.0:
            yield Violation("quantile", self.quantile, "below 1")
