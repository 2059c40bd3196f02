"""The command line against a real control plane, over its owner's socket: what a person does on the first day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..servers.control_plane import ROOT, server_process

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def scrollintel(tmp_path: Path) -> Iterator[Command]:
    """Give a function that runs `scrollintel` for a control plane in a folder of the test's."""
    directory = tmp_path / "data"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCROLLINTEL_")}
    environment = {**kept, "SCROLLINTEL_DATA_DIRECTORY": str(directory), "NO_COLOR": "1"}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "scrollintel", *arguments],
            capture_output=True,
            check=False,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    with server_process(directory):
        yield run


def test_circuits_are_created_steered_and_removed(scrollintel: Command) -> None:
    """Create, list, hold open, see why, close, delete; what is gone is told by the exit code."""
    scrollintel("circuits", "create", "payments", "--set", "failure_threshold=3", "--reason", "first")
    assert "payments" in scrollintel("circuits", "list").stdout
    scrollintel("circuits", "create", "payments", code=6)
    scrollintel("circuits", "isolate", "payments", "--reason", "maintenance")
    shown = json.loads(scrollintel("--json", "circuits", "show", "payments").stdout)
    assert shown["state"] == "isolated"
    assert shown["order"]["reason"] == "maintenance"
    scrollintel("--yes", "circuits", "reset", "payments")
    dry = json.loads(scrollintel("--json", "circuits", "dry-run", "payments", "--set", "failure_threshold=2").stdout)
    assert dry["proposed"]["calls"] == 0
    scrollintel("--yes", "circuits", "delete", "payments")
    scrollintel("circuits", "show", "payments", code=5)


def test_services_levels_and_recoveries(scrollintel: Command) -> None:
    """Register a service, degrade it, restore it, recover it, and read what was done."""
    scrollintel("services", "register", "orders", "--depends-on", "payments")
    scrollintel("degradation", "set", "orders", "severe", "--reason", "the database is slow", "--expires-in", "60")
    assert "severe" in scrollintel("degradation", "list").stdout
    scrollintel("degradation", "restore", "orders")
    scrollintel("recovery", "start", "orders", "--failure-type", "slow", "--reason", "test")
    assert "orders" in scrollintel("recovery", "list").stdout
    assert scrollintel("status").stdout


def test_strategies_are_listed_and_named(scrollintel: Command) -> None:
    """What is listed can be named; what is not is refused with what there is."""
    scrollintel("services", "register", "orders")
    listed = json.loads(scrollintel("--json", "recovery", "strategies", "--service", "orders").stdout)["items"]
    assert "reset-circuits" in [item["name"] for item in listed]
    scrollintel("recovery", "start", "orders", "--strategy", "reset-circuits")
    assert "reset-circuits" in scrollintel("recovery", "start", "orders", "--strategy", "nope", code=2).stderr
    scrollintel("recovery", "strategies", "--service", "nope", code=5)


def test_role_bindings_are_given_shown_and_taken_away(scrollintel: Command) -> None:
    """A group gets a role once; the number that is listed is what the role is taken away with."""
    give = ("role-bindings", "create", "--group", "on-call", "--role", "operator:orders")
    number = json.loads(scrollintel("--json", *give).stdout)["id"]
    scrollintel(*give, code=6)
    assert number in scrollintel("role-bindings", "list").stdout
    assert "on-call" in scrollintel("role-bindings", "show", number).stdout
    scrollintel("--yes", "role-bindings", "delete", number, "--reason", "left")
    scrollintel("role-bindings", "show", number, code=5)


def test_second_server_of_a_data_directory_is_refused(scrollintel: Command, tmp_path: Path) -> None:
    """What is told is the folder, and not an address that is free."""
    told = scrollintel("serve", "--port", "0", code=1).stderr
    assert f"another control plane runs with the data directory {tmp_path / 'data'}" in told
    assert "--data" in told


def test_audit_is_exported_and_verified_offline(scrollintel: Command, tmp_path: Path) -> None:
    """An export verifies without the server; one changed letter is found and told by the exit code."""
    scrollintel("services", "register", "orders")
    export = tmp_path / "export.jsonl"
    scrollintel("audit", "export", str(export))
    scrollintel("audit", "verify", str(export))
    export.write_text(export.read_text().replace("orders", "0rders"))
    scrollintel("audit", "verify", str(export), code=7)


def test_doctor_and_schema_are_well(scrollintel: Command) -> None:
    """A fresh installation has nothing to complain about."""
    report = json.loads(scrollintel("--json", "doctor").stdout)
    assert report
    scrollintel("version")


def test_server_that_is_not_there_is_told(scrollintel: Command) -> None:
    """Exit code 3, and a sentence instead of a trace."""
    done = scrollintel("--url", "http://127.0.0.1:9", "circuits", "list", code=3)
    assert "Traceback" not in done.stderr


def test_alerts_are_listed_and_silenced(scrollintel: Command) -> None:
    """What is pending is seen with its silence; the silence is ended by its number."""
    scrollintel("automation", "stop", "--reason", "a test")
    made = scrollintel("silences", "add", "--name", "automation_*", "--for", "2h", "--reason", "we know", "--json")
    number = json.loads(made.stdout)["id"]
    assert f"{number}  name=automation_*" in scrollintel("silences", "list").stdout
    for _ in range(50):
        shown = json.loads(scrollintel("alerts", "--json").stdout)["items"]
        if shown and shown[0]["muted"]:
            break
    assert [(item["name"], item["state"], item["muted"]) for item in shown] == [
        ("automation_stopped", "pending", number)
    ]
    assert scrollintel("silences", "end", number).stdout == f"Silence {number} has ended.\n"
    assert "No silences." in scrollintel("silences", "list").stdout + scrollintel("silences", "list").stderr
    scrollintel("silences", "end", number, code=5)
