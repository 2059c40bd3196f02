"""A real Prometheus scrapes a real control plane with a token."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from ..servers.control_plane import server_process
from ..servers.processes import eventually
from ..servers.prometheus import prometheus


@pytest.mark.needs("prometheus")
@pytest.mark.timeout(240)
def test_prometheus_scrapes_a_control_plane_with_a_token_and_takes_everything(tmp_path: Path) -> None:
    """It asks for OpenMetrics by itself, refuses nothing of it, and answers queries about circuits."""
    with server_process(tmp_path / "data") as server:
        with httpx2.Client(base_url=server.api, timeout=30.0) as client:
            body = {"name": "prometheus", "bindings": [{"role": "viewer", "services": ["*"]}]}
            token = client.post("/tokens", json=body).raise_for_status().json()["token"]
            join = {"protocol": 1, "instance": "one", "service": "orders"}
            session = client.post("/replicas", json=join).raise_for_status().json()["replica"]
            buckets = [0, 0, 0, 0, 0, 2, 3, *[0] * 10]
            row = ["payments", None, "open", "told", 1000.5, 5.0, 5, 2, *[0] * 8, 0.04, 0.1, 0.1, 0.05, 0.2, None, None,
                   0, buckets]  # fmt: skip
            report = {"circuits": [row], "full": True}
            client.post(f"/replicas/{session}/report", json=report).raise_for_status()
        (tmp_path / "token").write_text(token)
        job = {
            "job_name": "scrollintel",
            "authorization": {"credentials_file": str(tmp_path / "token")},
            "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
        }
        with prometheus(tmp_path / "prometheus", [job]) as asked:
            came = eventually(lambda: asked.query('scrollintel_circuit_state{state="open"} == 1') != {}, 60.0)
            (target,) = asked.targets()
            assert came, target
            assert target["lastError"] == ""
            assert set(asked.query('up{job="scrollintel"}').values()) == {1.0}
            (seconds,) = asked.query(
                "histogram_quantile(0.5, sum by (le) (scrollintel_circuit_response_time_seconds_bucket))"
            ).values()
            assert 0.015625 <= seconds <= 0.0625
            metadata = httpx2.get(f"{asked.url}/api/v1/metadata", timeout=30.0).json()["data"]
            assert metadata["scrollintel_circuit_response_time_seconds"][0]["type"] == "histogram"
            assert metadata["scrollintel_circuit_response_time_seconds"][0]["unit"] == "seconds"
