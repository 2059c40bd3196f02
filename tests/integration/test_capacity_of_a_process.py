"""What keeps a real process within its capacity reaches a real control plane: API, metrics, events, command line."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from ..servers.control_plane import ROOT, ServerProcess, server_process
from ..servers.processes import eventually, kill
from .test_replica_process import environment

APPLICATION = """
    import contextlib
    import sys
    import threading
    import time
    from scrollintel import *

    pool = HostPool("shards", ["a", "b", "c"], config=OutlierConfig(ejection_time=300.0))
    admission = Admission(AdmissionConfig("api", max_concurrent=1, max_waiting=0))

    @shadowable
    def copy():
        raise ConnectionError("cold")

    detector = MetastabilityConfig(
        interval=0.05, min_calls=2, learning=0.3, minimum_duration=0.3, normal_load=10.0
    )
    search = protect(Policy(
        "search", retry=RetryConfig(max_attempts=4, base_delay=0.0, jitter=False), metastability=detector,
        fallback=FallbackConfig(copy, shadow_rate=1.0), limit=AdaptiveLimitConfig(),
    ))
    well = True

    def ask():
        if not well:
            raise ConnectionError("overloaded")

    def go_on():
        while True:
            with contextlib.suppress(Exception):
                search.call(ask)
            time.sleep(0.005)

    def reach(host):
        if host == "b":
            raise ConnectionError("refused")

    threading.Thread(target=go_on, daemon=True).start()
    permit = None
    for line in sys.stdin:
        if line.strip() == "overload":
            well = False
        elif line.strip() == "recover":
            well = True
        elif line.strip() == "eject":
            while not pool.figures().ejected:
                with contextlib.suppress(ConnectionError):
                    pool.call(reach)
        elif line.strip() == "shed":
            permit = permit or admission.enter(Criticality.CRITICAL)
            with contextlib.suppress(RejectedError):
                admission.enter(Criticality.SHEDDABLE)
        print("done", flush=True)
"""
TOLD = frozenset({"metastable.suspected", "metastable.shedding", "metastable.over", "fallback.cold", "host.ejected"})


class Application:
    """The process, which does what it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, what: str) -> None:
        """Tell it something, and wait until it has been done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@contextmanager
def application(url: str, cache: Path) -> Iterator[Application]:
    """Run the process, which joins by its environment with the first call."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(APPLICATION)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(url, cache),
    )  # fmt: skip
    try:
        yield Application(process)
    finally:
        kill(process)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def heard(server: ServerProcess) -> Iterator[list[dict[str, Any]]]:
    """Follow the events that are about capacity."""
    found: list[dict[str, Any]] = []
    begun = threading.Event()

    def follow() -> None:
        query = {"event": sorted(TOLD)}
        try:
            with httpx2.stream("GET", f"{server.api}/events", params=query, timeout=60.0) as stream:
                for line in stream.iter_lines():
                    begun.set()
                    if line.startswith("data: "):
                        found.append(json.loads(line.removeprefix("data: ")))
        except httpx2.TransportError:
            pass  # the server is gone at the end of the test

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert begun.wait(10.0)
    yield found


def parts(server: ServerProcess) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Return what the control plane lists, by kind and member."""
    answer = httpx2.get(f"{server.api}/capacity")
    return {(item["kind"], item["member"]): item for item in answer.json()["items"]} if answer.is_success else {}


def state(server: ServerProcess, kind: str, member: str | None = None) -> str | None:
    """Return the state of a part, or None while nobody tells of it."""
    found: str | None = parts(server).get((kind, member), {}).get("state")
    return found


def test_capacity_of_a_real_process_is_shown_told_and_heard(tmp_path: Path) -> None:
    """A detector that sheds and lets go again, a fallback that would fail, a host that is out, requests refused."""
    with (
        server_process(tmp_path / "data") as server,
        heard(server) as events,
        application(server.url, tmp_path / "cache") as process,
    ):
        assert eventually(lambda: state(server, "metastability") == "normal", 20.0), parts(server)
        assert eventually(lambda: state(server, "fallback", "copy") == "cold", 20.0), parts(server)
        process.tell("overload")
        assert eventually(lambda: state(server, "metastability") in ("shedding", "releasing"), 20.0), parts(server)
        found = parts(server)["metastability", None]
        assert found["acting"] and found["service"] == "orders"
        assert found["why"].startswith("An overload keeps itself alive, so "), found["why"]
        assert found["figures"]["share"] < 1.0
        process.tell("eject")
        assert eventually(lambda: state(server, "host", "b") == "ejected", 10.0), parts(server)
        process.tell("shed")
        assert eventually(lambda: parts(server)["admission", None]["figures"]["shed_sheddable"] >= 1, 10.0)
        assert parts(server)["pool", None]["why"] == (
            "1 of 3 hosts is taken out, because they failed more than the others."
        )
        assert parts(server)["limit", None]["figures"]["limit"] > 0
        shown = httpx2.get(f"{server.api}/capacity/shards").json()
        assert [part["on_replicas"][0]["state"] for part in shown["parts"]] == ["reduced", "ejected"]
        page = httpx2.get(f"{server.url}/metrics").text
        assert 'scrollintel_metastable{policy="search",service="orders"} 1' in page
        assert 'scrollintel_fallbacks_cold{policy="search",service="orders"} 1' in page
        assert 'scrollintel_pool_hosts{pool="shards",service="orders",state="ejected"} 1' in page
        assert 'scrollintel_admission_requests_total{server="api",criticality="sheddable",service="orders",' in page
        process.tell("recover")
        assert eventually(lambda: state(server, "metastability") == "normal", 30.0), parts(server)
        assert eventually(lambda: {fact["event"] for fact in events} == TOLD, 10.0), events
        out = next(fact for fact in events if fact["event"] == "host.ejected")
        assert (out["policy"], out["host"], out["replica_service"]) == ("shards", "b", "orders")
