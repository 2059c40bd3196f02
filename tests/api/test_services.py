"""Services over the API: how each stands on its replicas, beside what was registered of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scrollintel.replica.protocol import PROTOCOL
from scrollintel.testing import ManualClock

from .rig import Served, serving


async def join(served: Served, instance: str, *, service: str = "orders", level: int = 0) -> None:
    """Join as a replica of a service, and report its level."""
    message = {"protocol": PROTOCOL, "instance": instance, "service": service, "version": "1.0", "host": "web-1"}
    joined = await served.client.post("/replicas", json=message)
    assert joined.status_code == 200, joined.text
    levels = [[service, level, "the database is slow", True, 1.0]] if level else []
    report = {"full": True, "circuits": [], "policies": [], "levels": levels, "facts": [], "dropped": 0}
    sent = await served.client.post(f"/replicas/{joined.json()['replica']}/report", json=report)
    assert sent.status_code == 204, sent.text


@pytest.mark.asyncio
async def test_service_shows_its_replicas_and_its_level(tmp_path: Path) -> None:
    """Both replicas are counted, the silent one as such; the worst level of a replica is the service's."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        await served.client.post("/services", json={"name": "orders"})
        await served.client.post("/services", json={"name": "billing", "depends_on": [{"name": "orders"}]})
        await join(served, "silent")
        clock.advance(6.0)
        await join(served, "talking", level=2)
        await join(served, "elsewhere", service="billing")
        shown = (await served.client.get("/services/orders")).json()
        assert (shown["level"], shown["replicas"], shown["stale_replicas"]) == ("moderate", 2, 1)
        assert shown["dependents"] == ["billing"]
        wanted: list[dict[str, Any]] = [
            {"replica": "silent", "host": "web-1", "version": "1.0", "age": 6.0, "stale": True, "level": None},
            {"replica": "talking", "host": "web-1", "version": "1.0", "age": 0.0, "stale": False, "level": "moderate"},
        ]
        assert shown["on_replicas"] == wanted
        listed = (await served.client.get("/services")).json()["items"]
        assert [(item["name"], item["level"], item["replicas"]) for item in listed] == [
            ("billing", "none", 1),
            ("orders", "moderate", 2),
        ]


@pytest.mark.asyncio
async def test_service_shows_the_level_that_an_operator_holds(tmp_path: Path) -> None:
    """An order counts without any replica, in the answers to changes too; registering shows what needs the service."""
    async with serving(tmp_path) as served:
        await served.client.post("/services", json={"name": "billing", "depends_on": [{"name": "orders"}]})
        await served.client.post("/degradation", json={"service": "orders", "level": "severe", "reason": "test"})
        made = (await served.client.post("/services", json={"name": "orders"})).json()
        assert (made["level"], made["replicas"], made["dependents"]) == ("severe", 0, ["billing"])
        await served.client.post("/degradation/orders/restore")
        changed = await served.client.put("/services/orders", json={"tier": 1}, headers={"If-Match": '"1"'})
        assert (changed.json()["level"], changed.json()["on_replicas"]) == ("none", [])
