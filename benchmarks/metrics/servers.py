"""A control plane with many circuits on some replicas: what it takes to scrape it over HTTP."""

from __future__ import annotations

import http.client
import tempfile
import time
from pathlib import Path

from benchmarks.control_plane.replicas import SINCE, Replica
from scrollintel.core.machines.sketch import CLASSIC_BOUNDS
from tests.servers.control_plane import server_process

from .figures import Scrape
from .processes import OPENMETRICS, series

FORMS = {"text 0.0.4": "text/plain; version=0.0.4", "OpenMetrics": OPENMETRICS}


class CountingReplica(Replica):
    """Reports response times in buckets as well."""

    def seen(self) -> list[object]:
        """Return the row of a circuit behind its name, with twenty more calls."""
        self._calls += 20
        buckets = [0] * (len(CLASSIC_BOUNDS) + 1)
        for place in range(4, 9):
            buckets[place] = self._calls // 5
        return [None, "closed", "created", SINCE, None, self._calls, 0, *[0] * 8,
                0.04, 0.1, 0.2, 0.05, 0.4, None, None, 0, buckets]  # fmt: skip


def scrapes(circuits: int, replicas: int, rounds: int) -> list[Scrape]:
    """Scrape a control plane in both formats, in turn, with reports of every circuit in between."""
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    pages: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder, server_process(Path(folder) / "data") as server:
        joined = [CountingReplica(server, number, circuits) for number in range(replicas)]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for _ in range(rounds):
            for form, accept in FORMS.items():
                for replica in joined:
                    replica.report()
                # What the reports have set off in the database is not a scrape's.
                time.sleep(0.05)
                began = time.perf_counter()
                connection.request("GET", "/metrics", headers={"Accept": accept})
                answer = connection.getresponse()
                pages[form] = answer.read()
                seconds[form].append(time.perf_counter() - began)
                assert answer.status == 200, pages[form]
    what = f"a control plane with {circuits:,} circuits on {replicas} replica{'s' if replicas > 1 else ''}, over HTTP"
    return [Scrape(what, form, series(pages[form]), len(pages[form]), tuple(seconds[form])) for form in FORMS]
