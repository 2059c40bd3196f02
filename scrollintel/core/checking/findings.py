"""What a check of policies says: findings by code, and the worst case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..events import Severity


class Kind(NamedTuple):
    """What all findings of one code have in common."""

    severity: Severity
    meaning: str


_WARNING, _ERROR, _TOLD = Severity.WARNING, Severity.ERROR, Severity.INFORMATION
CODES: Mapping[str, Kind] = {
    "attempt_beyond_deadline": Kind(
        _WARNING, "One attempt may take longer than the deadline around it allows, so its own time limit never holds."
    ),
    "retries_beyond_deadline": Kind(
        _TOLD, "The attempts and pauses of a policy do not fit into the deadline around it, so the last ones never run."
    ),
    "total_too_short": Kind(
        _WARNING, "The total of a policy ends before all of its attempts and pauses could, when each takes its time."
    ),
    "no_time_limit": Kind(
        _WARNING, "Nothing ends an attempt that hangs: it holds its caller, and never counts as a failure."
    ),
    "nested_retries": Kind(_WARNING, "Several layers try again, so their attempts multiply."),
    "retry_without_budget": Kind(_WARNING, "Retries add to every overload, because nothing limits their share."),
    "retries_refusals": Kind(
        _WARNING, "What the own layers refuse is tried again, so an open circuit costs attempts and pauses."
    ),
    "unmarked_hedge": Kind(
        _WARNING, "A hedge sends the operation twice, and nothing says that it may run more than once."
    ),
    "unmarked_retry": Kind(_TOLD, "A retry runs the operation again, and nothing says that it may run more than once."),
    "hedged_write": Kind(_ERROR, "The operation writes, and a hedge may run it twice at the same time."),
    "retried_write": Kind(_ERROR, "The operation writes, and a retry may run it again after it has taken effect."),
    "late_hedge": Kind(_WARNING, "The hedge starts when the first attempt is over, so it never runs beside one."),
    "breaker_outside_retry": Kind(
        _WARNING, "The circuit sees whole calls, so it opens after all attempts of several calls, not after a few."
    ),
    "breaker_never_opens": Kind(_WARNING, "The circuit cannot open, or not when the dependency hangs."),
    "hidden_failures": Kind(
        _WARNING, "A layer inside answers its failures itself, so the circuit and the retry around it never see them."
    ),
    "slots_during_pauses": Kind(
        _WARNING, "Slots are held while the retry pauses, so an outage takes them although nothing runs."
    ),
    "line_without_wait_limit": Kind(_WARNING, "Calls may wait for a slot without end."),
    "cold_fallback": Kind(_WARNING, "The fallback has never run, or not worked lately; the first outage will try it."),
}
"""Every code that a finding may have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at.

    Attributes:
        code: One of `CODES`, for programs.
        about: Name of the policy.
        sentence: What is so.
        change: What to do about it.
    """

    code: str
    about: str
    sentence: str
    change: str

    @property
    def severity(self) -> Severity:
        """How much it should worry its reader."""
        return CODES[self.code].severity

    def __str__(self) -> str:
        return f"{self.severity.value}: {self.about}: {self.sentence} {self.change} [{self.code}]"

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the fields and the severity as JSON values."""
        return {**asdict(self), "severity": self.severity.value}


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that one call may cost.

    Attributes:
        calls: Runs of the operation.
        seconds: How long the caller may wait without its fallbacks; None when nothing ends it.
        sentence: Both in words, with what they are made of.
    """

    calls: int
    seconds: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check says; iterates over its findings, the most severe first, and is false when there is none.

    Attributes:
        name: Name of the outermost policy.
        findings: One for each thing to look at.
        worst: The most that one call may cost.
    """

    name: str
    findings: tuple[Finding, ...]
    worst: WorstCase

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        return "\n".join((*map(str, self.findings), self.worst.sentence))

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the findings, in their order."""
        return tuple(finding.code for finding in self.findings)

    @property
    def grave(self) -> bool:
        """True when there is a warning or an error among them."""
        return any(finding.severity in (_WARNING, _ERROR) for finding in self.findings)

    @property
    def wrong(self) -> bool:
        """True when there is an error among them."""
        return any(finding.severity is _ERROR for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "findings": [finding.to_dict() for finding in self.findings],
            "worst": asdict(self.worst),
        }
