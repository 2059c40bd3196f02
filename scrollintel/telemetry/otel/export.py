"""What a control plane exports through OpenTelemetry: traces of its recoveries, and its metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ..exposition import Definition, Family
from .metrics import MetricsInstrumentation
from .recoveries import RecoverySpans

SERVICE_NAME = "scrollintel"
"""`service.name`, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says otherwise."""
FLUSH = 3_000
"""Milliseconds that the last spans and numbers may take to leave."""

logger = logging.getLogger("scrollintel.telemetry")


class Export:
    """Sends to an OTLP endpoint over HTTP until `stop`; where and how say the variables `OTEL_*` of OpenTelemetry.

    The providers are its own and not the global ones, so that nothing else of the process is exported.
    """

    def __init__(self) -> None:
        from ... import __version__

        given = Resource.create()
        own = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
        named = not str(given.attributes.get("service.name", "unknown_service")).startswith("unknown_service")
        self._resource = own.merge(given) if named else given.merge(own)
        self._tracers: TracerProvider | None = None
        self._meters: MeterProvider | None = None
        self._instruments: MetricsInstrumentation | None = None

    def traces(self) -> RecoverySpans:
        """Begin to export spans, and return what makes those of recoveries."""
        self._tracers = TracerProvider(resource=self._resource)
        self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return RecoverySpans(self._tracers)

    def metrics(self, definitions: Iterable[Definition], read: Callable[[], Iterable[Family]]) -> None:
        """Begin to export what `read` gives; it is called in the exporter's thread."""
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._meters = MeterProvider([reader], resource=self._resource)
        self._instruments = MetricsInstrumentation(definitions, read, meter_provider=self._meters)

    def stop(self) -> None:
        """Send what is left, and end; what cannot be sent within seconds is lost and logged."""
        if self._tracers is not None:
            self._tracers.force_flush(FLUSH)
            self._tracers.shutdown()
        if self._instruments is not None:
            self._instruments.remove()  # there is nothing left that could be read
        if self._meters is not None:
            try:
                self._meters.shutdown(FLUSH)
            except Exception as error:  # the end of the process must not hang on a collector
                logger.warning("the last metrics were not exported: %s", type(error).__name__)
