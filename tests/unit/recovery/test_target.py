"""Targets are checked as a whole when they are made, and are plain JSON on the way in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Check, Limits, Mode, Process, Remedy, Target, Window

FULL: dict[str, Any] = {  # Any: JSON values of mixed types
    "name": "shop/a",
    "service": "shop",
    "group": "shop",
    "region": "eu",
    "tier": 1,
    "owner": "team shop",
    "mode": "recover",
    "depends_on": ["db", {"name": "cache", "kind": "soft"}],
    "degrade_to": 2,
    "traffic_share": 0.5,
    "objective": 0.999,
    "checks": [{"name": "web", "kind": "http", "depth": "ready", "options": {"url": "http://127.0.0.1:80/"}}],
    "heartbeat": {"timeout": 2},
    "process": {"command": ["/usr/bin/shop"], "environment": {"PORT": "80"}},
    "strategies": {"exited": ["restart-process"], "default": [{"kind": "page", "attempts": 2, "approval": True}]},
    "limits": {"attempts": 2},
    "windows": [{"begins": "22:00", "ends": "02:00", "days": ["friday"]}],
}


def fields(kind: type[Target | Check | Process | Limits], data: dict[str, Any]) -> list[str]:  # Any: JSON values
    """Return the names of the fields that are refused."""
    with pytest.raises(ConfigError) as caught:
        kind.from_dict(data)
    return [violation.field for violation in caught.value.violations]


def test_target_from_dict_gives_the_same_objects_as_the_constructor() -> None:
    """A mapping of JSON values and nested Python objects mean the same."""
    target = Target.from_dict(FULL)
    assert target.checks == (
        Check(name="web", kind="http", depth=Depth.READY, options={"url": "http://127.0.0.1:80/"}),
    )
    assert target.depends_on == (("db", "hard"), ("cache", "soft"))
    assert target.chain("exited") == (Remedy(kind="restart-process"),)
    assert target.chain("slow") == (Remedy(kind="page", attempts=2, approval=True),)
    assert target.windows == (Window(begins="22:00", ends="02:00", days=("friday",)),)
    assert (target.mode, target.limits) == (Mode.RECOVER, Limits(attempts=2))


def test_target_to_dict_is_json_that_from_dict_reads_back() -> None:
    """Nothing is lost on the way through a file or an answer."""
    target = Target.from_dict(FULL)
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target


def test_target_json_schema_is_json_and_names_every_field() -> None:
    """A program can check its declaration before it sends it."""
    schema = json.loads(json.dumps(Target.json_schema()))
    assert set(schema["properties"]) == set(Target.from_dict(FULL).to_dict())
    assert schema["required"] == ["name", "service"]


@pytest.mark.parametrize("name", ["", " ", "all", "ALL", "*", "shop*", "everything", 3, None])
def test_target_name_that_could_mean_all_is_refused(name: object) -> None:
    """An order for one target never reaches all of them by its name."""
    assert fields(Target, {**FULL, "name": name}) == ["name"]
    if name is not None:
        assert fields(Target, {**FULL, "group": name}) == ["group"]


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"checks": [{"name": "a", "kind": "tcp", "depth": "alive", "interval": 0.01}]}, "checks[0].interval"),
        ({"checks": [{"name": "a", "kind": "tcp", "depth": "alive", "failures": 4}]}, "checks[0].failures"),
        ({"checks": [{"name": "a", "kind": "tcp", "depth": "alive", "timeout": 301}]}, "checks[0].timeout"),
        ({"checks": [{"name": "heartbeat", "kind": "tcp", "depth": "alive"}]}, "checks[0].name"),
        ({"checks": [{"name": "a", "kind": "tcp", "depth": "alive"}] * 2}, "checks[1].name"),
        ({"checks": [{"name": "a", "kind": "tcp", "depth": "alive"}] * 51}, "checks"),
        ({"checks": ["a"]}, "checks[0]"),
        ({"process": {"command": []}}, "process.command"),
        ({"process": {"command": ["a", " "]}}, "process.command"),
        ({"process": {"command": "rm -rf"}}, "process.command"),
        ({"process": {"command": ["a"], "environment": {"A=B": "c"}}}, "process.environment.A=B"),
        ({"strategies": {"exited": [{"kind": "a", "attempts": 11}]}}, "strategies.exited[0].attempts"),
        ({"strategies": {"Not Ready": ["a"]}}, "strategies.Not Ready"),
        ({"strategies": {"exited": "a"}}, "strategies.exited"),
        ({"unit": "shop.service"}, "unit"),
        ({"process": None, "unit": "--all"}, "unit"),
        ({"depends_on": ["shop"]}, "depends_on"),
        ({"depends_on": ["db", "db"]}, "depends_on"),
        ({"degrade_to": 5}, "degrade_to"),
        ({"objective": 1.0}, "objective"),
        ({"traffic_share": 1.5}, "traffic_share"),
        ({"windows": [{"begins": "22:00", "ends": "23:00"}]}, "windows[0].begins"),
        ({"limits": {"group_share": 0}}, "limits.group_share"),
        ({"limits": None}, "limits"),
        ({"checkz": []}, "checkz"),
    ],
)
def test_target_mistake_is_named_with_its_field(changed: dict[str, object], refused: str) -> None:
    """Who made the mistake reads where it is, however deep."""
    assert refused in fields(Target, {**FULL, **changed})


def test_target_environment_that_is_refused_is_not_shown() -> None:
    """Variables of a process may be secrets."""
    with pytest.raises(ConfigError) as caught:
        Process.from_dict({"command": ["a"], "environment": {"1BAD": "s3cret"}})
    assert "s3cret" not in str(caught.value)


def test_target_options_are_a_copy() -> None:
    """What the caller does to its own dict later does not change a target."""
    given = {"url": "a"}
    check = Check(name="web", kind="http", depth=Depth.READY, options=given)
    given["url"] = "b"
    assert check.options == {"url": "a"}
