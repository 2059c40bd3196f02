"""`scrollintel doctor`: what is well, what is not, and what to do."""

from __future__ import annotations

import click

from ...core.errors import ConfigError
from ..diagnosis import Finding, data_directory, examine_machine, rooms
from ..exit_codes import ExitCode
from ..program import Command
from ..server_diagnosis import examine_server
from ..session import Session
from ..store_diagnosis import database, keys


@click.command(cls=Command)
@click.pass_obj
def doctor(session: Session) -> int:
    """Check machine, settings, database, keys and server, and say what to do. Exit code 1 when something fails."""
    try:
        settings = session.settings()
    except ConfigError as error:
        todo = "correct: " + "; ".join(str(violation) for violation in error.violations)
        findings = [Finding("settings", "fail", f"{len(error.violations)} mistakes", todo), *examine_machine()]
    else:
        source = "defaults and variables" if settings.file is None else str(settings.file)
        findings = [Finding("settings", "ok", f"valid ({source})"), *examine_machine()]
        findings += [data_directory(settings.directory), *rooms(settings), database(settings), keys(settings)]
        findings += examine_server(session)
    failed = any(finding.state == "fail" for finding in findings)
    if session.json:
        session.output.json({"ok": not failed, "checks": [finding._asdict() for finding in findings]})
    else:
        rows = [row for finding in findings for row in _rows(finding)]
        session.output.table(rows, {"": "state", "Check": "name", "Found, and what to do": "text"}, "")
    return ExitCode.FAILED if failed else ExitCode.OK


def _rows(finding: Finding) -> list[dict[str, str]]:
    """Return what was found and, below it, what to do: beside each other they would not fit 80 columns."""
    rows = [{"state": finding.state, "name": finding.name, "text": finding.found}]
    return [*rows, {"state": "", "name": "", "text": f"→ {finding.todo}"}] if finding.todo else rows
