"""`scrollintel check-policies`: what in policies is likely not meant, and the most that a call may cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..exit_codes import ExitCode
from ..problems import CommandError
from ..program import Command
from ..session import Session
from ..values import DURATION

if TYPE_CHECKING:
    from ...core.checking.findings import Findings
    from ...core.config import Policy


@click.command("check-policies", cls=Command)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--policy", "names", multiple=True, metavar="NAME", help="Only this policy; may be repeated.")
@click.option("--nested", is_flag=True, help="They are called inside each other's attempts, in the order of the file.")
@click.option("--deadline", type=DURATION, help="How long whoever calls waits at most, such as 2s.")
@click.option("--writes", is_flag=True, help="The operations change something, so that running one twice does harm.")
@click.option("--strict", is_flag=True, help="End with exit code 1 when there are warnings, too.")
@click.pass_obj
def check_policies(
    session: Session,
    file: str | None,
    names: tuple[str, ...],
    nested: bool,
    deadline: float | None,
    writes: bool,
    strict: bool,
) -> int:
    """Check policies before they are deployed: slips, and the worst case of a call.

    FILE is a TOML file with policies, such as a scenario; without it those of the settings file are checked. Each
    finding says what is likely not meant and what to change, and each policy how often it may run an operation for one
    call, and for how long. No control plane is asked. A finding that is an error ends it with exit code 1.
    """
    from ...core.check import check

    chosen = _chosen(_policies(session, file), names)
    known = True if writes else None
    if nested:
        found = [check(chosen[0], inner=chosen[1:], deadline=deadline, writes=known)]
    else:
        found = [check(policy, deadline=deadline, writes=known) for policy in chosen]
    if session.json:
        session.output.json({"policies": [item.to_dict() for item in found]})
    else:
        _show(session, found)
    bad = any(item.grave if strict else item.wrong for item in found)
    return ExitCode.FAILED if bad else ExitCode.OK


def _policies(session: Session, file: str | None) -> list[Policy]:
    if file is None:
        return [declared.policy for declared in session.settings().declared.policies]
    from ...simulation.contender import policies_of
    from ...simulation.examples import read_toml

    return [contender.policy for contender in policies_of(read_toml(Path(file).expanduser(), "policies")).values()]


def _chosen(policies: Sequence[Policy], names: tuple[str, ...]) -> list[Policy]:
    known = [policy.name for policy in policies]
    if not known:
        raise CommandError("there are no policies to check", ExitCode.USAGE, "usage", "give a FILE with policies")
    for name in names:
        if name not in known:
            hint = f"policies: {', '.join(known)}"
            raise CommandError(f"there is no policy {name!r}", ExitCode.USAGE, "usage", hint)
    return [policy for policy in policies if not names or policy.name in names]


def _show(session: Session, found: Sequence[Findings]) -> None:
    for place, item in enumerate(found):
        if place:
            session.output.say("")
        session.output.say(f"{item.name}: {item.worst.sentence}")
        for finding in item:
            about = "" if finding.about == item.name else f"{finding.about}: "
            session.output.say(
                f"  {finding.severity.value}: {about}{finding.sentence} {finding.change} [{finding.code}]"
            )
