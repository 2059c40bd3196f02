"""Parameters of the admission of requests to a server."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import Config, integer, name, nested, number
from .limit import AdaptiveLimitConfig


@dataclass(frozen=True, slots=True)
class AdmissionConfig(Config):
    """How much a server takes on at once, and whom it refuses when there is more.

    Arguments:
        name: Name of the server, for events and metrics.
        max_concurrent: Requests that run at once; default 100. Left aside when there is a `limit`.
        max_waiting: Requests that may wait for a slot, the most critical first; None (default) for as many as there are
            slots, 0 for none. Left aside when there is a `limit`.
        limit: An adaptive limit, which finds out from response times how many requests run well at once, instead of
            `max_concurrent`; None (default) for a server whose requests take as long as they please, such as streams.
        max_wait: Seconds that a request may wait for a slot at most; default 0.5.
        period: Seconds after which the threshold follows the load; default 1.
        target_wait: Seconds that requests may wait for a slot on average, and in front of the server at least; default
            0.02.
        rotation: Seconds after which users change places within their class; default 3600.
        retry_after: Seconds after which a refused request is worth another try, on average; default 2.

    Raises:
        ConfigError: with every violation.

    Source: Zhou and others, "Overload Control for Scaling WeChat Microservices" (SoCC 2018): 1 s, 20 ms, one hour.
    """

    name: str = field(default="server", metadata=name())
    max_concurrent: int = field(default=100, metadata=integer(minimum=1, maximum=100_000, unit="requests"))
    max_waiting: int | None = field(default=None, metadata=integer(maximum=100_000, unit="requests", optional=True))
    limit: AdaptiveLimitConfig | None = field(default=None, metadata=nested(AdaptiveLimitConfig))
    max_wait: float = field(default=0.5, metadata=number(maximum=3600.0, unit="seconds"))
    period: float = field(default=1.0, metadata=number(minimum=0.01, maximum=60.0, unit="seconds"))
    target_wait: float = field(default=0.02, metadata=number(above=True, maximum=60.0, unit="seconds"))
    rotation: float = field(default=3600.0, metadata=number(minimum=1.0, maximum=86_400.0, unit="seconds"))
    retry_after: float = field(default=2.0, metadata=number(minimum=1.0, maximum=3600.0, unit="seconds"))
