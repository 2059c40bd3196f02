"""Metric families and how they are written: Prometheus text 0.0.4 and OpenMetrics 1.0, with nothing but Python."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

PREFIX = "scrollintel_"
UNITS = ("seconds", "bytes")
"""Base units; a name whose last word is one of them is measured in it."""
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PLACE = "\x00"

Number = int | float
Row = tuple[tuple[str, ...], tuple[Number, ...]]
"""Values of the labels, and the numbers: one, one for each value of the last label, or the buckets and the sum."""


class Kind(StrEnum):
    """What the numbers of a family mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Format(StrEnum):
    """How families are written; the value is the `Content-Type`."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is always the same of a family.

    Arguments:
        name: As queries use it: `scrollintel_`, words, and the suffix that belongs to the kind and the unit.
        kind: What the numbers mean.
        help: One sentence.
        labels: Names of the labels whose values differ from row to row.
        split: Name and all values of a label that every row has one number for; None without one.
        bounds: Upper bounds of the buckets of a histogram, ascending, without the infinite one.

    Raises:
        ValueError: when the name is not what the naming rules of Prometheus ask for.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    split: tuple[str, tuple[str, ...]] | None = None
    bounds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        wanted = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        reserved = ("_total", "_info", "_count", "_sum", "_bucket", "_created")
        fits = self.name.endswith(wanted) if wanted else not self.name.endswith(reserved)
        if not fits or not self.name.startswith(PREFIX) or _NAME.fullmatch(self.name) is None:
            raise ValueError(f"{self.name!r} is no name of a {self.kind}")

    @property
    def family(self) -> str:
        """The name without the suffix of its kind, as OpenMetrics calls the family."""
        return self.name.removesuffix("_total").removesuffix("_info")

    @property
    def unit(self) -> str:
        """The base unit, or nothing for what is counted."""
        last = self.family.rpartition("_")[2]
        return last if last in UNITS else ""

    def cumulated(self, numbers: Sequence[float]) -> tuple[list[tuple[str, float]], float, float]:
        """Return a row of a histogram as Prometheus counts: each bound with all below it, the sum, and the count."""
        *counts, total = numbers
        sums = list(accumulate(counts))
        bounds = [spell(bound) for bound in (*self.bounds, math.inf)]
        return list(zip(bounds, sums, strict=True)), total, sums[-1]

    @property
    def every_label(self) -> tuple[str, ...]:
        """Names of all labels of a sample, but for `le`."""
        return self.labels if self.split is None else (*self.labels, self.split[0])


@dataclass(frozen=True, slots=True)
class Family:
    """A definition with its rows."""

    definition: Definition
    rows: list[Row] = field(default_factory=list)

    def add(self, labels: tuple[str, ...], *numbers: Number) -> None:
        """Add a row.

        Arguments:
            labels: A value for each of the definition's labels.
            numbers: One; or a whole one for each value of the split; or, of a histogram, how many each bucket holds,
                those beyond the last bound included, and the sum.
        """
        self.rows.append((labels, numbers))


def spell(number: Number) -> str:
    """Return a number as both formats write it."""
    if isinstance(number, int):
        return str(int(number))
    if math.isfinite(number):
        return repr(float(number))
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def escape(value: str) -> str:
    """Return the value of a label as it stands between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def render(families: Iterable[Family], form: Format = Format.TEXT) -> bytes:
    """Return families as one document; those without rows are left out."""
    texts: dict[tuple[str, ...], dict[tuple[str, ...], str]] = {}
    parts: list[str] = []
    for family in families:
        if family.rows:
            parts.append(_head(family.definition, form))
            parts += _lines(family, texts.setdefault(family.definition.labels, {}))
    if form is Format.OPENMETRICS:
        parts.append("# EOF\n")
    return "".join(parts).encode("utf-8", "replace")


