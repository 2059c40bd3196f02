"""What happened and when: the demo's own deeds and the facts that the library tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Mark(Enum):
    """What kind of entry it is."""

    SCENE = "scene"
    FAULT = "fault"
    REPAIR = "repair"
    CIRCUIT = "circuit"
    LEVEL = "level"
    RECOVERY = "recovery"
    MEASURE = "measure"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; `at` in seconds since the stream began."""

    at: float
    mark: Mark
    text: str

    def to_dict(self) -> dict[str, object]:
        """Return the entry as JSON values."""
        return {"at": round(self.at, 4), "kind": self.mark.value, "text": self.text}


class Timeline:
    """Keeps the entries in order of their writing and hands each to whoever prints them."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.entries: list[Entry] = []
        self.on_entry: Callable[[Entry], None] = lambda entry: None
        self.sources: list[Callable[[], None]] = []
        self._collecting = False

    def now(self) -> float:
        """Seconds since the stream began."""
        return time.monotonic() - self.began

    def collect(self) -> None:
        """Let the sources write what they hold. From the event loop only."""
        if not self._collecting:
            self._collecting = True
            try:
                for source in tuple(self.sources):
                    source()
            finally:
                self._collecting = False

    def add(self, mark: Mark, text: str, *, at: float | None = None) -> None:
        """Write an entry; `at` in seconds on the monotonic clock, now by default. From the event loop only."""
        self.collect()
        entry = Entry((time.monotonic() if at is None else at) - self.began, mark, text)
        place = len(self.entries)
        while place and self.entries[place - 1].at > entry.at:
            place -= 1
        self.entries.insert(place, entry)
        self.on_entry(entry)
