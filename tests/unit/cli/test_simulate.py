"""`scrollintel simulate` and `scrollintel replay`: charts and tables for people, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scrollintel.simulation import EXAMPLES

from .rig import Run

SCENARIO = """
name = "small"
about = "half of it fails"
duration = 40
[arrivals]
rate = 20
[service]
changes = [{ at = 10, until = 20, failures = 1.0 }]
[policies.none]
[policies.breaker.breaker]
recovery_timeout = 2
success_threshold = 1
"""
OUTCOMES = "".join(
    json.dumps({"at": 1.7e9 + n, "duration": 0.1, "outcome": "failure" if 60 <= n < 120 else "success"}) + "\n"
    for n in range(240)
)


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    """Return the path of a small scenario."""
    (tmp_path / "small.toml").write_text(SCENARIO, encoding="utf-8")
    return str(tmp_path / "small.toml")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """Return the path of a recording with a minute of failures."""
    (tmp_path / "outcomes.jsonl").write_text(OUTCOMES, encoding="utf-8")
    return str(tmp_path / "outcomes.jsonl")


def test_simulate_shows_chart_and_table(cli: Run, scenario: str) -> None:
    """A row of blocks and a row of figures for each policy."""
    done = cli("simulate", scenario, "--jobs", "1")
    assert (done.code, done.err) == (0, "")
    first, title, none, *rest = done.out.splitlines()
    assert first == "small: half of it fails"
    assert title == "small: goodput over time (seed 1), one column for 5 s"
    assert none.split() == ["none", "██▁▁████"]
    row = next(line for line in rest if line.startswith("breaker ") and "%" in line)
    assert "circuit_open" in row and " s " in row


def test_simulate_gives_the_same_bytes_on_one_process_and_on_several(cli: Run, scenario: str) -> None:
    """JSON for programs, one report for each seed."""
    one = cli("--json", "simulate", scenario, "--seeds", "1,3-4", "--jobs", "1")
    several = cli("--json", "simulate", scenario, "--seeds", "1,3-4", "--jobs", "2")
    assert one.code == 0 and one.out == several.out
    assert [report["seed"] for report in one.json["reports"]] == [1, 3, 4]
    assert [run["policy"] for run in one.json["reports"][0]["policies"]] == ["none", "breaker"]


def test_simulate_tells_the_range_over_seeds(cli: Run, scenario: str) -> None:
    """Lowest and highest, with the unit once."""
    done = cli("simulate", scenario, "--seeds", "1-3", "--policy", "breaker", "--jobs", "1")
    assert "mean of 3 seeds" in done.out and "lowest and highest of 3 seeds" in done.out
    assert "none" not in done.out


def test_simulate_writes_a_chart(cli: Run, scenario: str, tmp_path: Path) -> None:
    """An SVG that stands by itself."""
    assert cli("simulate", scenario, "--jobs", "1", "--chart", "goodput.svg").code == 0
    ElementTree.parse(tmp_path / "goodput.svg")


@pytest.mark.parametrize(("bound", "code", "told"), [(0.5, 1, "Not as expected:"), (0.0, 0, "Everything is as")])
def test_simulate_fails_when_a_policy_is_not_as_expected(
    cli: Run, scenario: str, tmp_path: Path, bound: float, code: int, told: str
) -> None:
    """Exit code 1 and the bound that was not kept."""
    (tmp_path / "held.toml").write_text(f"{SCENARIO}\n[expect.none]\nduring = {bound}\n", encoding="utf-8")
    done = cli("simulate", "held.toml", "--policy", "none", "--jobs", "1")
    assert (done.code, done.err) == (code, "")
    assert told in done.out
    found = cli("--json", "simulate", "held.toml", "--policy", "none", "--jobs", "1").json["shortfalls"]
    assert [item["figure"] for item in found] == ["during"] * code


@pytest.mark.parametrize("name", EXAMPLES)
def test_simulate_prints_an_example_to_start_from(cli: Run, tmp_path: Path, name: str) -> None:
    """What is printed is a scenario; nothing is run."""
    done = cli("simulate", "--example", name, "--show")
    assert done.code == 0 and f'name = "{name}"' in done.out and done.out.startswith("#")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give either a file or --example"),
        (["x.toml", "--example", "overload"], "give either a file or --example"),
        (["absent.toml"], "no such file"),
        (["small.toml", "--show"], "--show goes with --example"),
        (["small.toml", "--seeds", "5-1"], "neither a seed nor a range"),
        (["small.toml", "--seeds", "1-9999999"], "neither a seed nor a range"),
        (["small.toml", "--policy", "braker"], "did you mean breaker"),
        (["broken.toml"], "did you mean rate"),
        (["small.toml", "--chart", "none/goodput.svg"], "--chart: there is no folder none"),
    ],
)
@pytest.mark.usefixtures("scenario")
def test_simulate_tells_what_is_wrong(cli: Run, tmp_path: Path, arguments: list[str], told: str) -> None:
    """Exit code 2, and what to write instead."""
    (tmp_path / "broken.toml").write_text(SCENARIO.replace("rate", "raet"), encoding="utf-8")
    done = cli("simulate", *arguments)
    assert done.code == 2
    assert told in " ".join(done.err.split())


def test_replay_says_what_goodput_would_have_been(cli: Run, recording: str, scenario: str) -> None:
    """A sentence for the worst time, and what is assumed."""
    done = cli("replay", recording, scenario)
    assert (done.code, done.err) == (0, "")
    assert "With 'none', goodput at 2023-11-14 22:14:00 UTC would have been" in done.out
    assert "as recorded" in done.out
    assert "Assumed:" in done.out


def test_replay_speaks_json(cli: Run, recording: str, scenario: str) -> None:
    """Figures by policy and bucket, the same every time."""
    done = cli("--json", "replay", recording, scenario, "--bucket", "30s", "--policy", "breaker")
    (found,) = done.json["replays"]
    assert found["policy"] == "breaker" and found["bucket"] == 30.0
    assert found["avoided"] > 30 and found["calls"] == 240
    assert done.json["assumptions"]
    assert cli("--json", "replay", recording, scenario, "--bucket", "30s", "--policy", "breaker").out == done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.jsonl", "small.toml"], "no such file"),
        (["wrong.jsonl", "small.toml"], "line 2 outcome"),
        (["outcomes.jsonl", "small.toml", "--policy", "x"], "there is no policy 'x'"),
        (["outcomes.jsonl", "empty.toml"], "tables [policies.NAME]"),
        (["outcomes.jsonl", "small.toml", "--bucket", "0"], "--bucket must be above 0"),
        (["outcomes.jsonl", "small.toml", "--chart", "none/goodput.svg"], "--chart: there is no folder none"),
        (["array.jsonl", "small.toml"], "line 1='[1]': must be a JSON object"),
        (["none.jsonl", "small.toml"], "attempts=0: must be at least one attempt that was not refused"),
    ],
)
@pytest.mark.usefixtures("scenario", "recording")
def test_replay_tells_what_is_wrong(cli: Run, tmp_path: Path, arguments: list[str], told: str) -> None:
    """Exit code 2, and the line."""
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "array.jsonl").write_text("[1]\n", encoding="utf-8")
    (tmp_path / "wrong.jsonl").write_text(
        OUTCOMES.splitlines()[0] + '\n{"at": 1, "duration": 1, "outcome": "sucess"}\n', encoding="utf-8"
    )
    done = cli("replay", *arguments)
    assert done.code == 2
    assert told in " ".join(done.err.split())
