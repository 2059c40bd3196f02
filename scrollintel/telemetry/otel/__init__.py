"""OpenTelemetry: spans and metrics of protected calls, for those who ask for them.

Nothing of OpenTelemetry is imported before one of these functions is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...core.errors import ConfigError, Violation
from ...core.manager import FaultToleranceManager, ft_manager
from ...core.pipeline import Pipeline
from ...core.registry import Registry
from ..families import LIBRARY, MAX_CIRCUITS
from ..manager_metrics import of_manager

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .instrumentation import Instrumentation
    from .metrics import MetricsInstrumentation

__all__ = ["instrument", "instrument_metrics"]

DEFAULT_SAMPLE = 0.01


def instrument(
    target: FaultToleranceManager | Registry | Pipeline,
    *,
    sample: float = DEFAULT_SAMPLE,
    policies: Mapping[str, float] | None = None,
    attempt_spans: bool = False,
    tracer_provider: TracerProvider | None = None,
) -> Instrumentation:
    """Make a span for a share of the protected calls, until `remove` of what is returned.

    The span is the current one while the operation runs, in whichever thread or task, so that spans of HTTP clients
    become its children. Attempts, retries, hedges, refusals, fallbacks and changes of the circuit's state are events on
    it; names are in `docs/reference/telemetry.md`. Inside a recorded trace the trace's id decides whether its calls get
    spans; a call inside a traced call is traced as well.

    Arguments:
        target: `ft_manager` or another manager, a registry, or one pipeline.
        sample: Share of the calls that get a span, 0 to 1; default 0.01.
        policies: Shares by name of the policy, instead of `sample`; a policy with 0 pays nothing.
        attempt_spans: Whether each attempt also gets a span of its own, below that of its call; default False.
        tracer_provider: Gives the tracer; the global provider by default.

    Raises:
        ImportError: when the extra `otel` is not installed.
        ConfigError: with every violation, and when `target` is instrumented already.
    """
    _require()
    from .instrumentation import instrument as switch_on

    return switch_on(
        target, sample=sample, policies=policies, attempt_spans=attempt_spans, tracer_provider=tracer_provider
    )


def instrument_metrics(
    manager: FaultToleranceManager = ft_manager,
    *,
    max_circuits: int = MAX_CIRCUITS,
    meter_provider: MeterProvider | None = None,
) -> MetricsInstrumentation:
    """Tell OpenTelemetry what Prometheus would be told, until `remove` of what is returned.

    The instruments are asynchronous: whenever a reader collects, they read what circuits and policies know anyway, once
    for all of them. A protected call costs the same with and without.

    Arguments:
        manager: Whose circuits, policies and services are told of; `ft_manager` by default.
        max_circuits: Circuits, policies and services that are told of one by one, of each so many at most; at least 1,
            default 1,000.
        meter_provider: Gives the meter; the global provider by default.

    Raises:
        ImportError: when the extra `otel` is not installed.
        ConfigError: when an argument is not usable.
    """
    given: object = manager
    if not isinstance(given, FaultToleranceManager):
        raise ConfigError("instrument_metrics", [Violation("manager", given, "a FaultToleranceManager")])
    maximum: object = max_circuits
    if isinstance(maximum, bool) or not isinstance(maximum, int) or maximum < 1:
        allowed = "a whole number of at least 1 circuits"
        raise ConfigError("instrument_metrics", [Violation("max_circuits", maximum, allowed)])
    _require()
    from .metrics import MetricsInstrumentation

    return MetricsInstrumentation(
        LIBRARY, lambda: of_manager(manager, max_circuits=max_circuits), meter_provider=meter_provider
    )


def _require() -> None:
    try:
        import opentelemetry.trace  # noqa: F401 - only to see that it is there
    except ImportError as error:
        raise ImportError('OpenTelemetry is not installed: pip install "scrollintel[otel]"') from error
