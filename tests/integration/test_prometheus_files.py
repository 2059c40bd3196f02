"""The programs of Prometheus and Alertmanager themselves find the shipped files right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ops.make import HERE, main
from tests.programs import path_of

FILES = HERE / "prometheus"


def run(folder: Path, *words: str) -> str:
    """Run a program and return its output; one that fails is an AssertionError with all that it says."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs("promtool")
def test_rules_are_right_and_none_is_there_twice() -> None:
    """`promtool check rules` with all lints."""
    assert "rules found" in run(
        FILES, path_of("promtool"), "check", "rules", "--lint=all", "--lint-fatal", "scrollintel.rules.yml"
    )


@pytest.mark.needs("promtool")
def test_alerts_fire_when_they_should_and_not_before() -> None:
    """`promtool test rules` on each alert with its own series."""
    assert "SUCCESS" in run(FILES, path_of("promtool"), "test", "rules", "scrollintel.rules.test.yml")


@pytest.mark.needs("promtool")
def test_alerts_of_a_variant_fire_as_well(tmp_path: Path) -> None:
    """Rules and their tests are made for the same address of the documentation."""
    main(["--into", str(tmp_path), "--docs", "https://wiki.example/scrollintel"])
    run(tmp_path / "prometheus", path_of("promtool"), "check", "rules", "scrollintel.rules.yml")


@pytest.mark.needs("promtool")
def test_example_of_prometheus_is_right(tmp_path: Path) -> None:
    """`promtool check config`, with the token's file beside it."""
    for name in ("prometheus.example.yml", "scrollintel.rules.yml"):
        shutil.copy(FILES / name, tmp_path)
    (tmp_path / "scrollintel.token").write_text("made-up")
    assert "valid" in run(tmp_path, path_of("promtool"), "check", "config", "prometheus.example.yml")


@pytest.mark.needs("amtool")
def test_example_of_alertmanager_is_right_and_sends_the_worst_to_who_is_on_call() -> None:
    """`amtool check-config` and its routes."""
    run(FILES, path_of("amtool"), "check-config", "alertmanager.example.yml")
    route = (path_of("amtool"), "config", "routes", "test", "--config.file=alertmanager.example.yml")
    assert run(FILES, *route, "severity=critical").split() == ["on-call"]
    assert run(FILES, *route, "severity=warning").split() == ["team"]
