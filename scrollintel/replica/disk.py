"""The last good configuration on disk, so that a restart without the control plane goes on under it."""

from __future__ import annotations

import math
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.locks import CONFIGURING
from .apply import REMEMBERED, LocalReplica, OpenCircuit
from .kept import KeptFile
from .protocol import MAX_TEXT, Desired, ProtocolError
from .reading import read_desired
from .slots import Slot


def cache_directory() -> Path | None:
    """Return SCROLLINTEL_CACHE_DIR, or `scrollintel` below XDG_CACHE_HOME or ~/.cache; None without a home."""
    own = os.environ.get("SCROLLINTEL_CACHE_DIR")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "scrollintel"
    except RuntimeError:
        return None


class Copy:
    """What one process keeps: policies, orders and levels for its whole service, open circuits in a place of its own.

    A process takes the first place that no living one holds, and gets the open circuits that its predecessor there
    had. Whatever is wrong with the disk is as if nothing were kept; no method raises.

    Arguments:
        directory: Where the files lie; None keeps nothing.
        service: Whose they are.
    """

    def __init__(self, directory: Path | None, service: str) -> None:
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in service)[:60]
        self._name = f"{plain}-{sha256(service.encode(errors='replace')).hexdigest()[:12]}"
        self._directory = directory
        self._desired = None if directory is None else KeptFile(directory / f"{self._name}.json")
        self._slot: Slot | None = None
        self._open: KeptFile | None = None

    def load(self) -> tuple[Desired | None, list[OpenCircuit]]:
        """Take a place, and return what was in force and which circuits the predecessor there had open."""
        self._take_place()
        desired = None if self._desired is None else _wanted(self._desired.load())
        if self._desired is not None:
            self._desired.sweep()
        if self._open is None:
            return desired, []
        self._open.sweep()
        return desired, _opened(self._open.load())

    def save(self, replica: LocalReplica) -> bool:
        """Write what is in force and what is open, where that has changed; False when the disk does not let us."""
        if self._desired is None:
            return False
        self._take_place()
        saved = self._desired.save(_in_force(replica))
        rows = [[c.name, c.key, c.until, c.reason[:MAX_TEXT], c.openings] for c in replica.open_circuits()]
        return self._open is not None and self._open.save({"open": sorted(rows, key=str)}) and saved

    def let_go(self) -> None:
        """Free the place for another process; in a forked child, leave it to the parent."""
        slot, self._slot, self._open = self._slot, None, None
        if slot is not None:
            slot.let_go()

    def _take_place(self) -> None:
        if self._slot is None and self._directory is not None:
            self._slot = Slot.take(self._directory, self._name)
            if self._slot is not None:
                self._open = KeptFile(self._directory / f"{self._name}.{self._slot.number}.json")


def _in_force(replica: LocalReplica) -> dict[str, Any]:  # Any: JSON values of mixed types
    with CONFIGURING:
        policies, orders, levels = dict(replica.policies), list(replica.orders.values()), dict(replica.levels)
        endpoints = dict(replica.endpoints)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for order in orders:
        kept = {"order": "isolate", "key": order.key, "reason": order.reason, "sequence": order.sequence}
        by_name.setdefault(order.name, []).append(kept)
    return {
        "policies": {name: {"revision": one.revision, "policy": one.policy} for name, one in policies.items()},
        "orders": by_name,
        "levels": {
            name: {"level": one.level, "reason": one.reason, "until": until, "sequence": one.sequence}
            for name, (one, until) in levels.items()
        },
        "endpoints": {
            name: {"address": one.address, "reason": one.reason, "sequence": one.sequence}
            for name, one in endpoints.items()
        },
    }


def _wanted(data: dict[str, Any] | None) -> Desired | None:
    if data is None:
        return None
    now = time.time()
    levels: dict[str, Any] = {}
    try:
        for name, item in data["levels"].items():
            until = item["until"]
            if until is None or until > now:
                levels[name] = {**item, "expires_in": None if until is None else until - now}
        return read_desired({**data, "levels": levels})
    except (ProtocolError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _opened(data: dict[str, Any] | None) -> list[OpenCircuit]:
    found: list[OpenCircuit] = []
    rows = None if data is None else data.get("open")
    oldest = time.time() - REMEMBERED
    for row in rows if isinstance(rows, list) else ():
        try:
            name, key, until, reason, openings = row
            until = float(until)
        except (ValueError, TypeError, OverflowError):
            continue
        texts = isinstance(name, str) and isinstance(key, str | None) and isinstance(reason, str)
        if texts and math.isfinite(until) and type(openings) is int and until > oldest:
            found.append(OpenCircuit(name, key, until, reason, openings))
    return found
