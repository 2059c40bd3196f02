"""Silences: people are not told of alerts that fit, for a while and for a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .alerts import Labels
from .records import Kind

LONGEST = timedelta(days=30)
"""The longest that a silence can last; one that is forgotten must not hide failures for good."""
MAX_SILENCES = 200


class SilenceLabel(StrEnum):
    """What a matcher looks at."""

    NAME = "name"
    SERVICE = "service"
    TARGET = "target"


class Match(StrEnum):
    """How a value is compared: as a whole, or as how it begins."""

    EXACT = "exact"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a silence.

    Arguments:
        label: What is looked at.
        value: What it has to be.
        match: How that is compared.
    """

    label: SilenceLabel
    value: str
    match: Match = Match.EXACT

    def fits(self, labels: Labels) -> bool:
        """Tell whether an alert fits; one without such a label never does."""
        found = {
            SilenceLabel.NAME: labels.name.value,
            SilenceLabel.SERVICE: labels.service,
            SilenceLabel.TARGET: labels.target,
        }[self.label]
        if found is None:
            return False
        return found == self.value if self.match is Match.EXACT else found.startswith(self.value)

    def to_dict(self) -> dict[str, str]:
        """Return the matcher as JSON values."""
        return {"label": self.label.value, "value": self.value, "match": self.match.value}

    @classmethod
    def from_dict(cls, value: dict[str, str]) -> Matcher:
        """Read what `to_dict` returns."""
        return cls(SilenceLabel(value["label"]), value["value"], Match(value["match"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRecord:
    """One silence that is in force until a moment.

    Arguments:
        id: `sil_` and hexadecimal digits.
        matchers: All of them have to fit.
        reason: Why, in the words of whoever asked for it.
        created_by: Their identity.
        created_at, until: From when to when.
    """

    id: str
    matchers: tuple[Matcher, ...]
    reason: str
    created_by: str
    created_at: datetime
    until: datetime

    @property
    def service(self) -> str | None:
        """The one service that it can concern, or None when it can concern several or the control plane itself."""
        for matcher in self.matchers:
            if matcher.label is SilenceLabel.SERVICE and matcher.match is Match.EXACT:
                return matcher.value
        return None

    def fits(self, labels: Labels) -> bool:
        """Tell whether an alert is silenced by it while it is in force."""
        return all(matcher.fits(labels) for matcher in self.matchers)


def silenced_by(silences: Iterable[SilenceRecord], labels: Labels, now: datetime) -> SilenceRecord | None:
    """Return the silence in force that an alert fits and that lasts longest, or None."""
    fitting = [silence for silence in silences if silence.until > now and silence.fits(labels)]
    return max(fitting, key=lambda silence: silence.until, default=None)


SILENCES: Kind[SilenceRecord] = Kind("silence", lambda record: record.id)
