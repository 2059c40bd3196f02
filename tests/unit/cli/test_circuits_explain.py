"""`scrollintel circuits explain` says why a circuit is as it is, from what the control plane knows."""

from __future__ import annotations

from .rig import Reply, Run, ScriptedPlane

AT = "2026-05-04T14:02:11Z"
CIRCUIT = {
    "name": "payments",
    "state": "open",
    "why": "Calls are refused on replica web-1: 3 failures in a row.",
    "next_probe": 12.0,
    "counters": {"successes": 7, "failures": 3, "rejections": 20},
    "last_failure": {"type": "TimeoutError", "at": AT},
    "order": None,
    "on_replicas": [
        {
            "replica": "web-1",
            "key": None,
            "state": "open",
            "since": AT,
            "reason": "3 failures in a row",
            "stale": False,
        },
        {"replica": "web-2", "key": None, "state": "closed", "since": AT, "reason": "created", "stale": False},
    ],
    "transitions": [
        {
            "at": AT,
            "replica": "web-1",
            "old": "closed",
            "new": "open",
            "reason": "3 failures in a row",
            "evidence": {
                "rule": "consecutive",
                "total": 3,
                "failures": 3,
                "slow": 0,
                "calls": [{"outcome": "failure", "error": "TimeoutError", "at": AT, "seconds": 1.0}] * 3,
                "spans": [],
            },
        }
    ],
}


def test_circuits_explain_says_why_and_what_comes_next(remote: Run, plane: ScriptedPlane) -> None:
    """State, reason, replicas, the calls that decided it, and the next probe."""
    plane.on("GET", "/circuit-breakers/payments", Reply(body=CIRCUIT))
    told = " ".join(remote("circuits", "explain", "payments").out.split())
    assert "The circuit 'payments' is open. Calls are refused on replica web-1: 3 failures in a row. It went" in told
    assert "It went from closed to open on web-1" in told
    assert "3 failed (TimeoutError 3 times), the last at 2026-05-04 14:02:11 UTC." in told
    assert "2 reports: 1 open, 1 closed. On web-1 it is open" in told
    assert "7 attempts succeeded, 3 failed and 20 were refused." in told
    assert told.endswith("Next: the next probe in 12 s")
    item = remote("--json", "circuits", "explain", "payments").json
    assert item["next"] == ["the next probe in 12 s"]
    assert item["facts"] == CIRCUIT


def test_circuits_explain_knows_orders_and_silence(remote: Run, plane: ScriptedPlane) -> None:
    """An order that holds is told with who gave it; a circuit that no replica has is told as such."""
    order = {"order": "isolate", "by": "ann", "since": AT, "reason": "maintenance"}
    quiet = {**CIRCUIT, "state": "isolated", "order": order, "on_replicas": [], "transitions": [], "next_probe": None}
    plane.on("GET", "/circuit-breakers/payments", Reply(body=quiet))
    told = " ".join(remote("circuits", "explain", "payments").out.split())
    assert "ann ordered to isolate it" in told
    assert "maintenance." in told
    assert "No replica reports it." in told
    assert told.endswith("Next: the order holds until somebody ends it")
