"""Who depends on whom: the order in which levels travel, and the circles that are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from ..errors import ConfigError, Violation


def dependencies_first(depends_on: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the names in an order in which each comes after everything that it depends on.

    Names that only occur as a dependency are left out: they are not registered yet.

    Raises:
        ConfigError: when names depend on each other in a circle; the text names it.
    """
    try:
        order = tuple(TopologicalSorter(depends_on).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ConfigError("depends_on", [Violation("depends_on", circle, "free of cycles")]) from None
    return tuple(name for name in order if name in depends_on)
