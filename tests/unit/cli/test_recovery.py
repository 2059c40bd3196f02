"""Recoveries: which strategies there are, choosing some, and seeing what runs."""

from __future__ import annotations

from .rig import Reply, Run, ScriptedPlane


def test_recovery_start_sends_the_strategies_in_their_order(remote: Run, plane: ScriptedPlane) -> None:
    """They are tried one after the other, so their order is kept."""
    plane.on("POST", "/recovery/initiate", Reply(202, {"id": "rec_1"}))
    done = remote("recovery", "start", "orders", "--strategy", "restart", "--strategy", "reset-circuits")
    assert done.code == 0
    assert "recovery show rec_1" in done.out
    assert plane.asked[0].body["strategies"] == ["restart", "reset-circuits"]


def test_recovery_strategies_shows_what_can_be_tried(remote: Run, plane: ScriptedPlane) -> None:
    """One that is registered for no failure in particular is for everything."""
    items = [
        {"name": "restart", "built_in": False, "failure_types": ["slow", "stuck"], "default": True, "description": "a"},
        {"name": "reset-circuits", "built_in": True, "failure_types": None, "default": False, "description": None},
    ]
    plane.on("GET", "/recovery/strategies", Reply(body={"items": items}))
    _, named, built_in = remote("recovery", "strategies", "--service", "orders").out.splitlines()
    assert plane.asked[0].query == {"service": ["orders"]}
    assert named.split() == ["restart", "no", "yes", "slow,", "stuck", "a"]
    assert built_in.split() == ["reset-circuits", "yes", "no", "everything", "–"]


def test_status_shows_recoveries_that_have_not_ended(remote: Run, plane: ScriptedPlane) -> None:
    """With the number that `recovery show` asks for; when there are none, the screen says so."""
    running = {"id": "rec_1", "service": "orders", "status": "running", "started_at": "2026-01-31T12:00:00Z"}
    plane.on(
        "GET",
        "/health/summary",
        Reply(body={"sentence": "All is well.", "recoveries": [running]}),
        Reply(body={"sentence": "All is well.", "recoveries": []}),
    )
    assert "orders (rec_1, running)" in remote("status").out
    assert "none running" in remote("status").out


def test_status_tells_in_a_line_each_what_acts(remote: Run, plane: ScriptedPlane) -> None:
    """Nothing when all is calm."""
    acts = ["detector of payments sheds 40 %", "pool search has 2 of 8 hosts out"]
    plane.on("GET", "/health/summary", Reply(body={"capacity": acts}), Reply(body={"capacity": []}))
    told = [" ".join(line.split()) for line in remote("status").out.splitlines()]
    assert "capacity detector of payments sheds 40 %" in told
    assert told[told.index("capacity detector of payments sheds 40 %") + 1] == "pool search has 2 of 8 hosts out"
    assert "capacity" not in remote("status").out


def test_status_shows_response_times(remote: Run, plane: ScriptedPlane) -> None:
    """In milliseconds, and a dash while none are known."""
    times = {"p50": 0.0123, "p95": 0.25, "p99": 1.5}
    plane.on("GET", "/health/summary", Reply(body={"response_times": times}), Reply(body={"response_times": None}))
    assert "p50 12.3 ms, p95 250 ms, p99 1500 ms" in " ".join(remote("status").out.split())
    assert "response times –" in " ".join(remote("status").out.split())
