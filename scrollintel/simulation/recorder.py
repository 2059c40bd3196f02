"""Records how the calls of a pipeline end, beside the calls: a thread of its own writes the file."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from ..core.call import Call
from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.config.lists import is_line
from ..core.errors import CallTimeoutError, ConfigError, RejectedError, Violation
from ..core.pipeline import Pipeline
from ..core.strategies.gate import Immediate
from ..core.strategies.observer import Observer
from .recording import CLASS_NAME, MAX_KEY, RecordedOutcome

ROOM = 100_000
"""Lines that wait to be written at most; further ones are counted and left out."""
PAUSE = 0.2
"""Seconds between two looks at what is to be written."""


class Recording:
    """Writes how the calls of a pipeline end to a file, from a thread of its own; ends with `close` or its block.

    A call leaves a tuple in memory and nothing else: the file is written by the thread. The pipeline sends all calls
    the long way while it is observed.

    Attributes:
        written: Lines in the file.
        dropped: Lines that were left out, because too many waited or the file could not be written.
        problem: Why the file could not be written, or None.
    """

    def __init__(
        self, pipeline: Pipeline, path: str | Path, *, clock: Clock, key: Callable[..., object] | None
    ) -> None:
        if not isinstance(pipeline, Pipeline):
            raise ConfigError("recording", [Violation("pipeline", pipeline, "a Pipeline, as `protect` returns it")])
        if pipeline.lane.observer is not None:
            raise ConfigError(
                "recording", [Violation("pipeline", pipeline.name, "a pipeline that nobody observes yet")]
            )
        self.written = self.dropped = 0
        self.problem: OSError | None = None
        self._pipeline = pipeline
        self._clock = clock
        self._key = pipeline.policy.key if key is None else key
        self._lines: deque[tuple[Any, ...]] = deque()  # Any: what a line holds
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115  # open as long as the recording
        self._prefix = f"{int(clock.time() * 1000):x}"
        self._numbers = itertools.count(1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrollintel-recording", daemon=True)
        self._thread.start()
        pipeline.observe(Observer(_Calls(self), _Attempts(self)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Observe no further calls, and write what is left."""
        if self._ended.is_set():
            return
        self._pipeline.observe(None)
        self._ended.set()
        self._thread.join()
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or error

    # ------------------------------------------------------------------ beside the calls

    def next_call(self) -> str:
        """Return what the attempts of one call have in common."""
        return f"{self._prefix}-{next(self._numbers)}"

    def keep(self, call: Call, at: float, began: float, outcome: RecordedOutcome, error: BaseException | None) -> None:
        """Leave a line to be written."""
        if len(self._lines) >= ROOM:
            self.dropped += 1
            return
        kept = call.observed if isinstance(call.observed, _Kept) else None
        kind = None if error is None else type(error).__name__
        if kind is not None and re.fullmatch(CLASS_NAME, kind) is None:
            kind = None  # a class that was made at run time may have any name
        duration = max(0.0, self._clock.monotonic() - began)
        self._lines.append((at, duration, outcome, call.attempt, kept and kept.call, self._key_of(call), kind))

    def moment(self) -> tuple[float, float]:
        """Return the time of day, and the time by which durations are measured."""
        return self._clock.time(), self._clock.monotonic()

    def _key_of(self, call: Call) -> str | None:
        if self._key is None:
            return None
        try:
            key = str(self._key(*call.args, **call.kwargs))
        except Exception:  # a key that cannot be had must not reach the call
            return None
        key = key[:MAX_KEY]
        return key if is_line(key, MAX_KEY) else repr(key)[:MAX_KEY]

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._ended.wait(PAUSE):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            self._file.write("".join(f"{json.dumps(_object(line))}\n" for line in lines))
            self._file.flush()
            self.written += len(lines)
        except OSError as error:
            self.problem = error
            self.dropped += len(lines)


def record(
    pipeline: Pipeline, path: str | Path, *, clock: Clock = SYSTEM_CLOCK, key: Callable[..., object] | None = None
) -> Recording:
    """Write how each attempt of a pipeline ends to a file, as JSON lines, until the recording is closed.

    Arguments:
        pipeline: Whose calls are recorded; nobody else may observe it meanwhile. A process that forks starts its
            recording after it has forked.
        path: The file; lines are appended. It holds times, outcomes, names of error classes and keys, and nothing else
            of the calls; keys may be personal data.
        clock: Where times come from; the system's by default.
        key: Gives the key from a call's arguments; that of the policy by default.

    Raises:
        ConfigError: when it is no pipeline, or somebody observes it already.
        OSError: when the file cannot be opened.
    """
    return Recording(pipeline, path, clock=clock, key=key)


def _object(line: tuple[Any, ...]) -> Mapping[str, Any]:
    names = ("at", "duration", "outcome", "attempt", "call", "key", "error")
    return {name: value for name, value in zip(names, line, strict=True) if value is not None}


class _Kept:
    """What a call carries while it is recorded: its name, when it began, and whether an attempt did."""

    __slots__ = ("at", "attempted", "began", "call")

    def __init__(self, call: str, moment: tuple[float, float]) -> None:
        self.call = call
        self.at, self.began = moment
        self.attempted = False


class _Around(Immediate):
    __slots__ = ("_recording",)

    def __init__(self, recording: Recording) -> None:
        self._recording = recording


class _Calls(_Around):
    __slots__ = ()

    def enter(self, call: Call) -> None:
        """Name a call that begins."""
        call.observed = _Kept(self._recording.next_call(), self._recording.moment())

    def leave(self, call: Call, permit: object, error: BaseException | None, value: object) -> None:
        """Keep a call that was refused before any attempt began."""
        kept = call.observed
        if isinstance(error, RejectedError) and isinstance(kept, _Kept) and not kept.attempted:
            self._recording.keep(call, kept.at, kept.began, RecordedOutcome.REFUSED, error)


class _Attempts(_Around):
    __slots__ = ()

    def enter(self, call: Call) -> tuple[float, float]:
        """Remember when an attempt begins."""
        return self._recording.moment()

    def leave(self, call: Call, permit: object, error: BaseException | None, value: object) -> None:
        """Keep how an attempt ended; one that was cancelled, or came too late to begin, says nothing."""
        if call.began is None:
            return
        if isinstance(call.observed, _Kept):
            call.observed.attempted = True
        if (error is not None and not isinstance(error, Exception)) or not isinstance(permit, tuple):
            return
        outcome = RecordedOutcome.SUCCESS
        if isinstance(error, RejectedError):
            outcome = RecordedOutcome.NESTED_REFUSAL
        elif error is not None:
            late = isinstance(error, CallTimeoutError | TimeoutError)
            outcome = RecordedOutcome.TIMEOUT if late else RecordedOutcome.FAILURE
        self._recording.keep(call, permit[0], permit[1], outcome, error)
