"""Observations and plans as JSON values, which is how the engine keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...recovery.strategy import Observation, Plan

Document = Mapping[str, Any]  # Any: JSON values of mixed types


def observation_document(observation: Observation) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return an observation as JSON values."""
    return {
        "service": observation.service,
        "healthy": observation.healthy,
        "symptom": observation.symptom,
        "observed_at": observation.observed_at.isoformat(),
        "facts": dict(observation.facts),
    }


def observation_of(document: Document) -> Observation:
    """Read what `observation_document` returns."""
    return Observation(**{**document, "observed_at": datetime.fromisoformat(document["observed_at"])})


def plan_document(plan: Plan) -> dict[str, Any]:  # Any: JSON values of mixed types
    """Return a plan as JSON values."""
    return {
        "service": plan.service,
        "strategy": plan.strategy,
        "actions": list(plan.actions),
        "reason": plan.reason,
        "planned_at": plan.planned_at.isoformat(),
        "parameters": dict(plan.parameters),
    }


def plan_of(document: Document, *, key: str | None = None, epoch: int = 0) -> Plan:
    """Read what `plan_document` returns, with the key of its effect and the fencing token."""
    fields = {
        **document,
        "actions": tuple(document["actions"]),
        "planned_at": datetime.fromisoformat(document["planned_at"]),
    }
    return Plan(**fields, key=key, epoch=epoch)
