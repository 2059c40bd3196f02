"""A small file that is replaced as a whole, belongs to its owner alone, and is as good as absent when it is damaged."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from .protocol import MAX_BODY, ProtocolError
from .reading import decode

FORMAT = 1
LEFT_BEHIND = 60.0
"""Seconds after which a half-written file is one of a process that was killed."""


class KeptFile:
    """One JSON object on disk; no method raises.

    Arguments:
        path: Where it lies; its directory is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = ""

    def load(self) -> dict[str, Any] | None:  # Any: JSON values of mixed types
        """Return what was kept, or None when there is nothing that can be read."""
        try:
            if not self.path.is_file():  # opening a pipe would wait for its writer
                return None
            with self.path.open("rb") as file:
                data = decode(file.read(MAX_BODY + 1))
        except (OSError, ValueError, ProtocolError):
            return None
        return data if data.get("format") == FORMAT else None

    def save(self, content: dict[str, Any]) -> bool:  # Any: JSON values of mixed types
        """Write `content`, all or nothing, unless it is there already; False when the disk does not let us."""
        try:
            text = json.dumps({"format": FORMAT, **content}, allow_nan=False)
            if text == self._written:
                return True
            if len(text) > MAX_BODY:
                return False
            self._replace(text)
        except (OSError, ValueError, TypeError, RecursionError):
            return False
        self._written = text
        return True

    def sweep(self) -> None:
        """Remove what processes that were killed while they wrote have left behind."""
        with suppress(OSError, ValueError):
            for path in self.path.parent.glob(f".{self.path.name}.*"):
                with suppress(OSError):
                    if path.stat().st_mtime < time.time() - LEFT_BEHIND:
                        path.unlink()

    def _replace(self, text: str) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file is made with mode 0600.
        with NamedTemporaryFile(
            "w", dir=self.path.parent, prefix=f".{self.path.name}.", delete=False, encoding="utf-8"
        ) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
