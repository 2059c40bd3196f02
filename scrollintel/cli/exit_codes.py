"""What the exit code of a command tells a script."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Stable between versions."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    ACCESS = 4
    NOT_FOUND = 5
    CONFLICT = 6
    VERIFICATION = 7


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done; what was asked about is well",
    ExitCode.FAILED: "failed, or what was asked about is not well",
    ExitCode.USAGE: "command, values or settings are not valid, or --yes is missing",
    ExitCode.UNREACHABLE: "the control plane cannot be reached, or what answers is none",
    ExitCode.ACCESS: "no valid token, or one that may not do this",
    ExitCode.NOT_FOUND: "there is no such thing, or none that the token may see",
    ExitCode.CONFLICT: "it exists, is in use, was changed meanwhile, or is declared in a file",
    ExitCode.VERIFICATION: "the audit log is not intact",
}

_BY_STATUS = {
    400: ExitCode.USAGE,
    401: ExitCode.ACCESS,
    403: ExitCode.ACCESS,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
    428: ExitCode.CONFLICT,
}


def of_status(status: int) -> ExitCode:
    """Return the exit code of an HTTP status that is an error."""
    return _BY_STATUS.get(status, ExitCode.FAILED)
