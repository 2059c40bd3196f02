"""What `doctor` finds out about the running control plane."""

from __future__ import annotations

import email.utils
import os
import ssl
import time

from .. import __version__
from . import variables
from .client import Client, path
from .diagnosis import Finding
from .listening import obstacle
from .output import part, span
from .problems import CommandError, ProblemError, UnreachableError
from .session import Session

SKEW = 5.0
"""Seconds that clocks may differ without a warning."""


def examine_server(session: Session) -> list[Finding]:
    """Return whether the control plane answers, whether its clock agrees, and which version it is."""
    try:
        client = session.client()
        answer = client.request("GET", "/livez")
    except UnreachableError as error:
        found = _taken(session)
        todo = "scrollintel serve, or name another one with --url"
        if isinstance(error.__cause__, ssl.SSLError):
            return [Finding("server", "fail", str(error), error.hint or todo)]
        return [found or Finding("server", "warn", str(error), todo)]
    except CommandError as error:
        found = _taken(session)
        return [found or Finding("server", "fail", str(error), "check --url and what stands between")]
    findings = [Finding("server", "ok", f"{client.target.name} answers")]
    told = email.utils.parsedate_tz(answer.headers.get("date"))
    if told is not None:
        apart = abs(time.time() - email.utils.mktime_tz(told))
        state = "ok" if apart <= SKEW else "warn"
        todo = "" if state == "ok" else "synchronise both clocks, best by NTP"
        findings.append(Finding("server clock", "ok" if apart <= SKEW else "warn", f"{span(apart)} apart", todo))
    return [*findings, _version(client)]


def _taken(session: Session) -> Finding | None:
    """Return what keeps a server of these settings from listening, unless another server is asked for."""
    if session.url or os.environ.get(variables.URL):
        return None
    server = session.settings().server
    found = obstacle(server.host, server.port)
    return None if found is None else Finding("server", "fail", found.found, found.todo)


def _version(client: Client) -> Finding:
    try:
        found = str(part(client.get(path("health")), "platform").get("version"))
    except ProblemError as error:
        return Finding("server version", "warn", str(error), "give a token that may read health: --token-file")
    except CommandError:
        return Finding("server version", "warn", "not told", "check that a control plane answers there")
    if found != __version__:
        return Finding("server version", "warn", f"{found}, this is {__version__}", "install the same version on both")
    return Finding("server version", "ok", found)
