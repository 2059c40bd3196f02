"""Log lines: their two forms, the trace that they belong to, and what is left of a storm."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from scrollintel.telemetry import logs
from scrollintel.telemetry.log_storms import MAX_KINDS, MAX_SHOWN, Storms
from scrollintel.testing import ManualClock


class Log:
    """A logger of the test's own whose handler writes into memory, with three lines at once and one a second."""

    def __init__(self, clock: ManualClock) -> None:
        self.stream = io.StringIO()
        self.storms = Storms(clock.monotonic, burst=3, rate=1.0)
        self.handler = logs.LimitedHandler(self.stream, self.storms)
        self.handler.setFormatter(logs.JsonLines())
        self.logger = logging.Logger("shop")
        self.logger.addHandler(self.handler)

    def lines(self) -> list[dict[str, Any]]:
        """Return what was written so far, and forget it."""
        written = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        self.stream.seek(0)
        self.stream.truncate()
        return written

    def messages(self) -> list[str]:
        """Return the messages that were written so far, and forget them."""
        return [line["message"] for line in self.lines()]


@pytest.fixture
def log(clock: ManualClock) -> Iterator[Log]:
    """Return a log that nobody else writes to."""
    found = Log(clock)
    yield found
    found.handler.close()


# ------------------------------------------------------------------ forms


def test_logs_json_line_holds_message_level_logger_and_exception(log: Log) -> None:
    """A line is one object, whatever the message holds."""
    try:
        raise OSError("gone")
    except OSError:
        log.logger.exception("two\nlines of %s", "text")
    (line,) = log.lines()
    assert (line["level"], line["logger"], line["message"]) == ("error", "shop", "two\nlines of text")
    assert line["exception"].endswith("OSError: gone")
    assert line["at"].endswith("+00:00")
    assert "trace_id" not in line


