"""What can go wrong for a command, as one sentence for people and one document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .exit_codes import ExitCode, of_status

_START_ONE = "start one with `scrollintel serve`, or name another with --url or --socket"
_HINTS = {
    401: "give a token: --token-file FILE or $SCROLLINTEL_TOKEN",
    403: "`scrollintel roles` shows what each role may do",
    412: "look at it again and repeat the command",
}


class CommandError(Exception):
    """A command ends here.

    Arguments:
        message: One sentence, without a full stop.
        exit_code: What the process ends with.
        code: Stable text for programs.
        hint: What to do next, or None.
    """

    def __init__(
        self, message: str, exit_code: ExitCode = ExitCode.FAILED, code: str = "failed", hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.hint = hint

    def lines(self) -> list[str]:
        """Return what people read, the first line being the sentence."""
        return [f"{self} [{self.code}]", *self._hints()]

    def _hints(self) -> list[str]:
        return [] if self.hint is None else [f"  {self.hint}"]

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """Return what programs read."""
        return {"code": self.code, "detail": str(self), **({} if self.hint is None else {"hint": self.hint})}


class UnreachableError(CommandError):
    """Nobody answers.

    Arguments:
        message: Who, and why.
        hint: What to do; by default to start a control plane or to name another.
    """

    def __init__(self, message: str, hint: str = _START_ONE) -> None:
        super().__init__(message, ExitCode.UNREACHABLE, "unreachable", hint)


class UnexpectedAnswerError(CommandError):
    """What answers is not a control plane, or one of another age.

    Arguments:
        message: What is wrong with the answer.
    """

    def __init__(self, message: str) -> None:
        hint = "check --url, what stands between, and that both sides have the same version: `scrollintel doctor`"
        super().__init__(message, ExitCode.UNREACHABLE, "unexpected_answer", hint)


def _rule(allowed: object) -> str:
    """Return a rule as part of a sentence; some are told as `Input should be …`."""
    text = str(allowed)
    _, separator, rest = text.partition(" should ")
    return f"must {rest}" if separator and text.split(" ", 1)[0].isalpha() else f"must be {text}"


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
        super().__init__(f"{title}: {detail}" if detail else title, of_status(status), code, _HINTS.get(status))

    @property
    def violations(self) -> Sequence[Mapping[str, Any]]:  # Any: JSON values
        """Every rule that the request breaks."""
        listed = self.problem.get("violations")
        return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []

    def lines(self) -> list[str]:
        """Return sentence, code, violations and the number under which the server's log knows the request."""
        found = [f"{self} [{self.code}]"]
        for item in self.violations:
            value = "" if item.get("value") is None else f" = {item['value']!r}"
            found.append(f"  {item.get('field', '?')}{value}: {_rule(item.get('allowed', 'valid'))}")
        if self.status >= 500 and self.problem.get("request_id"):
            found.append(f"  request {self.problem['request_id']}")
        return [*found, *self._hints()]

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """Return the document as the control plane sent it."""
        return self.problem or super().document()
