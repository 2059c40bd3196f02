"""OpenTelemetry: spans and metrics of protected calls, for those who ask for them.

Nothing of OpenTelemetry is imported before one of these functions is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...core.manager import FaultToleranceManager
from ...core.pipeline import Pipeline
from ...core.registry import Registry

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from .instrumentation import Instrumentation

__all__ = ["instrument"]

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


def _require() -> None:
    try:
        import opentelemetry.trace  # noqa: F401 - only to see that it is there
    except ImportError as error:
        raise ImportError('OpenTelemetry is not installed: pip install "scrollintel[otel]"') from error