def _head(definition: Definition, form: Format) -> str:
    meaning = definition.help.replace("\\", "\\\\").replace("\n", "\\n")
    if form is Format.TEXT:
        kind = Kind.GAUGE if definition.kind is Kind.INFO else definition.kind
        return f"# HELP {definition.name} {meaning}\n# TYPE {definition.name} {kind}\n"
    meaning = meaning.replace('"', '\\"')
    name, unit = definition.family, definition.unit
    told = f"# UNIT {name} {unit}\n" if unit else ""
    return f"# HELP {name} {meaning}\n# TYPE {name} {definition.kind}\n{told}"


def _lines(family: Family, texts: dict[tuple[str, ...], str]) -> Iterable[str]:
    """Yield the lines of a family, all lines of a row at once: a scrape writes a thousand rows of the same shape."""
    definition = family.definition
    template = _template(definition)
    names = definition.labels
    is_histogram = definition.kind is Kind.HISTOGRAM
    for labels, numbers in family.rows:
        if is_histogram:
            sums = tuple(accumulate(numbers[:-1]))
            written = template % (*sums, spell(numbers[-1]), sums[-1])
        elif definition.split is None:
            written = template % spell(numbers[0])
        else:
            written = template % numbers
        if names:
            text = texts.get(labels)
            if text is None:
                pairs = zip(names, labels, strict=True)
                text = texts[labels] = ",".join(f'{name}="{escape(value)}"' for name, value in pairs)
            # Last, because the values of labels are anybody's text and may hold what the template is made of.
            written = written.replace(_PLACE, text)
        yield written


def _template(definition: Definition) -> str:
    """Return the lines of one row, with a place for the labels and one for each number."""
    name = definition.name
    place = [_PLACE] if definition.labels else []

    def line(suffix: str, *labels: str, number: str = "%d") -> str:
        inside = ",".join((*place, *labels))
        return f"{name}{suffix}{{{inside}}} {number}\n" if inside else f"{name}{suffix} {number}\n"

    if definition.kind is Kind.HISTOGRAM:
        buckets = (line("_bucket", f'le="{spell(bound)}"') for bound in (*definition.bounds, math.inf))
        return "".join((*buckets, line("_sum", number="%s"), line("_count")))
    if definition.split is not None:
        split, values = definition.split
        return "".join(line("", f'{split}="{escape(value)}"') for value in values)
    return line("", number="%s")


# ------------------------------------------------------------------ content negotiation


def negotiate(accept: str | None) -> Format:
    """Return the format that an `Accept` header prefers; text where it says nothing, or nothing that there is.

    Source: RFC 9110, section 12.5.1. Of several ranges that match a format the most specific one counts.
    """
    if not accept:
        return Format.TEXT
    ranges = [_range(part) for part in accept[:4096].split(",")]
    text = _quality(ranges, ("text", "plain"), ("0.0.4",))
    openmetrics = _quality(ranges, ("application", "openmetrics-text"), ("1.0.0",))
    return Format.OPENMETRICS if openmetrics > text else Format.TEXT


_Range = tuple[tuple[str, str], str | None, float]


def _range(part: str) -> _Range:
    """Return type, version and quality of one range; what cannot be read asks for nothing."""
    kind, *parameters = (item.strip().lower() for item in part.split(";"))
    main, _, sub = kind.partition("/")
    version: str | None = None
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if name.strip() == "version":
            version = value
        elif name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return (main, sub), version, quality if 0.0 <= quality <= 1.0 else 0.0


def _quality(ranges: Sequence[_Range], kind: tuple[str, str], versions: tuple[str, ...]) -> float:
    found: list[tuple[int, float]] = []
    for wanted, version, quality in ranges:
        if wanted == kind and (version is None or version in versions):
            found.append((2 + (version is not None), quality))
        elif wanted == (kind[0], "*"):
            found.append((1, quality))
        elif wanted == ("*", "*"):
            found.append((0, quality))
    return max(found, default=(0, 0.0))[1]
