"""What can go wrong for a command, as one sentence for people and one document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .exit_codes import ExitCode, of_status


class CommandError(Exception):
    """A command ends here.

    Arguments:
        message: One sentence, without a full stop.
        exit_code: What the process ends with.
        code: Stable text for programs.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED, code: str = "failed") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code

    def lines(self) -> list[str]:
        """Return what people read, the first line being the sentence."""
        return [f"{self} [{self.code}]"]

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """Return what programs read."""
        return {"code": self.code, "detail": str(self)}


class UnreachableError(CommandError):
    """Nobody answers, or what answers is not a control plane."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.UNREACHABLE, "unreachable")


class ProblemError(CommandError):
    """The control plane answered with a problem document (RFC 9457).

    Arguments:
        status: HTTP status.
        problem: The document; what it lacks is filled in.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:  # Any: JSON values
        self.status = status
        self.problem = dict(problem)
        title = str(problem.get("title") or f"the control plane answered {status}")
        detail = problem.get("detail")
        code = str(problem.get("code") or f"http_{status}")
        super().__init__(f"{title}: {detail}" if detail else title, of_status(status), code)

    @property
    def violations(self) -> Sequence[Mapping[str, Any]]:  # Any: JSON values
        """Every rule that the request breaks."""
        listed = self.problem.get("violations")
        return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []

    def lines(self) -> list[str]:
        """Return sentence, code, violations and the number under which the server's log knows the request."""
        found = super().lines()
        for item in self.violations:
            value = "" if item.get("value") is None else f" = {item['value']!r}"
            found.append(f"  {item.get('field', '?')}{value}: must be {item.get('allowed', 'valid')}")
        if self.status >= 500 and self.problem.get("request_id"):
            found.append(f"  request {self.problem['request_id']}")
        return found

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """Return the document as the control plane sent it."""
        return self.problem or super().document()
