"""A world that a real Prometheus scrapes and a real Alertmanager tells of."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2

from ops.prometheus import files
from ops.prometheus.alerts import alerts
from tests.browser.world import World, free_port
from tests.programs import path_of

from .control_plane import PREFIX
from .processes import eventually
from .prometheus import Prometheus

SCRAPE, EVALUATE = "500ms", "200ms"
HOLD = 1.0
"""Seconds to which the rules' own `for` is shortened."""


class Monitored(World):
    """A world with access control, an application with every part of a policy, Prometheus and Alertmanager.

    The configurations and rules are those of ops/prometheus, but for addresses and how often things are done.

    Arguments:
        folder: Where files go.
        hook: Address that webhooks of Alertmanager and of the control plane go to.
    """

    def __init__(self, folder: Path, hook: str) -> None:
        self.hook = hook
        self.prometheus = Prometheus(free_port())
        self.alertmanager = f"127.0.0.1:{free_port()}"
        self._operates = ""
        self._metrics = free_port()
        super().__init__(folder, enforced=True)

    def watch(self) -> None:
        """Start the application, Prometheus and Alertmanager, and wait until there is something to see."""
        with ThreadPoolExecutor() as pool:
            joins, reads, self._operates = pool.map(self.token, ("replica:shop", "viewer:*", "operator:*"))
        targets = [f"{name}=http://127.0.0.1:{port}/" for name, port in self.ports.items()]
        variables = {
            "SCROLLINTEL_URL": self.url, "SCROLLINTEL_SERVICE": "shop", "SCROLLINTEL_TOKEN": joins,
            "XDG_CACHE_HOME": str(self.folder),
        }  # fmt: skip
        self.application = self._start(
            "application", [sys.executable, "-m", "tests.servers.monitored", str(self._metrics), *targets], variables
        )
        self._start_alertmanager()
        self._start_prometheus(reads)
        assert eventually(self.prometheus.ready, 40.0), self.logs()
        assert eventually(lambda: bool(self.ask('scrollintel_replicas{state="live"} > 0')), 40.0), self.logs()

    def ask(self, query: str) -> list[float]:
        """Return the numbers that Prometheus answers at this moment."""
        return list(self.prometheus.query(query).values())

    def hold_open(self, circuit: str) -> None:
        """Hold a circuit open, as an operator does."""
        answer = httpx2.post(
            f"{self.url}{PREFIX}/circuit-breakers/{circuit}/isolate", json={"reason": "to see what it looks like"},
            headers={"Authorization": f"Bearer {self._operates}"}, timeout=10.0,
        )  # fmt: skip
        assert answer.is_success, answer.text

    def logs(self) -> str:
        """Return what the programs have written."""
        return "\n".join(path.read_text("utf-8", "replace")[-2000:] for path in sorted(self.folder.glob("*.log")))

    def _start_prometheus(self, token: str) -> None:
        (self.folder / "scrollintel.token").write_text(token)
        short = [replace(alert, hold=min(alert.hold, HOLD)) for alert in alerts()]
        (self.folder / files.RULES).write_text(files.to_yaml(files.rules(short)))
        config = files.scrape_example()
        config["global"] = {"scrape_interval": SCRAPE, "evaluation_interval": EVALUATE}
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [self.alertmanager]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{self.port}"]
        config["scrape_configs"].append(
            {"job_name": "application", "static_configs": [{"targets": [f"127.0.0.1:{self._metrics}"]}]}
        )
        path = self.folder / "prometheus.yml"
        path.write_text(files.to_yaml(config))
        self._start("prometheus", [
            path_of("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address={self.prometheus.url.removeprefix('http://')}", "--log.level=warn",
        ])  # fmt: skip

    def _start_alertmanager(self) -> None:
        config = files.alertmanager_example()
        config["route"] |= {"group_wait": "0s", "group_interval": "200ms"}
        for receiver in config["receivers"]:
            for webhook in receiver["webhook_configs"]:
                webhook["url"] = f"{self.hook}/{receiver['name']}"
        path = self.folder / "alertmanager.yml"
        path.write_text(files.to_yaml(config))
        self._start("alertmanager", [
            path_of("alertmanager"), f"--config.file={path}", f"--storage.path={self.folder / 'alerts'}",
            f"--web.listen-address={self.alertmanager}", "--cluster.listen-address=", "--log.level=warn",
        ])  # fmt: skip

    def _settings(self, enforced: bool, approval: bool, mode: str) -> str:
        return super()._settings(enforced, approval, mode) + (
            f'[[notifications]]\nkind = "webhook"\nurl = "{self.hook}/control-plane"\n'
            "[audit]\ncheckpoint_interval = 1\n"
        )
