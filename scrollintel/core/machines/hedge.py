"""When a further attempt starts beside one that is still running."""

from __future__ import annotations

from ..config.hedge import HedgeConfig


def launches(config: HedgeConfig, latency_at_quantile: float | None, samples: int) -> float:
    """Return the seconds between the start of one attempt and the start of the next beside it.

    Arguments:
        config: Gives `delay` in seconds, and `quantile` with its `minimum_samples`.
        latency_at_quantile: Measured response time at `config.quantile` in seconds; None when not measured.
        samples: Response times that the measurement rests on, in calls.

    With a quantile and enough samples it is the measured time, otherwise `delay`. Source: Dean and Barroso, "The
    Tail at Scale", 2013 (hedge after the 95th percentile); the minimum number of samples follows failsafe-go.
    """
    if config.quantile is None or latency_at_quantile is None or samples < config.minimum_samples:
        return config.delay
    return latency_at_quantile
