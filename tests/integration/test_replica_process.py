"""An application that joins by its environment alone, as real processes: what it costs and what outlives it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from ..servers.control_plane import ROOT
from ..unit.replica.peers import Connection, Peer

TOKEN = "planted"

CALLS = """
    import logging
    import sys
    import threading

    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    logging.getLogger().addHandler(logging.FileHandler(sys.argv[1]))

    def names():
        return sorted(thread.name for thread in threading.enumerate())

    import scrollintel
    from scrollintel import CircuitBreakerConfig, ft_manager

    assert names() == ["MainThread"], names()
    config = CircuitBreakerConfig("payments")
    assert names() == ["MainThread"], names()
    for number in range(10_000):
        assert ft_manager.execute_blocking(lambda: 1, circuit_breaker_config=config) == 1
        if number == 0:
            assert names() == ["MainThread", "scrollintel-replica"], names()
    assert names() == ["MainThread", "scrollintel-replica"], names()
    print("done", flush=True)
"""


def environment(url: str, cache: Path) -> dict[str, str]:
    """Return the variables of an application that joins by them; its copies lie below `cache`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLINTEL_")}
    joins = {"SCROLLINTEL_URL": url, "SCROLLINTEL_TOKEN": TOKEN, "SCROLLINTEL_SERVICE": "orders"}
    return {**clean, **joins, "XDG_CACHE_HOME": str(cache)}


def test_process_of_a_control_plane_that_never_answers_works_and_ends(tmp_path: Path) -> None:
    """Importing starts no thread, the first call starts one, no call waits for it, and no token is left anywhere."""
    heads: list[str] = []

    def silent(connection: Connection) -> None:
        heads.append(connection.head())
        connection.ended.wait()

    cache, log = tmp_path / "cache", tmp_path / "application.log"
    with Peer(silent) as peer:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CALLS), str(log)],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            cwd=ROOT,
            env=environment(peer.url, cache),
        )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert f"Authorization: Bearer {TOKEN}" in heads[0]
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert kept
    for text in (done.stdout, done.stderr, log.read_text(), *(path.read_text() for path in kept)):
        assert TOKEN not in text