def test_logs_json_line_names_the_current_span(log: Log) -> None:
    """Whoever reads the line finds the trace, with the ids that the trace's own tools show."""
    provider = TracerProvider()
    with provider.get_tracer("test").start_as_current_span("request") as span:
        log.logger.warning("inside")
    provider.shutdown()
    (line,) = log.lines()
    context = span.get_span_context()
    assert (line["trace_id"], line["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_logs_text_line_names_the_current_span_before_the_exception(log: Log) -> None:
    """The ids stand at the end of the readable line, above the traceback."""
    log.handler.setFormatter(logs.TextLines())
    provider = TracerProvider()
    with provider.get_tracer("test").start_as_current_span("request") as span:
        try:
            raise OSError("gone")
        except OSError:
            log.logger.exception("inside")
    log.logger.warning("outside")
    provider.shutdown()
    first, *_, last = log.stream.getvalue().splitlines()
    at = span.get_span_context()
    assert first.endswith(f"Z ERROR shop: inside (trace {at.trace_id:032x}, span {at.span_id:016x})")
    assert last.endswith("Z WARNING shop: outside")


def test_logs_do_not_import_opentelemetry() -> None:
    """A process without traces pays nothing for them in its log, and loads nothing."""
    program = (
        "import logging, sys; from scrollintel.telemetry.logs import configure; configure('json', 'info');"
        "logging.getLogger('x').warning('y'); print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
    assert json.loads(done.stderr)["message"] == "y"


# ------------------------------------------------------------------ storms


def test_logs_of_a_storm_some_lines_are_written_and_the_rest_is_counted(log: Log, clock: ManualClock) -> None:
    """Three lines at once, then one each second; the next line that is written says how many were left out before."""
    for number in range(10):
        log.logger.warning("order %d failed", number)
    assert log.messages() == ["order 0 failed", "order 1 failed", "order 2 failed"]
    assert log.storms.left_out == 7
    clock.advance(1.0)
    log.logger.warning("order %d failed", 10)
    told, line = log.lines()
    assert told["message"] == "left out in 1.0 s: 7 × order %d failed"
    assert (told["left_out"], told["level"], told["logger"]) == (7, "warning", "shop")
    assert line["message"] == "order 10 failed"


def test_logs_of_another_kind_are_written_in_a_storm(log: Log) -> None:
    """Logger, level and message make a kind, so a storm of one hides none of the others."""
    for _ in range(10):
        log.logger.warning("storm")
    log.logger.warning("calm")
    log.logger.info("storm")
    assert log.messages() == ["storm"] * 3 + ["calm", "storm"]


def test_logs_errors_that_differ_are_all_written(log: Log) -> None:
    """No error hides behind another one, however many there are."""
    for number in range(50):
        log.logger.error("order %d failed", number)
    for number in range(50):
        try:
            raise OSError(number)
        except OSError:
            log.logger.exception("an order failed")
    assert len(log.messages()) == 100


def test_logs_errors_that_repeat_exactly_are_limited(log: Log) -> None:
    """The same words with the same exception say nothing new."""
    for _ in range(50):
        try:
            raise OSError("gone")
        except OSError:
            log.logger.exception("order %d failed", 1)
    assert log.messages() == ["order 1 failed"] * 3


def test_logs_after_a_storm_the_rest_is_told_without_another_line_of_its_kind(log: Log, clock: ManualClock) -> None:
    """Any other line tells it, and so does whoever looks now and then; once."""
    for _ in range(5):
        log.logger.warning("storm")
    log.lines()
    log.handler.tell()
    assert log.messages() == []
    clock.advance(3.0)
    log.logger.info("other")
    assert log.messages() == ["left out in 3.0 s: 2 × storm", "other"]
    for _ in range(5):
        log.logger.warning("storm")
    log.lines()
    clock.advance(3.0)
    log.handler.tell()
    log.handler.tell()
    assert log.messages() == ["left out in 3.0 s: 2 × storm"]


@pytest.mark.parametrize("form", [logs.JsonLines(), logs.TextLines()])
def test_logs_what_was_left_out_names_no_trace(log: Log, clock: ManualClock, form: logging.Formatter) -> None:
    """Whoever happens to log when a storm is over has nothing to do with it."""
    log.handler.setFormatter(form)
    provider = TracerProvider()
    with provider.get_tracer("test").start_as_current_span("request") as span:
        for _ in range(5):
            log.logger.warning("storm")
        clock.advance(3.0)
        log.logger.warning("other")
    provider.shutdown()
    *_, told, last = log.stream.getvalue().splitlines()
    trace = f"{span.get_span_context().trace_id:032x}"
    assert "left out in 3.0 s: 2 × storm" in told
    assert (trace in told, trace in last) == (False, True)


def test_logs_what_was_left_out_is_told_at_the_end(log: Log) -> None:
    """A process that ends in a storm tells what it has left out."""
    for _ in range(4):
        log.logger.warning("storm")
    log.lines()
    log.handler.close()
    assert log.messages() == ["left out in 0.0 s: 1 × storm"]


def test_logs_kinds_are_bounded_and_what_a_forgotten_one_left_out_is_told(log: Log) -> None:
    """Of more kinds than are told apart the oldest is forgotten, not without a word."""
    for _ in range(5):
        log.logger.warning("oldest")
    for number in range(MAX_KINDS):
        log.logger.warning(f"kind {number}")
    assert "left out in 0.0 s: 2 × oldest" in log.messages()
    assert len(log.storms._buckets) == MAX_KINDS


def test_logs_long_message_is_cut_where_it_is_told_of(log: Log, clock: ManualClock) -> None:
    """What was left out is told in one short line."""
    for _ in range(4):
        log.logger.warning("x" * 1000)
    log.lines()
    clock.advance(9.0)
    log.handler.tell()
    assert log.messages()[0].endswith("x" * MAX_SHOWN + "…")


class Unspeakable:
    """An object without a text."""

    def __str__(self) -> str:
        raise ValueError("no words")


def test_logs_deciding_never_fails(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that cannot be formatted is a matter of the handler, as it is without limits."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.logger.warning(Unspeakable())
    log.logger.error(Unspeakable())
    log.logger.error("%d", "no number")
    assert log.messages() == []


def test_logs_configure_sets_up_the_root_logger(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Form, level and limits are those that the settings give."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    handler = logs.configure("text", "warning", burst=1, rate=0.5, clock=clock)
    try:
        for _ in range(3):
            root.warning("storm")
        root.info("too quiet")
        clock.advance(2.0)
        handler.tell()
    finally:
        root.setLevel(level)
        handler.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("Z ")[2] for line in lines] == [
        "WARNING root: storm",
        "WARNING root: left out in 2.0 s: 2 × storm",
    ]
