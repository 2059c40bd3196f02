"""An application that joins by its environment alone, as real processes: what it costs and what outlives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx2

from ..servers.control_plane import ROOT, ServerProcess, server_process
from ..servers.processes import eventually, kill
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
    return {**clean, "SCROLLINTEL_URL": url, "SCROLLINTEL_SERVICE": "orders", "XDG_CACHE_HOME": str(cache)}


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
            env={**environment(peer.url, cache), "SCROLLINTEL_TOKEN": TOKEN},
        )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert f"Authorization: Bearer {TOKEN}" in heads[0]
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert kept
    for text in (done.stdout, done.stderr, log.read_text(), *(path.read_text() for path in kept)):
        assert TOKEN not in text


APPLICATION = """
    import logging
    import sys
    from scrollintel import CircuitBreakerConfig, ft_manager

    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    configs = {}

    def fail():
        raise ConnectionError("down")

    for line in sys.stdin:
        what, _, name = line.strip().rpartition(":")
        config = configs.setdefault(name, CircuitBreakerConfig(name, failure_threshold=5, recovery_timeout=120))
        try:
            if what == "level":
                print(ft_manager.degradation.level(name).name.lower(), flush=True)
                continue
            call = fail if what == "fail" else int
            ft_manager.execute_blocking(call, circuit_breaker_config=config)
            print("done", flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
"""


class Application:
    """A program that joins by its environment and calls the dependency that a line of its input names."""

    def __init__(self, url: str, cache: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(APPLICATION)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(url, cache),
        )

    def call(self, name: str) -> str:
        """Call a dependency and return "done" or the name of the error; see `APPLICATION` for "fail:" and "level:"."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        kill(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def replicas(server: ServerProcess) -> list[dict[str, Any]]:
    """Return the replicas that the control plane shows."""
    answer = httpx2.get(f"{server.api}/replicas")
    return list(answer.json()["items"]) if answer.status_code == 200 else []


def isolate(server: ServerProcess, name: str) -> None:
    """Order that a circuit lets no call through."""
    body = {"reason": "maintenance"}
    httpx2.post(f"{server.api}/circuit-breakers/{name}/isolate", json=body).raise_for_status()


def hold_level(server: ServerProcess, service: str, level: str) -> None:
    """Order that a service runs at a level."""
    body = {"service": service, "level": level, "reason": "slow"}
    httpx2.post(f"{server.api}/degradation", json=body).raise_for_status()


def kept_in(cache: Path) -> set[str]:
    """Return the names of everything whose state is kept on disk."""
    files = [json.loads(path.read_text()) for path in cache.rglob("*.json")]
    circuits = {row[0] for file in files for row in file.get("open", [])}
    return circuits.union(*(file.get(part, {}) for file in files for part in ("policies", "orders", "levels")))


def places(cache: Path) -> list[Path]:
    """Return the files of the processes that keep open circuits."""
    return sorted(cache.rglob("*.[0-9].json"))


def put_policy(server: ServerProcess, name: str) -> None:
    """Create a policy for a circuit."""
    body = {"configuration": {"name": name, "failure_threshold": 1, "recovery_timeout": 60}}
    httpx2.post(f"{server.api}/circuit-breakers", json=body).raise_for_status()


def test_process_joined_by_its_environment_joins_again_after_the_control_plane_was_killed(tmp_path: Path) -> None:
    """Orders reach it before and after a SIGKILL of the control plane, and its policy's revision is acknowledged."""
    with (
        server_process(tmp_path / "data") as server,
        Application(server.url, tmp_path / "cache") as application,
    ):
        for name in ("payments", "search"):
            assert application.call(name) == "done"
        assert eventually(lambda: [(one["service"], one["behind"]) for one in replicas(server)] == [("orders", 0)])
        assert eventually(lambda: httpx2.get(f"{server.api}/circuit-breakers/search").status_code == 200)
        isolate(server, "payments")
        assert eventually(lambda: application.call("payments") == "CircuitIsolatedError")
        put_policy(server, "stock")
        assert eventually(lambda: [one["policies"] for one in replicas(server)] == [{"stock": 1}])
        server.kill()
        assert application.call("search") == "done"
        assert application.call("payments") == "CircuitIsolatedError"
        server.start()
        assert eventually(lambda: [one["service"] for one in replicas(server) if one["policies"]] == ["orders"], 30)
        assert eventually(lambda: httpx2.get(f"{server.api}/circuit-breakers/search").status_code == 200)
        isolate(server, "search")
        assert eventually(lambda: application.call("search") == "CircuitIsolatedError")
        assert application.call("payments") == "CircuitIsolatedError"
        assert eventually(lambda: [one["policies"] for one in replicas(server)] == [{"stock": 1}])


def test_process_killed_and_restarted_alone_goes_on_under_what_was_in_force(tmp_path: Path) -> None:
    """Isolation, level and policy hold in the next process from disk while there is no control plane."""
    cache = tmp_path / "cache"
    with server_process(tmp_path / "data") as server:
        with Application(server.url, cache) as first:
            assert first.call("payments") == "done"
            assert eventually(lambda: httpx2.get(f"{server.api}/circuit-breakers/payments").status_code == 200)
            isolate(server, "payments")
            hold_level(server, "orders", "minimal")
            put_policy(server, "stock")
            assert eventually(lambda: first.call("payments") == "CircuitIsolatedError")
            assert eventually(lambda: [one["policies"] for one in replicas(server)] == [{"stock": 1}])
            assert eventually(lambda: first.call("level:orders") == "minimal")
            assert eventually(lambda: kept_in(cache) >= {"payments", "orders", "stock"})
        server.kill()
        with Application(server.url, cache) as second:
            assert second.call("payments") == "CircuitIsolatedError"
            assert second.call("level:orders") == "minimal"
            assert second.call("fail:stock") == "ConnectionError"
            assert second.call("stock") == "CircuitOpenError"


def test_workers_killed_and_restarted_alone_have_their_circuits_open_again(tmp_path: Path) -> None:
    """Four processes of one service that has no control plane: each one's successor refuses calls as it did."""
    nowhere, cache = "http://127.0.0.1:9", tmp_path / "cache"
    with ExitStack() as stack:
        for _ in range(4):
            worker = stack.enter_context(Application(nowhere, cache))
            assert [worker.call("fail:payments") for _ in range(5)] == ["ConnectionError"] * 5
            assert worker.call("payments") == "CircuitOpenError"
        assert eventually(lambda: [path.read_text().count('["payments"') for path in places(cache)] == [1] * 4)
    with ExitStack() as stack:
        workers = [stack.enter_context(Application(nowhere, cache)) for _ in range(4)]
        assert [worker.call("payments") for worker in workers] == ["CircuitOpenError"] * 4


FORKING = """
    import os
    import sys
    from scrollintel import CircuitBreakerConfig, ft_manager

    config = CircuitBreakerConfig("payments")
    ft_manager.execute_blocking(int, circuit_breaker_config=config)
    sys.stdin.readline()
    child = os.fork()
    ft_manager.execute_blocking(int, circuit_breaker_config=config)
    sys.stdin.readline() if child else os.read(int(sys.argv[1]), 1)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_forked_child_is_a_replica_of_its_own(tmp_path: Path) -> None:
    """Parent and child of a process that had joined show as two replicas, with two instances and two process ids."""
    reading, writing = os.pipe()
    with server_process(tmp_path / "data") as server:
        parent = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORKING), str(reading)],
            stdin=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            pass_fds=[reading],
            env=environment(server.url, tmp_path / "cache"),
        )
        os.close(reading)
        assert parent.stdin is not None
        try:
            assert eventually(lambda: [one["pid"] for one in replicas(server)] == [parent.pid])
            parent.stdin.write("\n")
            parent.stdin.flush()
            assert eventually(lambda: len({one["pid"] for one in replicas(server)}) == 2)
            assert parent.pid in {one["pid"] for one in replicas(server)}
            assert len({one["instance"] for one in replicas(server)}) == len(replicas(server)) == 2
        finally:
            os.close(writing)  # ends the child
            parent.stdin.close()
            try:
                ended = parent.wait(10)
            finally:
                kill(parent)
        assert ended == 0
