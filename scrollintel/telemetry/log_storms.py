"""How many log lines of one kind are written when a storm comes: a token bucket for each, and one line of the rest."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BURST = 20
"""Lines of one kind that may be written at once."""
RATE = 1.0
"""Lines of one kind that may be written in a second after that."""
MAX_KINDS = 1_000
"""Kinds of lines that are told apart; of further ones the oldest is forgotten."""
MAX_SHOWN = 200
"""Characters of a message that are repeated where lines like it were left out."""
SWEEP = 1.0
"""Seconds between looks for storms that are over."""

Kind = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not written of one kind of lines.

    Arguments:
        logger: Name of the logger.
        level: Level of the lines.
        message: The message, without what differs from line to line.
        lines: How many were left out.
        seconds: Over how long.
    """

    logger: str
    level: int
    message: str
    lines: int
    seconds: float

    def record(self) -> logging.LogRecord:
        """Return the line that tells it."""
        text = "left out in %.1f s: %d × %s"
        args = (self.seconds, self.lines, self.message)
        record = logging.LogRecord(self.logger, self.level, __file__, 0, text, args, None)
        record.left_out = self.lines
        return record


class _Bucket:
    __slots__ = ("at", "left_out", "level", "logger", "message", "since", "tokens")

    def __init__(self, record: logging.LogRecord, tokens: float, at: float) -> None:
        self.logger = record.name
        self.level = record.levelno
        self.message = _message(record)
        self.tokens = tokens
        self.at = at
        self.left_out = 0
        self.since = at

    def told(self, now: float) -> LeftOut:
        """Return what was left out, and begin to count anew."""
        found = LeftOut(self.logger, self.level, self.message, self.left_out, now - self.since)
        self.left_out = 0
        return found


class Storms:
    """Decides which lines are written; from any thread.

    Lines are of one kind when they have logger, level and message in common before the arguments are put in. From ERROR
    upwards only lines that say exactly the same are: an error that differs from the last one is always written.

    Arguments:
        burst: Lines of one kind at once.
        rate: Lines of one kind in a second after that.
        now: Seconds on a monotonic scale.

    Attributes:
        left_out: Lines that were not written, of all kinds.
    """

    def __init__(self, now: Callable[[], float], *, burst: int = BURST, rate: float = RATE) -> None:
        self._now = now
        self._burst = float(burst)
        self._rate = rate
        self._lock = threading.RLock()  # the garbage collector may log in the middle of a decision
        self._buckets: OrderedDict[Kind, _Bucket] = OrderedDict()
        self._next_sweep = 0.0
        self.left_out = 0

    def admit(self, record: logging.LogRecord) -> tuple[bool, list[LeftOut]]:
        """Tell whether a line is to be written, and what is to be told before it."""
        kind = _kind_of(record)
        with self._lock:
            now = self._now()
            told: list[LeftOut] = []
            bucket = self._buckets.get(kind)
            if bucket is None:
                told.extend(self._make_room(now))
                bucket = self._buckets[kind] = _Bucket(record, self._burst, now)
            else:
                self._buckets.move_to_end(kind)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
            bucket.at = now
            passes = bucket.tokens >= 1.0
            if passes:
                bucket.tokens -= 1.0
                if bucket.left_out:
                    told.append(bucket.told(now))
            else:
                if not bucket.left_out:
                    bucket.since = now
                bucket.left_out += 1
                self.left_out += 1
            if now >= self._next_sweep:
                told.extend(self._sweep(now))
            return passes, told

    def over(self) -> list[LeftOut]:
        """Return what was left out in storms that are over."""
        with self._lock:
            return list(self._sweep(self._now()))

    def rest(self) -> list[LeftOut]:
        """Return everything that was left out and not told yet."""
        with self._lock:
            now = self._now()
            return [bucket.told(now) for bucket in list(self._buckets.values()) if bucket.left_out]

    def _sweep(self, now: float) -> Iterator[LeftOut]:
        self._next_sweep = now + SWEEP
        for bucket in list(self._buckets.values()):  # what the garbage collector logs meanwhile moves them
            # A bucket that has filled up to the brim has seen no line for as long as that takes.
            if bucket.left_out and bucket.tokens + (now - bucket.at) * self._rate >= self._burst:
                yield bucket.told(now)

    def _make_room(self, now: float) -> Iterator[LeftOut]:
        while len(self._buckets) >= MAX_KINDS:
            _, oldest = self._buckets.popitem(last=False)
            if oldest.left_out:
                yield oldest.told(now)


def _message(record: logging.LogRecord) -> str:
    try:
        message = str(record.msg)
    except Exception:  # whoever writes the line tells that; deciding must not fail
        message = type(record.msg).__name__
    return message if len(message) <= MAX_SHOWN else f"{message[:MAX_SHOWN]}…"


def _kind_of(record: logging.LogRecord) -> Kind:
    if record.levelno < logging.ERROR:
        return record.name, record.levelno, record.msg if isinstance(record.msg, str) else _message(record)
    error = record.exc_info[1] if record.exc_info else None
    try:
        said = hash((record.getMessage(), None if error is None else (type(error), str(error))))
    except Exception:  # whoever writes the line tells that; deciding must not fail
        said = 0
    return record.name, record.levelno, _message(record), said
