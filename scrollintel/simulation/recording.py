"""Recorded outcomes: a file with one JSON object for each attempt, and for each call that was refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..core.config.base import Config, choice, integer, number
from ..core.config.lists import line
from ..core.errors import ConfigError, Violation

CLASS_NAME = r"[^\W\d]\w*"
MAX_KEY = 500
MAX_TOLD = 20
"""Wrong lines of a file that are told of at most."""


class RecordedOutcome(StrEnum):
    """How an attempt ended.

    `refused` is a call that a layer of the policy refused before any attempt began; `nested_refusal` is an attempt that
    ended in the refusal of another policy inside it, which says nothing about the dependency.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    NESTED_REFUSAL = "nested_refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Config):
    """One line of a recording.

    Arguments:
        at: When it began, in seconds since 1970-01-01 UTC, or on any other scale.
        duration: How long it took.
        outcome: How it ended.
        attempt: Its number within the call, from 1 (default).
        call: What the attempts of one call have in common; None (default) when there was one only.
        key: The host, shard or tenant that it went to, or None.
        error: Name of the error's class, or None.
    """

    at: float = field(metadata=number(unit="seconds"))
    duration: float = field(metadata=number(unit="seconds"))
    outcome: RecordedOutcome = field(metadata=choice(RecordedOutcome))
    attempt: int = field(default=1, metadata=integer(minimum=1))
    call: str | None = field(default=None, metadata=line(maximum=200, optional=True))
    key: str | None = field(default=None, metadata=line(maximum=MAX_KEY, optional=True))
    error: str | None = field(
        default=None, metadata=line(pattern=CLASS_NAME, words="the name of a class", optional=True)
    )


def load_recording(path: str | Path) -> list[Recorded]:
    """Return the lines of a recording in the order of their times; empty lines are left out.

    Raises:
        ConfigError: when the file cannot be read, or with the first wrong lines by their numbers.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        allowed = f"a file that can be read ({reason.lower()})"
        raise ConfigError("recording", [Violation("file", str(path), allowed)]) from None
    return recording_of(lines)


def recording_of(lines: Iterable[str]) -> list[Recorded]:
    """Return the lines of a recording in the order of their times; see `load_recording`."""
    found: list[Recorded] = []
    wrong: list[Violation] = []
    for place, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
            if not isinstance(content, dict):
                raise ValueError
            found.append(Recorded.from_dict(content))
        except (ValueError, RecursionError) as error:
            if isinstance(error, ConfigError):
                wrong.extend(Violation(f"line {place} {v.field}", v.value, v.allowed) for v in error.violations)
            else:
                wrong.append(Violation(f"line {place}", text, "a JSON object"))
        if len(wrong) >= MAX_TOLD:
            break
    if not wrong and not any(item.outcome is not RecordedOutcome.REFUSED for item in found):
        wrong.append(Violation("attempts", len(found), "at least one attempt that was not refused"))
    if wrong:
        raise ConfigError("recording", wrong)
    return sorted(found, key=lambda item: item.at)
