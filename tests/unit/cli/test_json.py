"""With --json programs read both streams: every success and every error is JSON, and nothing else is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scrollintel.cli.commands.audit import JSON_LINES

from .rig import PREFIX, Reply, Run, ScriptedPlane, json_lines, problem
from .tree import LOCAL, REMOTE, leaves

ITEM = {
    "name": "payments",
    "token": "made-up",
    "ok": True,
    "delivered": True,
    "storage": "serving",
    "items": [],
    "next_cursor": None,
}
EVENT = 'id: 1\nevent: circuit.opened\ndata: {"circuit": "payments"}\n\n'


def named(commands: dict[str, tuple[str, ...]]) -> list[object]:
    """Return test parameters called by their command."""
    return [pytest.param(name, *more, id=name) for name, *more in ((n, v) for n, v in commands.items())]


def test_every_command_is_known_to_these_tests() -> None:
    """A new command has to be put into the lists that these tests go through."""
    assert set(leaves()) == set(REMOTE) | LOCAL


@pytest.mark.parametrize(("command", "values"), named(REMOTE))
def test_json_success_is_json_on_standard_output_alone(
    remote: Run, plane: ScriptedPlane, command: str, values: tuple[str, ...]
) -> None:
    """What the API answers comes out as it is, one document or one in each line."""
    plane.otherwise = Reply(200, {**ITEM, "configured": {"revision": 1, "configuration": {"name": "payments"}}})
    plane.on("GET", "/events", Reply(chunks=(EVENT,), kind="text/event-stream"))
    plane.on("GET", "/audit/export", Reply(chunks=('{"sequence": 1}\n', '{"sequence": 2}\n'), kind=JSON_LINES))
    done = remote("--json", *command.split(), *values)
    assert (done.code, done.err) == (0, "")
    found = list(json_lines(done.out)) if command in {"events", "audit export"} else [done.json]
    assert found


@pytest.mark.parametrize(("command", "values"), named(REMOTE))
def test_json_refusal_is_the_problem_document_on_standard_error_alone(
    remote: Run, plane: ScriptedPlane, command: str, values: tuple[str, ...]
) -> None:
    """The document of the API comes out unchanged, in one line, and the exit code tells of which kind it is."""
    plane.otherwise = problem(403, "forbidden", detail="not yours")
    done = remote("--json", *command.split(), *values)
    assert (done.code, done.out) == (4, "")
    (told,) = json_lines(done.err)
    assert told == plane.otherwise.body


@pytest.mark.parametrize(("command", "values"), named(REMOTE))
@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_nonsense_answer_is_told_without_a_trace(
    remote: Run, plane: ScriptedPlane, form: str, command: str, values: tuple[str, ...]
) -> None:
    """What is not JSON never comes out as a result, and no answer makes a command fall over."""
    for body in (b"<html>hello</html>", b"[1, 2", b"[" * 100_000, b'"text"', b"[3]", b'{"items": [3]}', b""):
        plane.otherwise = Reply(200, body)
        done = remote(form, *command.split(), *values)
        assert done.code in {0, 1, 3, 5, 7}, done.err
        if form == "--json":
            assert [line["code"] for line in json_lines(done.err)] in ([], ["unexpected_answer"], ["not_configured"])
            assert not done.out or json.loads(done.out) in (None, "text", [3], {"items": [3]})
        if body.startswith((b"<", b"[1", b"[[")):
            assert (done.code, done.out) == (3, "")
            assert "unexpected_answer" in done.err


@pytest.mark.parametrize(
    "line",
    [
        "--json nosuch",
        "--json circuits nosuch",
        "--json circuits list --limit 0",
        "circuits list --nosuch --json",
        "circuits show --json",
        "--json --timeout soon status",
        "circuits list --limit 0 --json",
        "--json",
        "--json circuits",
        "--json --url ftp://somewhere status",
        "--json --token= status",
        "--json circuits create payments --set nonsense",
        "--json circuits create payments --file nosuch.json",
        "--json audit search --since yesterday",
        "--json tokens create robot --role :",
        "--json circuits delete payments",
        "--json audit verify --partial",
        "--json --config nosuch.toml config",
    ],
)
def test_json_misuse_is_json_too(cli: Run, line: str) -> None:
    """What is wrong with the command line is one document on standard error, wherever --json stands."""
    done = cli(*line.split())
    assert (done.code, done.out) == (2, "")
    (told,) = json_lines(done.err)
    assert told["code"]
    assert told["detail"]


def test_json_misuse_names_what_is_wrong_and_where_help_is(cli: Run) -> None:
    """The sentence is that of the text, and the hint is a command."""
    done = cli("circuits", "list", "--limit", "0", "--json")
    assert done.error == {
        "code": "usage",
        "detail": "Invalid value for '--limit': 0 is not in the range 1<=x<=1000",
        "hint": "`scrollintel circuits list --help`",
    }


def test_json_remarks_are_json_lines_before_the_error(cli: Run, plane: ScriptedPlane) -> None:
    """What is said besides stands on standard error as notes."""
    done = cli("--json", "-v", "--url", plane.url, "circuits", "show", "nosuch")
    note, error = json_lines(done.err)
    assert note == {"note": f"asking {plane.url}"}
    assert error["code"] == "not_found"


def test_json_settings_that_are_not_valid_list_every_mistake(cli: Run, tmp_path: Path) -> None:
    """`check-config` and `config` give the same document and exit code 2."""
    (tmp_path / "scrollintel.toml").write_text("[server]\nport = 99999\nhostt = 1\n")
    for command in ("check-config", "config"):
        done = cli("--json", command)
        assert (done.code, done.out) == (2, "")
        assert {item["field"].rpartition(".")[2] for item in done.error["violations"]} >= {"port", "hostt"}


@pytest.mark.parametrize(
    "command", [["version"], ["config"], ["check-config"], ["completion", "bash"], ["db", "check"]]
)
def test_json_local_commands_give_one_document(cli: Run, command: list[str]) -> None:
    """Commands that need no server keep to it as well."""
    done = cli("--json", *command)
    assert done.err == ""
    assert isinstance(done.json, dict)


def test_json_export_into_a_file_tells_how_many_lines(remote: Run, plane: ScriptedPlane, tmp_path: Path) -> None:
    """A program learns what was written."""
    plane.on("GET", "/audit/export", Reply(chunks=("{}\n", "{}\n"), kind=JSON_LINES))
    done = remote("--json", "audit", "export", str(tmp_path / "log"))
    assert done.json == {"file": str(tmp_path / "log"), "lines": 2}
    assert (tmp_path / "log").read_text() == "{}\n{}\n"
    assert plane.asked[0].path == f"{PREFIX}/audit/export"
