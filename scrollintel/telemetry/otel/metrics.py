"""Metrics through OpenTelemetry: asynchronous instruments over the families that Prometheus is told of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from ..exposition import PREFIX, Definition, Family, Kind
from .attributes import METRIC_PREFIX
from .instrumentation import SCOPE

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_UNITS = {"seconds": "s", "bytes": "By", "": "1"}

logger = logging.getLogger("scrollintel.telemetry")

Read = Callable[[], Iterable[Family]]


def instrument_name(definition: Definition) -> str:
    """Return the name of a family's instrument: without the prefix and the suffix that Prometheus asks for."""
    return METRIC_PREFIX + definition.family.removeprefix(PREFIX).removesuffix(f"_{definition.unit}")


class Reading:
    """The families as they stood, read once for all instruments of one collection.

    A collection asks each instrument once. One that asks again begins the next collection.

    Attributes:
        failures: How often they could not be read.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._families: dict[str, Family] | None = None
        self.failures = 0
        self._given: set[str] = set()

    def of(self, name: str, asker: str) -> Family | None:
        """Return the family of that name for an instrument; None when there is none."""
        with self._lock:
            families = self._families
            if families is None or asker in self._given:
                families = self._families = self._anew()
                self._given.clear()
            self._given.add(asker)
            return families.get(name)

    def _anew(self) -> dict[str, Family]:
        try:
            return {family.definition.name: family for family in self._read()}
        except Exception as error:  # a collection without numbers, instead of an error for each instrument
            self.failures += 1
            logger.warning("metrics were not read for OpenTelemetry: %s", type(error).__name__)
            return {}


class MetricsInstrumentation:
    """Instruments of one manager or control plane, until `remove`."""

    def __init__(self, definitions: Iterable[Definition], read: Read, *, meter_provider: MeterProvider | None) -> None:
        from ... import __version__

        self._reading: Reading | None = Reading(read)
        meter = get_meter(SCOPE, __version__, meter_provider)
        for definition in definitions:
            self._make(meter, definition)

    def remove(self) -> None:
        """Tell nothing more; OpenTelemetry has no way to take an instrument away. Doing it twice does nothing."""
        self._reading = None

    def _make(self, meter: Meter, definition: Definition) -> None:
        name, unit, text = instrument_name(definition), _UNITS[definition.unit], definition.help
        if definition.kind is Kind.HISTOGRAM:
            # There is no asynchronous histogram, so its buckets, its count and its sum are counters.
            for part, of_part in (("bucket", "1"), ("count", "1"), ("sum", unit)):
                callback = self._callback(definition, part)
                meter.create_observable_counter(f"{name}.{part}", [callback], of_part, text)
        elif definition.kind is Kind.COUNTER:
            meter.create_observable_counter(name, [self._callback(definition)], unit, text)
        else:
            meter.create_observable_gauge(name, [self._callback(definition)], unit, text)

    def _callback(self, definition: Definition, part: str = "") -> Callable[[CallbackOptions], Iterable[Observation]]:
        asker = f"{definition.name}.{part}"

        def observe(options: CallbackOptions) -> Iterator[Observation]:
            reading = self._reading
            family = None if reading is None else reading.of(definition.name, asker)
            if family is not None:
                yield from _histogram(family, part) if part else _numbers(family)

        return observe


def _numbers(family: Family) -> Iterator[Observation]:
    definition = family.definition
    for values, numbers in family.rows:
        attributes = _attributes(definition, values)
        if definition.split is None:
            yield Observation(+numbers[0], attributes)  # +True is 1, which exporters take
        else:
            label, names = definition.split
            for value, number in zip(names, numbers, strict=True):
                yield Observation(+number, {**attributes, METRIC_PREFIX + label: value})


def _histogram(family: Family, part: str) -> Iterator[Observation]:
    definition = family.definition
    for values, numbers in family.rows:
        attributes = _attributes(definition, values)
        buckets, total, count = definition.cumulated(numbers)
        if part == "sum":
            yield Observation(total, attributes)
        elif part == "count":
            yield Observation(count, attributes)
        else:
            for bound, below in buckets:
                yield Observation(below, {**attributes, f"{METRIC_PREFIX}le": bound})


def _attributes(definition: Definition, values: tuple[str, ...]) -> dict[str, str]:
    return {METRIC_PREFIX + label: value for label, value in zip(definition.labels, values, strict=True)}
