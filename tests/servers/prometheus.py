"""A real Prometheus that scrapes what a test gives it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from ..programs import path_of
from .control_plane import _free_port
from .processes import eventually, stop


class Prometheus:
    """Asks a Prometheus that runs.

    Arguments:
        port: Where it listens.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """Return the values of an expression as of now, by the labels of each."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30.0)
        assert answer.status_code == 200, answer.text
        return {frozenset(item["metric"].items()): float(item["value"][1]) for item in answer.json()["data"]["result"]}

    def targets(self) -> list[dict[str, Any]]:  # Any: JSON values
        """Return what it scrapes, with the last error of each."""
        answer = httpx2.get(f"{self.url}/api/v1/targets", timeout=30.0)
        found: list[dict[str, Any]] = answer.json()["data"]["activeTargets"]
        return found

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            return httpx2.get(f"{self.url}/-/ready", timeout=5.0).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def prometheus(folder: Path, jobs: list[dict[str, Any]], **more: Any) -> Iterator[Prometheus]:  # Any: JSON values
    """Run Prometheus with its data in `folder`.

    Arguments:
        jobs: The `scrape_configs`.
        more: Further parts of its configuration, such as `rule_files` and `alerting`.
    """
    folder.mkdir()
    interval = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps({"global": interval, "scrape_configs": jobs, **more}))
    port = _free_port()
    command = [
        path_of("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        running = Prometheus(port)
        assert eventually(running.ready, 60.0), (folder / "log").read_text()
        yield running
    finally:
        stop(process, 30.0)
