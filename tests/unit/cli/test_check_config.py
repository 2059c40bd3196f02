"""`scrollintel check-config` says what the settings amount to."""

from __future__ import annotations

from pathlib import Path

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
