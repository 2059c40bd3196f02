"""Metrics of this process for Prometheus: as text by the standard library, or through `prometheus_client`.

Nothing is counted for this: a scrape reads what circuits and policies know anyway, so a protected call costs the same
whether anybody scrapes or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import ConfigError, Violation
from ..core.manager import FaultToleranceManager, ft_manager
from .exposition import Definition, Family, Kind, negotiate, render
from .families import LIBRARY, MAX_CIRCUITS
from .manager_metrics import of_manager

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["Collector", "Exposition", "exposition"]


@dataclass(frozen=True, slots=True)
class Exposition:
    """What a scrape is answered.

    Arguments:
        content_type: The `Content-Type` header.
        body: The document, encoded.
    """

    content_type: str
    body: bytes

    @property
    def text(self) -> str:
        """The document as text."""
        return self.body.decode()


def exposition(
    manager: FaultToleranceManager = ft_manager, *, accept: str | None = None, max_circuits: int = MAX_CIRCUITS
) -> Exposition:
    """Return the metrics of this process, without any other package.

    Arguments:
        manager: Whose circuits, policies and services are told of; `ft_manager` by default.
        accept: The `Accept` header of the request; None (default) for Prometheus text 0.0.4.
        max_circuits: Circuits, policies and services that are written one by one, of each so many at most, the first
            ones; at least 1, default 1,000. `scrollintel_metrics_omitted` counts the rest.

    Raises:
        ConfigError: when `max_circuits` is out of range.
    """
    form = negotiate(accept)
    families = of_manager(manager, max_circuits=_checked("exposition", max_circuits))
    return Exposition(form.value, render(families, form))


class Collector:
    """The metrics of this process for a registry of `prometheus_client`: `REGISTRY.register(Collector())`.

    Arguments:
        manager: Whose circuits, policies and services are told of; `ft_manager` by default.
        max_circuits: Circuits, policies and services that are told of one by one, of each so many at most; at least 1,
            default 1,000.

    Raises:
        ConfigError: when `max_circuits` is out of range.
    """

    def __init__(self, manager: FaultToleranceManager = ft_manager, *, max_circuits: int = MAX_CIRCUITS) -> None:
        self._manager = manager
        self._max_circuits = _checked("Collector", max_circuits)

    def describe(self) -> Iterator[Metric]:
        """Yield all families without samples, so that the registry finds names that are taken."""
        return (_metric(Family(definition)) for definition in LIBRARY)

    def collect(self) -> Iterator[Metric]:
        """Yield the families as they stand."""
        families = of_manager(self._manager, max_circuits=self._max_circuits)
        return (_metric(family) for family in families if family.rows)


def _checked(owner: str, maximum: object) -> int:
    if isinstance(maximum, bool) or not isinstance(maximum, int) or maximum < 1:
        raise ConfigError(owner, [Violation("max_circuits", maximum, "a whole number of at least 1 circuits")])
    return maximum


def _metric(family: Family) -> Metric:
    from prometheus_client import Metric

    definition = family.definition
    metric = Metric(definition.family, definition.help, definition.kind.value, definition.unit)
    for name, labels, number in _samples(family):
        metric.add_sample(name, labels, number)
    return metric


def _samples(family: Family) -> Iterable[tuple[str, dict[str, str], float]]:
    definition = family.definition
    for values, numbers in family.rows:
        labels = dict(zip(definition.labels, values, strict=True))
        if definition.kind is Kind.HISTOGRAM:
            yield from _histogram(definition, labels, numbers)
        elif definition.split is None:
            yield definition.name, labels, float(numbers[0])
        else:
            split, names = definition.split
            for name, number in zip(names, numbers, strict=True):
                yield definition.name, {**labels, split: name}, float(number)


def _histogram(
    definition: Definition, labels: dict[str, str], numbers: tuple[float, ...]
) -> Iterable[tuple[str, dict[str, str], float]]:
    buckets, total, count = definition.cumulated(numbers)
    for bound, below in buckets:
        yield f"{definition.name}_bucket", {**labels, "le": bound}, float(below)
    yield f"{definition.name}_sum", labels, float(total)
    yield f"{definition.name}_count", labels, float(count)
