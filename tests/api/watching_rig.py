"""Control planes that watch targets whose health is a file: there, or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Check, Mode, Remedy, Target
from scrollintel.security.access import Binding, Role
from scrollintel.service.automation.configured import AutomationConfig
from scrollintel.service.use_cases import UseCases

from .recovery_rig import token
from .rig import serving

Json = dict[str, Any]
PATIENCE = 30.0
ASKS = {"default": (Remedy(kind="wait", approval=True),)}
"""A person has to agree before anything is done."""


class Flags:
    """Targets that are healthy while their flag is up.

    Arguments:
        folder: Where the flags are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def target(self, name: str, **fields: Any) -> Target:
        """Return a target with a flag that is up; further fields are those of `Target`."""
        self.up(name)
        check = Check(
            name="flag", kind="command", depth=Depth.ALIVE, interval=0.1,
            options={"command": ["/usr/bin/test", "-e", str(self._flag(name))]},
        )  # fmt: skip
        return Target(**{"name": name, "service": name, "checks": (check,), "mode": Mode.OBSERVE, **fields})

    def _flag(self, name: str) -> Path:
        return self.folder / name.replace("/", "-")

    def up(self, name: str) -> None:
        """Make a target healthy."""
        self._flag(name).touch()

    def down(self, *names: str) -> None:
        """Make targets fail."""
        for name in names:
            self._flag(name).unlink()


@asynccontextmanager
async def watching(
    directory: Path, *targets: Target, durable: bool = False, healthy: bool = True, channels: Any = None, **options: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, UseCases]]:
    """Serve a control plane that watches these targets, once all are healthy; its client may do everything."""
    outbound = OutboundPolicy(private=("127.0.0.0/8",))
    config = AutomationConfig(targets=targets, outbound=outbound, durable=durable, channels=channels or {})
    async with serving(directory, automation=config, **options) as (client, use_cases):
        if options.get("enforced"):
            client.headers.update(await token(use_cases, Binding(Role.ADMIN, ("*",)), Binding(Role.APPROVER, ("*",))))
        if healthy:
            await shown(client, "/checks", lambda body: all(item["condition"] == "healthy" for item in body["items"]))
        yield client, use_cases


async def shown(client: httpx2.AsyncClient, path: str, so: Callable[[Json], Any], **query: Any) -> Json:
    """Return what is shown there once it is so."""
    body: Json = {}
    async with asyncio.timeout(PATIENCE):
        while not body or not so(body):
            answer = await client.get(path, params=query)
            body = answer.json() if answer.status_code == 200 else {}
            await asyncio.sleep(0.02)
    return body


async def incident_of(client: httpx2.AsyncClient, target: str, *states: str) -> Json:
    """Return the newest incident of a target once it is in one of these states."""
    body = await shown(
        client,
        "/incidents",
        lambda body: body["items"] and (not states or body["items"][0]["state"] in states),
        target=target,
    )
    found: Json = body["items"][0]
    return found


async def question_of(client: httpx2.AsyncClient, target: str) -> Json:
    """Return the question about a target that stands."""
    body = await shown(client, "/approvals", lambda body: any(item["target"] == target for item in body["items"]))
    return next(item for item in body["items"] if item["target"] == target)


async def away(use_cases: UseCases) -> None:
    """Wait until the control plane has noticed that its database is away."""
    async with asyncio.timeout(PATIENCE):
        while use_cases.plane.serving:
            await asyncio.sleep(0.02)


async def back(use_cases: UseCases) -> None:
    """Wait until it serves again and has written what it had journalled."""
    async with asyncio.timeout(PATIENCE):
        while not use_cases.plane.serving or use_cases.automation.keeper.waiting:
            await asyncio.sleep(0.02)
