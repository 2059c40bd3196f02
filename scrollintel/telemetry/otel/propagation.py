"""Traces that leave the process in the headers of our own HTTP transports."""

from __future__ import annotations

from opentelemetry.propagate import get_global_textmap, inject

from ...integrations.trace_headers import OUTGOING


def _headers() -> dict[str, str]:
    """Return the headers of the current context; none when the propagator fails."""
    carrier: dict[str, str] = {}
    try:
        inject(carrier)
    except Exception:  # a request goes out without a trace rather than not at all
        return {}
    return carrier


def turn_on() -> None:
    """Put the global propagator's headers into requests."""
    OUTGOING.turn_on(_headers, tuple(get_global_textmap().fields))


def turn_off() -> None:
    """Take back one `turn_on`."""
    OUTGOING.turn_off()
