"""Detectors, fallbacks kept warm, servers and pools as metrics: merged over the replicas of each service."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from ...control.capacity import CapacityPart
from ...core.context import Criticality
from ...replica.parts import PART_KINDS
from ...security.access import Scope
from ...telemetry import families as f
from ...telemetry.manager_metrics import METASTABLE, Families
from ..grown import Grown, Place

if TYPE_CHECKING:
    from ..use_cases import UseCases


def add_capacity(found: Families, use_cases: UseCases, scope: Scope, maximum: int) -> None:
    """Add the parts of the services in `scope`, those of the first `maximum` policies, servers and pools."""
    parts = use_cases.capacity.parts(lambda service: service in scope, with_policies=False)
    grown = use_cases.ingest.grown
    places = [(place, list(those)) for place, those in groupby(parts, lambda part: (part.name, part.service))]
    for place, those in places[:maximum]:
        _add(found, place, those, grown)
    found.add(f.OMITTED, ("capacity",), max(0, len(places) - maximum))


def _add(found: Families, place: Place, parts: Iterable[CapacityPart], grown: Grown) -> None:
    fallbacks: list[CapacityPart] = []
    for part in parts:
        if part.kind == "fallback":
            fallbacks.append(part)
        elif part.kind == "metastability":
            found.add(f.METASTABLE, place, int(any(one.state in METASTABLE for one in part.fresh)))
            found.add(f.METASTABLE_SHARE, place, part.figures.get("share", 1.0))
            found.add(f.METASTABLE_SHED, place, _counted(grown, part)["rejections"])
        elif part.kind == "admission":
            _add_admission(found, place, part, grown)
        elif part.kind == "pool":
            _add_pool(found, place, part, grown)
    if fallbacks:
        counts = [_counted(grown, part) for part in fallbacks]
        found.add(f.FALLBACKS_COLD, place, sum(part.acting for part in fallbacks))
        ended = [sum(one[name] for one in counts) for name in ("worked", "failed", "late")]
        found.add(f.FALLBACK_SHADOWS, place, *ended)


def _add_admission(found: Families, place: Place, part: CapacityPart, grown: Grown) -> None:
    figures, counts = part.figures, _counted(grown, part)
    name, service = place
    for one in Criticality:
        ended = counts[f"served_{one.value}"], counts[f"shed_{one.value}"]
        found.add(f.ADMISSION_REQUESTS, (name, one.value, service), *ended)
    found.add(f.ADMISSION_EXPIRED, place, counts["expired"])
    for definition, field in (
        (f.ADMISSION_THRESHOLD, "threshold"),
        (f.ADMISSION_LIMIT, "limit"),
        (f.ADMISSION_RUNNING, "running"),
        (f.ADMISSION_WAITING, "waiting"),
    ):
        found.add(definition, place, figures.get(field, 0))


def _add_pool(found: Families, place: Place, part: CapacityPart, grown: Grown) -> None:
    figures = part.figures
    ejected = figures.get("ejected", 0)
    found.add(f.POOL_HOSTS, place, figures.get("hosts", 0) - ejected, ejected)
    found.add(f.POOL_EJECTIONS, place, _counted(grown, part)["ejections"])
    found.add(f.POOL_PANICS, place, int(any(one.state == "panics" for one in part.fresh)))


def _counted(grown: Grown, part: CapacityPart) -> dict[str, int]:
    """Return what a part has counted on all replicas there ever were, by name."""
    names = PART_KINDS[part.kind].counts
    counts = grown.parts.get((part.kind, part.name, part.member, part.service)) or (0,) * len(names)
    return dict(zip(names, counts, strict=True))
