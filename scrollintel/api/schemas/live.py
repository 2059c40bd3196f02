"""What a page is told, as the API describes it, and how its rows are written."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from ...control.circuit_view import CircuitWhole
from ...service.live.rows import Rendering
from ...watch.watcher import TargetView
from .automation import target_document
from .circuits import summary

BATCH: dict[str, Any] = {  # Any: a JSON Schema
    "type": "object",
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "whole": {
            "type": "boolean",
            "description": "circuits and targets are all there are; what is not named is no more",
        },
        "facts": {
            "type": "array",
            "description": "what has happened, oldest first, with the members of events of /events; "
            "their `id` is called `subject` here",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "event": {"type": "string"},
                    "service": {"type": ["string", "null"]},
                },
                "required": ["id", "event", "service"],
            },
        },
        "circuits": {
            "type": "array",
            "description": "those that have changed since the last message",
            "items": {"$ref": "#/components/schemas/CircuitSummary"},
        },
        "gone": {"type": "array", "description": "circuits that are no more", "items": {"type": "string"}},
        "targets": {
            "type": "array",
            "description": "those that have changed since the last message",
            "items": {"$ref": "#/components/schemas/TargetViewModel"},
        },
        "gone_targets": {"type": "array", "description": "targets that are no more", "items": {"type": "string"}},
        "summary": {"$ref": "#/components/schemas/SummaryView"},
    },
    "required": ["at"],
}
RESET: dict[str, Any] = {"type": "object", "maxProperties": 0}  # Any: a JSON Schema


def _circuit(whole: CircuitWhole) -> bytes:
    return _document(summary(whole))


def _target(view: TargetView, now: float) -> bytes:
    return _document(target_document(view, now))


def _document(found: Any) -> bytes:  # Any: JSON values, datetimes included
    return to_json(found, inf_nan_mode="null")


RENDERING = Rendering(circuit=_circuit, target=_target, document=_document)
"""Rows as the routes of circuits, targets and the summary answer them."""
