"""`scrollintel capacity`: what is asked for, and what people see of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .rig import Reply, Run, ScriptedPlane

PART = {
    "kind": "rate_limit",
    "name": "search",
    "member": None,
    "service": "orders",
    "state": "free",
    "acting": False,
    "why": "5 of 10 permits are left.",
    "replicas": 2,
    "stale_replicas": 1,
    "states": {"free": 2},
    "figures": {"permits": 5.0, "capacity": 10.0},
}


def test_capacity_list_shows_a_row_for_each_part(remote: Run, plane: ScriptedPlane) -> None:
    """With its sentence; filters reach the control plane, and those that are not given are not sent."""
    plane.on("GET", "/capacity", Reply(body={"items": [PART], "next_cursor": None}))
    done = remote("capacity", "list", "--kind", "pool", "--kind", "host", "--acting", "--service", "orders")
    heading, row = done.out.splitlines()
    assert heading.split() == ["Name", "Kind", "Member", "Service", "State", "Replicas", "Why"]
    assert row.split() == ["search", "rate", "limit", "–", "orders", "free", "2", "(1", "stale)", *PART["why"].split()]  # type: ignore[attr-defined]
    assert plane.asked[0].query == {
        "kind": ["pool", "host"], "acting": ["true"], "service": ["orders"], "limit": ["100"],
    }  # fmt: skip
    remote("capacity", "list")
    assert plane.asked[1].query == {"limit": ["100"]}


def test_capacity_show_tells_each_part_on_each_replica(remote: Run, plane: ScriptedPlane) -> None:
    """Shares in percent, moments and times in words, and what a replica gives as its reason."""
    last = (datetime.now(UTC) - timedelta(minutes=5)).timestamp()
    fallback = {
        **PART, "kind": "fallback", "member": "copy", "state": "cold", "why": "It would fail when it is needed.",
        "figures": {"worked": 3, "success_share": 0.75, "last_worked": last},
        "on_replicas": [
            {"replica": "r1", "host": "alpha", "state": "cold", "reason": "down", "age": 0.3, "stale": False,
             "figures": {"worked": 3}},
            {"replica": "r2", "host": None, "state": "warm", "reason": "", "age": 60, "stale": True, "figures": {}},
        ],
    }  # fmt: skip
    plane.on("GET", "/capacity/a%2Fb", Reply(body={"name": "a/b", "parts": [PART, fallback]}))
    lines = remote("capacity", "show", "a/b").out.splitlines()
    assert lines[:4] == [
        "rate limit of orders: free", "5 of 10 permits are left.", "permits 5, capacity 10", "None reports it.",
    ]  # fmt: skip
    assert lines[5:8] == [
        "fallback copy of orders: cold", "It would fail when it is needed.",
        "worked 3, success share 75 %, last worked 5 min ago",
    ]  # fmt: skip
    assert lines[9].split() == ["r1", "alpha", "cold", "300", "ms", "ago", "down", "worked", "3"]
    assert lines[10].split() == ["r2", "–", "warm", "stale,", "1", "min", "ago", "–", "–"]
