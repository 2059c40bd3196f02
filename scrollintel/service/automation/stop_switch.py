"""The global stop switch: a file in the data directory, so that it works without database, server or network."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE_NAME = "stop-switch"
ANOTHER_HAND = "somebody who has made the file"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Automation is stopped: by whom, since when, and why."""

    by: str
    since: datetime
    reason: str


class StopSwitch:
    """Stops all automation while its file exists; from any thread, any process, and by hand with `touch`.

    Arguments:
        directory: The data directory.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._lock = threading.Lock()

    def stopped(self) -> Stopped | None:
        """Return who has stopped automation, or None when it may act. A file that cannot be read stops it."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return Stopped(ANOTHER_HAND, datetime.now(UTC), f"the switch cannot be looked at ({type(error).__name__})")
        since = datetime.fromtimestamp(status.st_mtime, UTC)
        try:
            with self.path.open("rb") as stream:
                content = json.loads(stream.read(4096))
            return Stopped(str(content["by"]), datetime.fromisoformat(content["since"]), str(content["reason"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Stopped(ANOTHER_HAND, since, "the file says nothing more")

    def stop(self, by: str, reason: str, at: datetime) -> Stopped:
        """Stop automation; it stays as it is when it is stopped already. Raises OSError."""
        with self._lock:
            known = self.stopped()
            if known is not None:
                return known
            made = self.path.with_name(f"{FILE_NAME}.{os.getpid()}")
            content = {"by": by, "since": at.isoformat(), "reason": reason[:1000]}
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, json.dumps(content).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            made.replace(self.path)
            self._settle()
            return Stopped(by, at, reason[:1000])

    def go(self) -> bool:
        """Let automation act again; tells whether it was stopped. Raises OSError."""
        with self._lock:
            try:
                self.path.unlink()
            except FileNotFoundError:
                return False
            self._settle()
            return True

    def _settle(self) -> None:
        """Make the change of the directory durable, so that a power cut does not undo it."""
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
