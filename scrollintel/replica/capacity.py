"""How the parts of a process stand that keep it within its capacity, read from their snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from ..core.manager import FaultToleranceManager
from ..core.pipeline import Pipeline
from .parts import MAX_HOSTS, SERVED, SHED, PartReport
from .protocol import plain

if TYPE_CHECKING:
    from ..core.snapshot import FallbackSnapshot, MetastabilitySnapshot
    from ..core.strategies.admission import AdmissionFigures
    from ..core.strategies.outliers import HostSnapshot, PoolSnapshot

MAX_MEMBER = 200
"""Characters of the name of a fallback or host at most; what is longer is cut."""


def parts_of(manager: FaultToleranceManager) -> list[PartReport]:
    """Return the parts of a manager's policies, of its servers and of its pools of hosts."""
    found: list[PartReport] = []
    for pipeline in _pipelines(manager).values():
        parts = pipeline.lane.parts
        if parts.metastability is not None:
            found.append(_detector(pipeline.name, parts.metastability.snapshot()))
        if parts.fallback.shadows is not None:
            found += _fallbacks(pipeline.name, parts.fallback.shadows.snapshots())
    for name, servers in groupby(manager.servers(), attrgetter("name")):
        found.append(_admission(name, list(servers)))
    for name, same in groupby(manager.pools(), attrgetter("name")):
        pools = list(same)
        found += [_pool(name, pools), *_ejected(name, pools)]
    return found


def _pipelines(manager: FaultToleranceManager) -> dict[str, Pipeline]:
    """Return one pipeline for each name: the registered one, or the latest of those that belong to the registry."""
    others = [pipeline for source in manager.registry.others for pipeline in source()]
    return {pipeline.name: pipeline for pipeline in (*others, *manager.registry.pipelines())}


def _detector(name: str, view: MetastabilitySnapshot) -> PartReport:
    figures = {
        "share": view.share, "rejections": view.rejections, "running": view.running, "goodput": view.goodput,
        "usual_goodput": view.usual_goodput, "rate": view.rate, "usual_rate": view.usual_rate,
        "attempts": view.attempts, "usual_attempts": view.usual_attempts, "usual_running": view.usual_running,
    }  # fmt: skip
    return PartReport(name, "metastability", None, view.phase, plain(view.reason), figures)


def _fallbacks(name: str, views: Iterable[FallbackSnapshot]) -> Iterator[PartReport]:
    told: set[str] = set()
    for view in views:
        # Two fallbacks of one name are told apart by their place in the chain.
        member = plain(view.kind if view.kind not in told else f"{view.kind} ({view.index})")[:MAX_MEMBER]
        told.add(view.kind)
        figures = {
            "runs": view.runs, "worked": view.worked, "failed": view.failed, "late": view.late,
            "compared": view.compared, "agreed": view.agreed,
        }  # fmt: skip
        # Whole seconds: the wall clock is read anew each time, and what has not changed is not told again.
        last = {} if view.last_worked is None else {"last_worked": round(view.last_worked)}
        state = "cold" if view.cold else "warm"
        yield PartReport(name, "fallback", member, state, plain(view.reason), {**figures, **last})


def _admission(name: str, servers: list[AdmissionFigures]) -> PartReport:
    """Return the servers of one name together, with the strictest threshold."""
    threshold = max(one.threshold for one in servers)
    figures: dict[str, float] = {
        "limit": sum(one.limit for one in servers),
        "running": sum(one.running for one in servers),
        "waiting": sum(one.waiting for one in servers),
        "threshold": threshold,
        "expired": sum(one.expired for one in servers),
    }
    for rank, (served, shed) in enumerate(zip(SERVED, SHED, strict=True)):
        figures[served] = sum(one.served[rank] for one in servers)
        figures[shed] = sum(one.shed[rank] for one in servers)
    return PartReport(name, "admission", None, "shedding" if threshold else "serving", "", figures)


def _pool(name: str, pools: list[PoolSnapshot]) -> PartReport:
    """Return the pools of one name together."""
    hosts = [host for pool in pools for host in pool.hosts]
    out = sum(host.ejected for host in hosts)
    figures = {"hosts": len(hosts), "ejected": out, "ejections": sum(pool.ejections for pool in pools)}
    state = "panics" if any(pool.panics for pool in pools) else "reduced" if out else "whole"
    return PartReport(name, "pool", None, state, "", figures)


def _ejected(name: str, pools: list[PoolSnapshot]) -> list[PartReport]:
    out: dict[str, HostSnapshot] = {host.host: host for pool in pools for host in pool.hosts if host.ejected}
    return [
        PartReport(
            name, "host", host.host[:MAX_MEMBER], "ejected", plain(host.reason or ""),
            # Whole seconds, because they run down.
            {"returns_in": round(host.returns_in or 0.0), "ejections": host.ejections, "calls": host.calls,
             "failures": host.failures, "running": host.in_flight},
        )
        for host in list(out.values())[:MAX_HOSTS]
    ]  # fmt: skip
