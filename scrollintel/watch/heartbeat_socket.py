"""A Unix datagram socket that takes heartbeats of local programs.

A datagram is one JSON object: `{"target": NAME}`, with `"progress": NUMBER OR TEXT` when the program tells of progress.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MAX_DATAGRAM = 4096
"""Bytes of one datagram; longer ones are cut and then refused."""
MAX_PROGRESS = 200

logger = logging.getLogger("scrollintel.watch")


class HeartbeatSocket:
    """Listens in a thread of its own.

    Arguments:
        path: Where the socket lies; the owner alone may write to it.
        beat: Takes a beat: the target, and its progress or None. Must not block.
    """

    def __init__(self, path: Path, beat: Callable[[str, float | str | None], None]) -> None:
        self.path = path
        self.refused = 0
        self._beat = beat
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; raises OSError when that is not possible."""
        self.path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        former = os.umask(0o177)
        try:
            listening.bind(str(self.path))
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(former)
        self._socket = listening
        self._thread = threading.Thread(
            target=self._listen, args=(listening,), name="scrollintel heartbeats", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and remove the socket."""
        listening, self._socket = self._socket, None
        if listening is None:
            return
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(2.0)
        listening.close()
        self.path.unlink(missing_ok=True)

    def _listen(self, listening: socket.socket) -> None:
        while self._socket is not None:
            try:
                data = listening.recv(MAX_DATAGRAM)
            except OSError:
                return
            try:
                found = parsed(data)
                if found is None:
                    self.refused += 1
                else:
                    self._beat(*found)
            except Exception:  # no datagram ends it: all that beat would seem to be silent
                self.refused += 1
                logger.exception("a heartbeat could not be taken")


def parsed(data: bytes) -> tuple[str, float | str | None] | None:
    """Return target and progress of a datagram, or None for anything else."""
    try:
        content = json.loads(data)
        target = content["target"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    progress = content.get("progress")
    if not isinstance(target, str) or not 0 < len(target) <= 401:
        return None
    if progress is None:
        return target, None
    if isinstance(progress, str) and len(progress) <= MAX_PROGRESS:
        return target, progress
    if isinstance(progress, int | float) and not isinstance(progress, bool):
        try:
            number = float(progress)
        except OverflowError:
            return None
        return (target, number) if math.isfinite(number) else None
    return None
