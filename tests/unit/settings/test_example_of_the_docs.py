"""The example in `docs/how-to/watch-and-recover.md` is valid, and has every field."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from scrollintel.core.config.base import Config
from scrollintel.recovery.runbook import Runbook
from scrollintel.recovery.target import Check, Heartbeat, Limits, Process, Window
from scrollintel.settings import advise, load
from scrollintel.settings.recovery_sections import OutboundSettings, RecoverySettings
from scrollintel.settings.replicas import Replica
from scrollintel.settings.targets import SERVICE_KEYS, TARGET_KEYS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "watch-and-recover.md"
TEXT, OWN_KINDS = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
(PLUGIN,) = re.findall(r"```python\n([^`]*?@strategy.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_docs_example_is_valid_and_without_remarks(tmp_path: Path) -> None:
    """Who copies it has three replicas and four other targets, and nothing to correct."""
    (tmp_path / "scrollintel.toml").write_text(TEXT)
    settings = load(environment={"HOME": str(tmp_path)}, directory=tmp_path)
    names = [target.name for target in settings.targets]
    assert names == ["web/a", "web/b", "web/c", "database", "cache", "agent", "agent-spare"]
    elsewhere = {"missing_program", "missing_secret"}  # what it names is not on this machine
    assert {remark.code for remark in advise(settings)} <= elsewhere


def test_docs_plugin_is_valid_where_it_is_named(tmp_path: Path) -> None:
    """Its kinds and options are those that the tables beside it use."""
    (tmp_path / "own.py").write_text(PLUGIN)
    file = '[recovery]\nplugins = ["own.py"]\n[[services]]\nname = "orders"\n' + OWN_KINDS
    (tmp_path / "scrollintel.toml").write_text(file)
    (target,) = load(environment={"HOME": str(tmp_path)}, directory=tmp_path).targets
    assert [check.kind for check in target.checks] == ["queue-length"]
    assert [remedy.kind for remedy in target.chain("queue_full")] == ["empty-queue"]


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        (RecoverySettings, {"_"}),
        (OutboundSettings, {"_"}),
        (Check, {"options"}),
        (Heartbeat, set()),
        (Process, set()),
        (Limits, set()),
        (Window, set()),
        (Replica, set()),
        (Runbook, set()),
    ],
)
def test_docs_example_shows_every_field(kind: type[Config], left_out: set[str]) -> None:
    """A field that is added is shown."""
    for item in dataclasses.fields(kind):
        assert item.name in left_out or re.search(rf"\b{item.name}\b *(=|\]\])", TEXT), item.name


def test_docs_example_shows_every_key_of_a_service() -> None:
    """Over its services, each key is used."""
    used = {key for service in tomllib.loads(TEXT)["services"] for key in service}
    assert used == {*SERVICE_KEYS, *TARGET_KEYS}


def test_docs_remarks_are_those_of_the_code() -> None:
    """The table has each code, and no other."""
    folder = PAGE.parents[2] / "scrollintel" / "settings"
    source = "".join((folder / name).read_text("utf-8") for name in ("advice.py", "slips.py"))
    codes = set(re.findall(r'(?:yield|yield \(|Advice\()\s*"([a-z_]+)"', source))
    table = PAGE.read_text("utf-8").partition("## What the remarks mean")[2]
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    assert listed == codes
