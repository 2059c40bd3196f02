"""Switching spans on for the policies of a process, and off again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...core.errors import ConfigError, Violation
from ...core.manager import FaultToleranceManager
from ...core.pipeline import Pipeline
from ...core.registry import Registry
from ...core.strategies.observer import Observer
from . import propagation
from .sampling import Sampler, Shares
from .spans import Attempts, Calls, Failures, Tap

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

SCOPE = "scrollintel"
"""Name of the instrumentation scope."""


class Instrumentation:
    """Spans for the protected calls of one manager, registry or pipeline, until `remove`."""

    def __init__(
        self,
        target: FaultToleranceManager | Registry | Pipeline,
        shares: Shares,
        *,
        attempt_spans: bool,
        tracer_provider: TracerProvider | None,
    ) -> None:
        from opentelemetry.trace import get_tracer

        from ... import __version__

        self._target = target.registry if isinstance(target, FaultToleranceManager) else target
        if self._is_observed():
            raise ConfigError("instrument", [Violation("target", target, "not instrumented yet; remove that first")])
        self._shares = shares
        self._failures = Failures()
        self._tracer = get_tracer(SCOPE, __version__, tracer_provider)
        self._attempts = Attempts(self._tracer, self._failures, own_spans=attempt_spans)
        self._tap = Tap(self._target.hub)
        self._target.hub.attach(self._tap)
        if isinstance(self._target, Pipeline):
            self._target.observe(self._observer(self._target.name))
        else:
            self._target.observe(self._observer)
        propagation.turn_on()
        self._active = True

    @property
    def failures(self) -> int:
        """How often the tracer raised an error; no call has noticed it."""
        return self._failures.count

    @property
    def last_failure(self) -> str | None:
        """Class of the tracer's last error, or None."""
        return self._failures.last

    def remove(self) -> None:
        """Make no further spans; calls take the short way again. Doing it twice does nothing."""
        if self._active:
            self._active = False
            propagation.turn_off()
            self._target.observe(None)
            self._tap.cancel()

    def _observer(self, policy: str) -> Observer | None:
        share = self._shares.of(policy)
        if share == 0.0:
            return None
        calls = Calls(self._tracer, self._failures, policy=policy, sampler=Sampler(share))
        return Observer(calls, self._attempts)

    def _is_observed(self) -> bool:
        target = self._target
        return target.lane.observer is not None if isinstance(target, Pipeline) else target.is_observed


def instrument(
    target: FaultToleranceManager | Registry | Pipeline,
    *,
    sample: float,
    policies: Mapping[str, float] | None,
    attempt_spans: bool,
    tracer_provider: TracerProvider | None,
) -> Instrumentation:
    """Switch spans on; see `scrollintel.telemetry.otel.instrument`."""
    given: object = target
    if not isinstance(given, FaultToleranceManager | Registry | Pipeline):
        raise ConfigError("instrument", [Violation("target", given, "a manager, a registry or a pipeline")])
    shares = Shares(sample, policies)
    return Instrumentation(target, shares, attempt_spans=attempt_spans, tracer_provider=tracer_provider)
