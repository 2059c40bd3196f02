"""`scrollintel policies set` says what it begins with, and its help shows fields that there are."""

from __future__ import annotations

import re

from scrollintel.cli.values import assignments
from scrollintel.core.config.presets import policy_of

from .rig import Reply, Run, ScriptedPlane


def test_policies_set_tells_that_a_new_policy_begins_with_defaults(remote: Run, plane: ScriptedPlane) -> None:
    """Parts that are given are whole, whatever the code says; a policy that was known is changed without a word."""
    plane.on("PUT", "/policies/orders", Reply(body={"name": "orders"}))
    done = remote("policies", "set", "orders", "--set", "retry.max_attempts=3", "--set", "timeout=2")
    assert done.code == 0
    assert done.err.strip() == (
        "The control plane had no policy orders: fields of retry that were not given have their defaults, "
        "not what the code says."
    )
    plane.on("GET", "/policies/orders", Reply(body={"policy": {"name": "orders"}, "revision": 1}))
    assert remote("policies", "set", "orders", "--set", "retry.max_attempts=3").err == ""


def test_policies_set_puts_the_parts_of_a_preset_in_place_of_those_in_force(remote: Run, plane: ScriptedPlane) -> None:
    """The control plane fills in what the preset gives; other parts stay, and one it does not know it refuses."""
    former = {"name": "orders", "retry": {"max_attempts": 9}, "limit": None, "timeout": {"total": 2.0}}
    plane.on("GET", "/policies/orders", Reply(body={"policy": former, "revision": 1}))
    plane.on("PUT", "/policies/orders", Reply(body={"name": "orders"}))
    assert remote("policies", "set", "orders", "--set", "preset=goodput").code == 0
    assert plane.asked[-1].body["policy"] == {"name": "orders", "preset": "goodput", "timeout": {"total": 2.0}}
    assert remote("policies", "set", "orders", "--set", "preset=best").code == 0
    assert plane.asked[-1].body["policy"] == {**former, "preset": "best"}


def test_policies_set_shows_an_example_that_is_accepted(cli: Run) -> None:
    """What the help says can be typed."""
    pairs = re.findall(r"--set ([a-z_.]+=\S+)", cli("policies", "set", "--help").out)
    assert len(pairs) >= 2
    policy_of({"name": "orders", **assignments(pairs)})
