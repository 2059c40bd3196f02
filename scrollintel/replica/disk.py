"""The last good configuration on disk, so that a restart without the control plane goes on under it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from .apply import LocalReplica, OpenCircuit
from .protocol import MAX_BODY, Desired, ProtocolError, decode, read_desired

FORMAT = 1


def cache_directory() -> Path:
    """Return SCROLLINTEL_CACHE_DIR, or `scrollintel` below XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("SCROLLINTEL_CACHE_DIR")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "scrollintel"


class Copy:
    """The file of one service; it belongs to its owner alone, and whatever is wrong with it is as if it were absent."""

    def __init__(self, directory: Path, service: str) -> None:
        plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in service)[:60]
        self.path = directory / f"{plain}-{sha256(service.encode()).hexdigest()[:12]}.json"
        self._written = ""

    def load(self) -> tuple[Desired, list[OpenCircuit]] | None:
        """Return what was kept, checked as a whole, or None."""
        try:
            with self.path.open("rb") as file:
                data = decode(file.read(MAX_BODY + 1))
            if data.get("format") != FORMAT:
                return None
            return self._wanted(data), [self._open(item) for item in data["open"]]
        except (OSError, ProtocolError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, replica: LocalReplica) -> bool:
        """Write what is in force, all or nothing, unless it is there already; False when the disk does not let us."""
        orders: dict[str, list[dict[str, Any]]] = {}
        for order in replica.orders.values():
            kept = {"order": "isolate", "key": order.key, "reason": order.reason, "sequence": order.sequence}
            orders.setdefault(order.name, []).append(kept)
        policies = {name: {"revision": one.revision, "policy": one.policy} for name, one in replica.policies.items()}
        levels = {
            name: {"level": one.level, "reason": one.reason, "until": until, "sequence": one.sequence}
            for name, (one, until) in replica.levels.items()
        }
        opened = [[c.name, c.key, round(c.until, 1), c.reason, c.openings] for c in replica.open_circuits()]
        text = json.dumps(
            {
                "format": FORMAT,
                "policies": policies,
                "orders": orders,
                "levels": levels,
                "open": sorted(opened, key=str),
            }
        )
        if text == self._written:
            return True
        try:
            self._replace(text)
        except OSError:
            return False
        self._written = text
        return True

    def _replace(self, text: str) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file is made with mode 0600.
        with NamedTemporaryFile("w", dir=self.path.parent, prefix=".", delete=False, encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise

    @staticmethod
    def _wanted(data: dict[str, Any]) -> Desired:
        now = time.time()
        levels: dict[str, Any] = {}
        for name, item in data["levels"].items():
            until = item["until"]
            if until is None or until > now:
                levels[name] = {**item, "expires_in": None if until is None else until - now}
        return read_desired({**data, "levels": levels})

    @staticmethod
    def _open(item: Any) -> OpenCircuit:
        name, key, until, reason, openings = item
        if not (isinstance(name, str) and isinstance(key, str | None) and isinstance(reason, str)):
            raise TypeError("an open circuit is malformed")
        return OpenCircuit(name, key, float(until), reason, int(openings))
