"""`scrollintel replicas`: processes that have joined."""

from __future__ import annotations

import click

from ..client import path
from ..output import Columns, age_of
from ..paging import paged
from ..program import Group
from ..session import Session


@click.group(cls=Group)
def replicas() -> None:
    """Processes that have joined."""


@replicas.command("list")
@paged
@click.pass_obj
def list_(session: Session, /, **query: object) -> None:
    """List replicas and which of them have fallen silent."""
    answer = session.client().request("GET", path("replicas"), query=query)
    columns: Columns = {
        "Replica": "instance",
        "Service": "service",
        "Host": "host",
        "Pid": "pid",
        "Version": "version",
        "Joined": age_of("joined_at"),
        "State": lambda item: "stale" if item.get("stale") else "fresh",
        "Behind": "behind",
        "Age": lambda item: "–" if item.get("age") is None else f"{item['age']:.1f} s",
    }
    session.show_list(answer, columns, "No replicas.")
