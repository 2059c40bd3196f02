"""Each exit code as a script meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scrollintel.cli.exit_codes import MEANINGS, ExitCode

from .rig import Reply, Run, ScriptedPlane, free_port, problem

WELL = {"sentence": "All is well.", "storage": "serving", "refusing": [], "stale": False}


def test_0_is_done(remote: Run, plane: ScriptedPlane) -> None:
    """What was asked about is well."""
    plane.on("GET", "/health/summary", Reply(body=WELL))
    done = remote("status")
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert "All is well." in done.out


@pytest.mark.parametrize(
    "change", [{"refusing": ["payments"]}, {"stale": True}, {"storage": "failing"}, {"incidents": [{"id": "inc_1"}]}]
)
def test_1_is_not_well(remote: Run, plane: ScriptedPlane, change: dict[str, object]) -> None:
    """A circuit that refuses, old figures, a database that takes no changes, or an open incident."""
    plane.on("GET", "/health/summary", Reply(body={**WELL, **change}))
    assert remote("status").code == ExitCode.FAILED


@pytest.mark.parametrize("status", [409, 412, 428])
def test_6_is_a_conflict(remote: Run, plane: ScriptedPlane, status: int) -> None:
    """It exists already, or somebody else was quicker."""
    plane.on("POST", "/services", problem(status, "conflict"))
    assert remote("services", "register", "orders").code == ExitCode.CONFLICT


@pytest.mark.parametrize("status", [400, 413, 422])
def test_2_is_refused_by_the_control_plane_as_not_valid(remote: Run, plane: ScriptedPlane, status: int) -> None:
    """What was sent breaks a rule; each of them is listed with the value and what is allowed."""
    broken = [
        {"field": "configuration.failure_threshold", "value": -1, "allowed": "1 to 1000"},
        {"field": "configuration.name", "value": None, "allowed": "a name"},
    ]
    plane.on("POST", "/circuit-breakers", problem(status, "invalid_request", detail="2 rules", violations=broken))
    done = remote("circuits", "create", "payments", "--set", "failure_threshold=-1")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.splitlines() == [
        "Error: Refused: 2 rules [invalid_request]",
        "  configuration.failure_threshold = -1: must be 1 to 1000",
        "  configuration.name: must be a name",
    ]


def test_2_is_a_question_that_nobody_can_answer(remote: Run, plane: ScriptedPlane) -> None:
    """Without a terminal nothing is asked; the command says what it would do and how to confirm it."""
    done = remote("circuits", "delete", "payments")
    assert done.code == ExitCode.USAGE
    assert "This deletes the configuration of payments" in done.err
    assert "--yes" in done.err
    assert plane.asked == []


def test_3_is_nobody_there(cli: Run) -> None:
    """The sentence says what to do."""
    done = cli("--url", f"http://127.0.0.1:{free_port()}", "status")
    assert (done.code, done.out) == (ExitCode.UNREACHABLE, "")
    assert "connection refused" in done.err
    assert "scrollintel serve" in done.err


def test_3_is_a_server_that_hangs(cli: Run, plane: ScriptedPlane) -> None:
    """--timeout bounds the wait."""
    plane.on("GET", "/health/summary", Reply(hang=True))
    done = cli("--url", plane.url, "--timeout", "50ms", "status")
    assert done.code == ExitCode.UNREACHABLE
    assert "did not answer in time" in done.err


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404, b"<html>", "text/html"), "answered 404, not as a control plane does"),
        (Reply(502, b"bad gateway", "text/plain"), "answered 502"),
        (Reply(500, {"error": "another API"}), "answered 500"),
        (Reply(307, b"", headers={"Location": "http://elsewhere"}), "sends to another address"),
        (Reply(200, {"sentence": "x"}, cut=True), "broke the answer off"),
    ],
)
def test_3_is_somebody_else(remote: Run, plane: ScriptedPlane, reply: Reply, words: str) -> None:
    """What does not answer as a control plane is none, whatever its status means elsewhere."""
    plane.on("GET", "/health/summary", reply)
    done = remote("status")
    assert (done.code, done.out) == (ExitCode.UNREACHABLE, "")
    assert words in done.err


@pytest.mark.parametrize(("status", "hint"), [(401, "--token-file"), (403, "scrollintel roles")])
def test_4_is_no_access(remote: Run, plane: ScriptedPlane, status: int, hint: str) -> None:
    """The hint says what gives access, or where to see who has it."""
    plane.on("GET", "/tokens", problem(status, "no_access", detail="no"))
    done = remote("tokens", "list")
    assert done.code == ExitCode.ACCESS
    assert hint in done.err


def test_5_is_not_there(remote: Run) -> None:
    """What is not there, or not for this token to see."""
    done = remote("circuits", "show", "nosuch")
    assert done.code == ExitCode.NOT_FOUND
    assert "there is no such thing [not_found]" in done.err


def test_5_is_a_circuit_that_only_code_configures(remote: Run, plane: ScriptedPlane) -> None:
    """There is nothing to change; the hint names the command that makes it."""
    plane.on("GET", "/circuit-breakers/payments", Reply(body={"name": "payments", "configured": None}))
    done = remote("circuits", "update", "payments", "--set", "failure_threshold=2")
    assert done.code == ExitCode.NOT_FOUND
    assert "scrollintel circuits create payments" in done.err


def test_6_is_a_file_that_an_export_would_replace(remote: Run, plane: ScriptedPlane, tmp_path: Path) -> None:
    """It stays as it was, and nothing is asked."""
    target = tmp_path / "log.jsonl"
    target.write_text("mine")
    done = remote("audit", "export", str(target))
    assert done.code == ExitCode.CONFLICT
    assert target.read_text() == "mine"
    assert plane.asked == []


def test_7_is_an_audit_log_that_is_not_intact(remote: Run, plane: ScriptedPlane) -> None:
    """The first bad record and every problem are told."""
    verdict = {
        "ok": False,
        "records": 10,
        "checkpoints": 1,
        "first_bad": 4,
        "problems": [{"sequence": 4, "text": "the hash does not follow"}, {"sequence": None, "text": "cut short"}],
        "notes": ["one checkpoint"],
    }
    plane.on("POST", "/audit/verify", Reply(body=verdict))
    done = remote("audit", "verify")
    assert done.code == ExitCode.VERIFICATION
    assert done.out.splitlines() == [
        "The log is NOT intact (10 records, 1 checkpoints); the first bad record is 4.",
        "  record 4: the hash does not follow",
        "  log: cut short",
        "note: one checkpoint",
    ]
    assert remote("--json", "audit", "verify").code == ExitCode.VERIFICATION


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"format": "other"}\n', "\xff\x00"])
def test_7_is_a_file_that_is_no_export(cli: Run, tmp_path: Path, text: str) -> None:
    """Offline, too, what is not a sound log is not taken for one."""
    export = tmp_path / "export.jsonl"
    export.write_text(text, encoding="latin-1")
    done = cli("--json", "audit", "verify", str(export))
    assert done.code == ExitCode.VERIFICATION
    assert done.json["ok"] is False


def test_1_is_a_file_that_cannot_be_read(cli: Run) -> None:
    """The operating system's words, with the file's name."""
    done = cli("audit", "verify", "nosuch.jsonl")
    assert (done.code, done.out) == (ExitCode.FAILED, "")
    assert "nosuch.jsonl: no such file or directory" in done.err


def test_500_names_the_request_for_the_log(remote: Run, plane: ScriptedPlane) -> None:
    """Whoever runs the control plane finds it under this number."""
    plane.on("GET", "/tokens", problem(503, "store_unavailable", request_id="req_1"))
    done = remote("tokens", "list")
    assert done.code == ExitCode.FAILED
    assert "  request req_1" in done.err.splitlines()


def test_export_that_breaks_off_leaves_no_file(remote: Run, plane: ScriptedPlane, tmp_path: Path) -> None:
    """Half a log would verify as a cut one, or not at all; it is said at once."""
    chunks = ('{"sequence": 1}\n', '{"sequ')
    plane.on("GET", "/audit/export", Reply(chunks=chunks, kind="application/x-ndjson", cut=True))
    done = remote("audit", "export", str(tmp_path / "log.jsonl"))
    assert done.code == ExitCode.UNREACHABLE
    assert "broke the answer off" in done.err
    assert list(tmp_path.iterdir()) == []


def test_export_onto_a_full_or_missing_folder_is_not_blamed_on_the_server(remote: Run, plane: ScriptedPlane) -> None:
    """What fails on this side is told as such."""
    plane.on("GET", "/audit/export", Reply(chunks=("{}\n",), kind="application/x-ndjson"))
    done = remote("audit", "export", "nosuch/log.jsonl")
    assert done.code == ExitCode.FAILED
    assert "nosuch/log.jsonl.part: no such file or directory" in done.err


def test_every_code_has_a_meaning_and_stands_in_the_help(cli: Run) -> None:
    """The overview lists all of them."""
    assert set(MEANINGS) == set(ExitCode)
    shown = cli("--help").out
    for code, meaning in MEANINGS.items():
        assert f"  {code.value}  {meaning}" in shown


def test_change_that_somebody_else_made_meanwhile_is_noticed(remote: Run, plane: ScriptedPlane) -> None:
    """The revision that was read is the one that is changed."""
    current = {"name": "p", "configured": {"revision": 3, "configuration": {"name": "p", "failure_threshold": 5}}}
    plane.on("GET", "/circuit-breakers/p", Reply(body=current, headers={"ETag": '"3"'}))
    plane.on("PUT", "/circuit-breakers/p", problem(412, "changed_meanwhile"))
    done = remote("circuits", "update", "p", "--set", "failure_threshold=9", "--reason", "why")
    assert done.code == ExitCode.CONFLICT
    assert "repeat the command" in done.err
    sent = plane.asked[-1]
    assert sent.headers["if-match"] == '"3"'
    assert sent.body == {"configuration": {"name": "p", "failure_threshold": 9}, "service": None, "reason": "why"}


def test_recovery_starts_without_a_reason(remote: Run, plane: ScriptedPlane) -> None:
    """As the API does not ask for one, neither does the command."""
    plane.on("POST", "/recovery/initiate", Reply(202, {"id": "rec_1"}))
    done = remote("recovery", "start", "orders")
    assert done.code == 0
    assert "scrollintel recovery show rec_1" in done.out
    assert plane.asked[0].body == {"service": "orders", "failure_type": "unknown", "reason": None}
    assert json.loads(remote("--json", "recovery", "start", "orders").out) == {"id": "rec_1"}


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        ("Input should be 'viewer' or 'admin'", "role: must be 'viewer' or 'admin'\n"),
        ("String should match pattern '^a$'", "role: must match pattern '^a$'\n"),
        ("a whole number of at least 1", "role: must be a whole number of at least 1\n"),
    ],
)
def test_violated_rule_is_a_sentence(remote: Run, plane: ScriptedPlane, allowed: str, text: str) -> None:
    """However the control plane words a rule, people read one sentence."""
    plane.otherwise = problem(422, "validation_failed", violations=[{"field": "role", "allowed": allowed}])
    assert text in remote("tokens", "list").err
