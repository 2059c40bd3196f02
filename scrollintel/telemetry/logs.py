"""Log lines on standard error: text for people, or one JSON object for each line."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple, TextIO

from ..core.clock import SYSTEM_CLOCK, Clock
from .log_storms import BURST, RATE, LeftOut, Storms


class TraceIds(NamedTuple):
    """Ids of a trace and of a span in it, as `traceparent` spells them."""

    trace_id: str
    span_id: str


def current_trace() -> TraceIds | None:
    """Return the ids of the current span of OpenTelemetry; None without one, and while nobody has imported that."""
    get_current_span = getattr(sys.modules.get("opentelemetry.trace"), "get_current_span", None)
    if get_current_span is None:
        return None
    context = get_current_span().get_span_context()
    return TraceIds(f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def _trace_of(record: logging.LogRecord) -> TraceIds | None:
    """Return the ids that belong on a line; what was left out of a storm belongs to no one trace."""
    return None if hasattr(record, "left_out") else current_trace()


class JsonLines(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {  # Any: JSON values of mixed types
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        trace = _trace_of(record)
        if trace is not None:
            line.update(trace._asdict())
        left_out = getattr(record, "left_out", None)
        if left_out is not None:
            line["left_out"] = left_out
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """One readable line for each record, with ids behind it where there is a trace."""

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without its exception."""
        line = super().formatMessage(record)
        trace = _trace_of(record)
        return line if trace is None else f"{line} (trace {trace.trace_id}, span {trace.span_id})"


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes lines, but not all of a storm; what was left out is told in one line once the storm is over.

    Arguments:
        stream: Where lines go.
        storms: Decides.
    """

    def __init__(self, stream: TextIO, storms: Storms) -> None:
        super().__init__(stream)
        self.storms = storms

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line, unless it is one too many of its kind."""
        passes, told = self.storms.admit(record)
        self._tell(told)
        return bool(super().handle(record)) if passes else False

    def tell(self) -> None:
        """Write what was left out in storms that are over; somebody calls it now and then."""
        self._tell(self.storms.over())

    def close(self) -> None:
        """Write what has not been told yet, and end."""
        self._tell(self.storms.rest())
        super().close()

    def _tell(self, told: list[LeftOut]) -> None:
        for one in told:
            super().handle(one.record())


def configure(
    style: str, level: str, *, burst: int = BURST, rate: float = RATE, clock: Clock = SYSTEM_CLOCK
) -> LimitedHandler:
    """Send the log to standard error, and return what writes it.

    Arguments:
        style: "text" or "json".
        level: "debug", "info", "warning" or "error".
        burst: Lines of one kind that are written at once; default 20.
        rate: Lines of one kind that are written in a second after that; default 1.
        clock: Source of time.
    """
    handler = LimitedHandler(sys.stderr, Storms(clock.monotonic, burst=burst, rate=rate))
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("alembic", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler
