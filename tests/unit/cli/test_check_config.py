"""`scrollintel check-config` says what the settings amount to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from scrollintel import __version__

from .rig import Run

FILE = """
[[services]]
name = "agent"
depends_on = ["gone"]
[services.heartbeat]
timeout = 2
"""


def test_check_config_explains_targets_and_remarks(cli: Run, tmp_path: Path) -> None:
    """The text names the target, how it is watched, what happens, and what is most likely not meant."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    done = cli("check-config")
    assert done.code == 0
    told = " ".join(done.out.split())
    assert "\n\nagent (scrollintel.toml:2)\n" in done.out
    assert "suspected after 2 s of silence" in told
    assert "Nothing is repaired (mode observe)" in told
    assert "agent depends on gone (hard), which is not declared. [unknown_dependency]" in told


def test_check_config_json_holds_the_same(cli: Run, tmp_path: Path) -> None:
    """A program gets lists of sentences, and codes."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    done = cli("--json", "check-config")
    (target,) = done.json["targets"]
    (remark,) = done.json["remarks"]
    assert (target["target"], len(target["watched"]), target["limits"]) == ("agent", 1, [])
    assert (remark["code"], remark["about"]) == ("unknown_dependency", "agent")


def test_check_config_is_strict_on_demand(cli: Run, tmp_path: Path) -> None:
    """With --strict a remark is a failure, for programs that check a file before it is taken over."""
    (tmp_path / "scrollintel.toml").write_text(FILE)
    assert cli("check-config").code == 0
    assert cli("check-config", "--strict").code == 1
    assert cli("--json", "check-config", "--strict").code == 1
    (tmp_path / "scrollintel.toml").write_text(FILE.replace("depends_on", "# depends_on"))
    assert cli("check-config", "--strict").code == 0


def test_check_config_names_what_is_meant_perhaps(cli: Run, tmp_path: Path) -> None:
    """A near miss of a table, a field, an option or a kind is told with what it is near to."""
    text = """
[recoverry]
mode = "observe"
[[services]]
name = "agent"
teir = 1
[services.hartbeat]
timeout = 2
[[services.checks]]
kind = "tpc"
[[services.checks]]
kind = "tcp"
port = 80
hots = "127.0.0.1"
"""
    (tmp_path / "scrollintel.toml").write_text(text)
    done = cli("check-config")
    assert done.code == 2
    for meant in ("recovery", "tier", "heartbeat", "tcp", "host"):
        assert f"did you mean {meant}?" in done.err


def test_check_config_tells_of_a_plugin_that_replaces_a_kind(tmp_path: Path) -> None:
    """A check of one's own under the name of one that ships is what counts, and that is said."""
    (tmp_path / "own.py").write_text(
        "from scrollintel.extensions import check\n\n\n"
        '@check("tcp", depth="ready")\ndef look(target: str) -> bool:\n    return True\n'
    )
    (tmp_path / "scrollintel.toml").write_text('[recovery]\nplugins = ["own.py"]\n' + FILE)
    done = subprocess.run(
        [sys.executable, "-m", "scrollintel", "--json", "check-config"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    told = {remark["code"]: remark["about"] for remark in json.loads(done.stdout)["remarks"]}
    assert told["replaced_kind"] == "tcp"


def test_version_is_an_option_too(cli: Run) -> None:
    """What other programs answer to."""
    assert cli("--version").out == f"scrollintel {__version__}\n"
