"""`scrollintel audit`: search, verify and export the audit log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..client import path
from ..exit_codes import ExitCode
from ..output import Columns, age_of, parts
from ..paging import paged
from ..problems import CommandError
from ..program import Group
from ..session import Session
from ..values import MOMENT

JSON_LINES = "application/x-ndjson"
SILENCE = 60.0
"""Seconds without a record after which an export counts as broken off."""
_REPORT_EVERY = 1000  # lines between two looks of the progress bar


@click.group(cls=Group)
def audit() -> None:
    """The audit log: search, verify, export."""


@audit.command()
@click.option("--actor", help="Only records of this identity.")
@click.option("--action", help="Only this action, such as circuit.isolate.")
@click.option("--target", help="Only records about this thing.")
@click.option("--service", help="Only records of this service.")
@click.option("--request-id", help="Only records of this request.")
@click.option("--outcome", type=click.Choice(["allowed", "refused", "failed"]), help="Only with this outcome.")
@click.option("--since", type=MOMENT, help="Only since then: a time, or a duration such as 2h.")
@click.option("--until", type=MOMENT, help="Only until then.")
@paged
@click.pass_obj
def search(session: Session, /, since: str | None, until: str | None, **query: object) -> None:
    """Search records, the newest first; the search is recorded itself."""
    answer = session.client().request("GET", path("audit"), query={**query, "from": since, "to": until})
    columns: Columns = {
        "No.": "sequence",
        "When": age_of("at"),
        "Who": "actor",
        "Action": "action",
        "Target": "target",
        "Outcome": "outcome",
        "Reason": "reason",
        "Request": "request_id",
    }
    session.show_list(answer, columns, "No records.")


@audit.command()
@click.argument("file", metavar="FILE", required=False)
@click.option("--since", type=MOMENT, help="Only since then: a time, or a duration such as 2h.")
@click.option("--until", type=MOMENT, help="Only until then.")
@click.pass_obj
def export(session: Session, file: str | None, since: str | None, until: str | None) -> None:
    """Write the log as JSON lines to a new FILE with mode 0600, or to standard output."""
    target = None if file is None else Path(file).expanduser()
    if target is not None and target.exists():
        raise _occupied(target)
    client = session.client(timeout=SILENCE)
    with client.lines(path("audit", "export"), JSON_LINES, query={"from": since, "to": until}) as lines:
        if target is None:
            for line in lines:
                session.output.raw(line)
            return
        count = _write(session, lines, target)
    if session.json:
        session.output.json({"file": str(target), "lines": count})
    else:
        session.output.say(f"{target}: {count} lines; `scrollintel audit verify {target}` checks them.")


def _occupied(target: Path) -> CommandError:
    return CommandError(f"{target} exists; an export never replaces a file", ExitCode.CONFLICT, "target_occupied")


def _write(session: Session, lines: Iterator[str], target: Path) -> int:
    """Write lines into a new file, which appears under its name only when it is complete; returns how many."""
    part = target.with_name(f"{target.name}.part")
    count = 0
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with (
            os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream,
            session.output.progress("export") as tell,
        ):
            for line in lines:
                stream.write(f"{line}\n")
                count += 1
                if count % _REPORT_EVERY == 0:
                    tell(f"{count} lines", 0, 0)
        os.link(part, target)  # unlike a renaming, this replaces nothing
    except FileExistsError:
        raise _occupied(target) from None
    finally:
        part.unlink(missing_ok=True)
    return count


@audit.command()
@paged
@click.pass_obj
def checkpoints(session: Session, /, **query: object) -> None:
    """List signed checkpoints, the newest first."""
    answer = session.client().request("GET", path("audit", "checkpoints"), query=query)
    columns: Columns = {"Records": "size", "Signed": age_of("at"), "Key": "key_id", "Root": "root"}
    session.show_list(answer, columns, "No checkpoints.")


@audit.command()
@click.argument("export_file", metavar="EXPORT", required=False)
@click.option("--checkpoints", "checkpoint_file", metavar="FILE", help="Checkpoints that were kept elsewhere.")
@click.option("--public-key", metavar="FILE", help="Trusted public key in PEM form.")
@click.option("--partial", is_flag=True, help="The export is a part, or older than the newest checkpoint.")
@click.pass_obj
def verify(
    session: Session, export_file: str | None, checkpoint_file: str | None, public_key: str | None, partial: bool
) -> int:
    """Verify an EXPORT offline, or without one the log of the server. Exit code 7 when it is not intact."""
    if export_file is None:
        if checkpoint_file or public_key or partial:
            message = "--checkpoints, --public-key and --partial go with an EXPORT"
            raise CommandError(message, ExitCode.USAGE, "invalid_request")
        # Every record is read and hashed again, which takes its time.
        answer = session.client(timeout=600.0).request("POST", path("audit", "verify"))
        verdict = answer.item()
        if session.json:
            session.show_json(answer)
    else:
        verdict = _verify_file(session, Path(export_file).expanduser(), checkpoint_file, public_key, not partial)
        if session.json:
            session.output.json(verdict)
    if not session.json:
        _show(session, verdict)
    return ExitCode.OK if verdict.get("ok") is True else ExitCode.VERIFICATION


def _verify_file(
    session: Session, export: Path, checkpoint_file: str | None, public_key: str | None, complete: bool
) -> dict[str, Any]:  # Any: JSON values
    from ...security.audit_verify import verify_export
    from ...security.checkpoints import CheckpointFile
    from ...security.signing_keys import VerifyingKey

    known = None if checkpoint_file is None else CheckpointFile(Path(checkpoint_file).expanduser()).read()
    keys = [] if public_key is None else [VerifyingKey.from_pem(Path(public_key).expanduser().read_text("utf-8"))]
    size = export.stat().st_size
    # Bytes that are no UTF-8 stay what they are: a wrong character in a record, named like any other.
    with (
        export.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines,
        session.output.progress("verifying") as tell,
    ):

        def watched() -> Any:  # Any: a generator of lines
            done = 0
            for number, line in enumerate(lines):
                done += len(line)
                if number % _REPORT_EVERY == 0:
                    tell("records", done, size)
                yield line

        report = verify_export(watched(), checkpoints=known, keys=keys, complete=complete)
    return report.to_dict()


def _show(session: Session, verdict: Mapping[str, Any]) -> None:  # Any: JSON values
    output = session.output
    counts = f"{verdict.get('records', 0)} records, {verdict.get('checkpoints', 0)} checkpoints"
    if verdict.get("ok") is True:
        output.say(f"The log is intact: {counts}.")
    else:
        bad = verdict.get("first_bad")
        where = "" if bad is None else f"; the first bad record is {bad}"
        output.say(f"The log is NOT intact ({counts}){where}.")
        for problem in parts(verdict, "problems"):
            number = problem.get("sequence")
            output.say(f"  {'log' if number is None else f'record {number}'}: {problem.get('text')}")
    for note in verdict.get("notes") or []:
        output.say(f"note: {note}")
