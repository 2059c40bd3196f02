"""`scrollintel check-policies` says what in policies is likely not meant, and the worst case."""

from __future__ import annotations

from pathlib import Path

from .rig import Run

FILE = """
[[policies]]
name = "edge"
timeout = { attempt = 5.0 }
retry = { max_attempts = 3 }
[[policies]]
name = "store"
timeout = { attempt = 1.0 }
"""


def test_check_policies_tells_findings_and_worst_case(cli: Run, tmp_path: Path) -> None:
    """Of the settings file, or of a file of policies; with --strict a warning is a failure."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    done = cli("check-policies", "--deadline", "2s")
    told = " ".join(done.out.split())
    assert done.code == 0
    assert "edge: In the worst case one call runs the operation 3 times and takes 2 s." in told
    assert "[attempt_beyond_deadline]" in told
    assert cli("check-policies", "--strict").code == 1
    assert cli("check-policies", "--strict", "--policy", "store").code == 0
    (tmp_path / "other.toml").write_text("[policies.calm]\ntimeout = { attempt = 1.0 }\n")
    assert cli("check-policies", "--strict", "other.toml").code == 0


def test_check_policies_json_holds_the_same(cli: Run, tmp_path: Path) -> None:
    """A program gets codes, severities and numbers; nested policies are checked together."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    (edge,) = cli("--json", "check-policies", "--nested", "--writes").json["policies"]
    assert (edge["name"], edge["worst"]["calls"]) == ("edge", 3)
    assert {finding["code"]: finding["severity"] for finding in edge["findings"]}["retried_write"] == "error"


def test_check_policies_fails_on_errors_without_being_asked(cli: Run, tmp_path: Path) -> None:
    """A pipeline of deployment stops at an error; a warning stops it only with --strict."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    assert cli("check-policies").code == 0
    assert cli("check-policies", "--writes").code == 1
    assert cli("--json", "check-policies", "--writes").code == 1
    assert cli("check-policies", "--writes", "--policy", "store").code == 0


def test_check_policies_refuses_what_is_not_there(cli: Run, tmp_path: Path) -> None:
    """No policies, or one that is not among them."""
    assert cli("check-policies").code == 2
    (tmp_path / "scrollintel.toml").write_text(FILE)
    assert cli("check-policies", "--policy", "nobody").code == 2
