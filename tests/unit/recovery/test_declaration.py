"""A target as it is declared holds no secret that somebody has written into the file."""

from __future__ import annotations

import json

from scrollintel.recovery.declaration import declaration
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Check, Limits, Process, Remedy, Target

SECRET = "hunter2"
TARGET = Target(
    name="web",
    service="web",
    owner="team-a",
    depends_on=(("db", "hard"),),
    checks=(
        Check(name="http", kind="http", depth=Depth.READY, options={
            "url": f"https://user:{SECRET}@web.example.com/live?token={SECRET}",
            "headers": {"Authorization": f"Bearer {SECRET}", "X-Key": "{env:KEY}"}, "status": [200],
        }),
        Check(name="db", kind="postgresql", depth=Depth.DEEP, options={"url": "postgresql://a:{env:PASSWORD}@db/c"}),
        Check(name="tcp", kind="tcp", depth=Depth.READY, options={"host": "db", "port": 1, "send": f"AUTH {SECRET}"}),
    ),
    process=Process(
        command=("/bin/web", "--port", "80", f"--db-password={SECRET}", "--api-token", SECRET, "--verbose"),
        environment={"DB_PASSWORD": SECRET, "MODE": SECRET, "KEY": "{file:/run/key}"},
    ),
    strategies={"default": (Remedy(kind="webhook", options={
        "url": "https://fix.example.com/x", "body": f'{{"k": "{SECRET}"}}', "headers": {"A": SECRET}, "timeout": 3.0,
    }),)},
    limits=Limits(attempts=2),
)  # fmt: skip


def test_declaration_shows_everything_but_what_may_be_a_secret() -> None:
    """References stay, because they say only where a secret lies."""
    shown = declaration(TARGET)
    assert SECRET not in json.dumps(shown)
    http, db, tcp = shown["checks"]
    assert http["options"]["url"] == "https://(hidden)@web.example.com/live?(hidden)"
    assert http["options"]["headers"] == {"Authorization": "(hidden)", "X-Key": "{env:KEY}"}
    assert http["options"]["status"] == [200]
    assert db["options"]["url"] == "postgresql://a:{env:PASSWORD}@db/c"
    assert (tcp["options"]["host"], tcp["options"]["send"]) == ("db", "(hidden)")
    assert shown["process"]["command"] == [
        "/bin/web", "--port", "80", "--db-password=(hidden)", "--api-token", "(hidden)", "--verbose",
    ]  # fmt: skip
    assert shown["process"]["environment"] == {"DB_PASSWORD": "(hidden)", "MODE": "(hidden)", "KEY": "{file:/run/key}"}
    (remedy,) = shown["strategies"]["default"]
    assert (remedy["options"]["url"], remedy["options"]["body"]) == ("https://fix.example.com/x", "(hidden)")
    assert (shown["owner"], shown["limits"]["attempts"], shown["depends_on"]) == (
        "team-a", 2, [{"name": "db", "kind": "hard"}],
    )  # fmt: skip


def test_declaration_of_an_address_that_is_none_is_hidden() -> None:
    """What cannot be taken apart might hold anything."""
    check = Check(name="a", kind="http", depth=Depth.READY, options={"url": "http://[::1"})
    assert declaration(Target(name="a", service="a", checks=(check,)))["checks"][0]["options"]["url"] == "(hidden)"
