"""Roles of people and groups: who has which, giving one, taking it away."""

from __future__ import annotations

import pytest

from .rig import PREFIX, Reply, Run, ScriptedPlane

BINDING = {
    "id": "rol_1",
    "kind": "group",
    "subject": "on-call",
    "subject_id": "grp_1",
    "state": "open",
    "role": "operator",
    "services": ["orders", "payments"],
    "created_at": None,
    "created_by": "owner",
}


def test_role_bindings_list_shows_who_may_do_what(remote: Run, plane: ScriptedPlane) -> None:
    """A subject whose name was erased is shown by its number, with what became of the name."""
    erased = {**BINDING, "id": "rol_2", "kind": "person", "subject": None, "subject_id": "per_7", "state": "erased"}
    plane.on("GET", "/role-bindings", Reply(body={"items": [BINDING, erased], "next_cursor": None}))
    heading, group, person = remote("role-bindings", "list").out.splitlines()
    assert heading.split() == ["Id", "Kind", "Subject", "Role", "Services", "Created"]
    assert group.split() == ["rol_1", "group", "on-call", "operator", "orders,", "payments", "–"]
    assert "per_7 (erased)" in person


@pytest.mark.parametrize(("option", "kind"), [("--person", "person"), ("--group", "group")])
def test_role_bindings_create_names_kind_subject_and_services(
    remote: Run, plane: ScriptedPlane, option: str, kind: str
) -> None:
    """What is sent is what the API takes; the sentence holds the number with which to take the role away."""
    plane.on("POST", "/role-bindings", Reply(201, {**BINDING, "kind": kind}))
    done = remote("role-bindings", "create", option, "on-call", "--role", "operator:orders,payments")
    assert plane.asked[0].body == {
        "kind": kind, "subject": "on-call", "role": "operator", "services": ["orders", "payments"],
    }  # fmt: skip
    assert done.code == 0
    assert done.out == f"Role binding rol_1 is in force: the {kind} on-call is operator of orders, payments.\n"


@pytest.mark.parametrize("options", [(), ("--person", "ann", "--group", "on-call")])
def test_role_bindings_create_wants_one_subject(remote: Run, plane: ScriptedPlane, options: tuple[str, ...]) -> None:
    """Neither and both are mistakes, noticed before anything is sent."""
    done = remote("role-bindings", "create", *options, "--role", "viewer")
    assert done.code == 2
    assert "either --person or --group" in done.err
    assert plane.asked == []


def test_role_bindings_delete_is_confirmed_and_carries_the_reason(remote: Run, plane: ScriptedPlane) -> None:
    """Without a terminal and without --yes nothing is sent."""
    plane.on("DELETE", "/role-bindings/rol_1", Reply(204, b""))
    refused = remote("role-bindings", "delete", "rol_1")
    assert (refused.code, plane.asked) == (2, [])
    done = remote("role-bindings", "delete", "rol_1", "--yes", "--reason", "left the team")
    assert (done.code, done.out) == (0, "Role binding rol_1 is deleted.\n")
    assert (plane.asked[0].path, plane.asked[0].query) == (
        f"{PREFIX}/role-bindings/rol_1",
        {"reason": ["left the team"]},
    )
