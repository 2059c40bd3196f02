"""Goodput over time as a picture: lines in SVG, or a row of blocks for each policy in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil

from .report import Report

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b")
"""Colours that people with colour blindness tell apart (Okabe and Ito), and two more; further lines are dashed."""
BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 860, 380
_LEFT, _RIGHT, _TOP = 56, 28, 44


@dataclass(frozen=True, slots=True)
class Chart:
    """Shares over time.

    Attributes:
        title: What is shown.
        width: Seconds of one figure.
        trouble: Start and end of the trouble in seconds, or None.
        lines: By name, one share (0 to 1) for each span of time; None where there is nothing to tell.
        start: Seconds at which the first figure begins, on the scale of `trouble`.
    """

    title: str
    width: float
    trouble: tuple[float, float] | None
    lines: Mapping[str, Sequence[float | None]]
    start: float = 0.0

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Chart:
        """Return the goodput of each policy, over several seeds the mean."""
        first = reports[0]
        lines = {
            run.policy: [
                sum(report[run.policy].buckets[place].goodput for report in reports) / len(reports)
                for place in range(len(run.buckets))
            ]
            for run in first.runs
        }
        seeds = f"seed {first.seed}" if len(reports) == 1 else f"mean of {len(reports)} seeds"
        trouble = first.trouble if first.trouble[0] < first.trouble[1] else None
        return cls(f"{first.scenario}: goodput over time ({seeds})", first.bucket, trouble, lines)

    @property
    def count(self) -> int:
        """Figures of one line."""
        return max((len(line) for line in self.lines.values()), default=0)

    def to_text(self, columns: int = 80) -> list[str]:
        """Return lines of text of at most so many columns; each policy has a row of blocks, an eighth for each step."""
        names = [name if len(name) <= 32 else f"{name[:31]}…" for name in self.lines]
        margin = max(map(len, names), default=0) + 2
        room = max(10, columns - margin)
        each = max(1, ceil(self.count / room))
        places = ceil(self.count / each)
        rows = [self._title(each)]
        for name, line in zip(names, self.lines.values(), strict=True):
            rows.append(f"{name:{margin}}{''.join(_block(line[at * each : (at + 1) * each]) for at in range(places))}")
        rows.append(" " * margin + self._axis(each, places))
        return rows

    def _title(self, each: int) -> str:
        return f"{self.title}, one column for {each * self.width:g} s"

    def _axis(self, each: int, places: int) -> str:
        """Return a row that shows where the trouble is."""
        if self.trouble is None:
            return ""
        span = each * self.width
        begin = int((self.trouble[0] - self.start) / span + 1e-9)
        end = min(places, max(begin + 1, ceil((self.trouble[1] - self.start) / span - 1e-9)))
        words = f" trouble, {self.trouble[0]:g} to {self.trouble[1]:g} s"
        return " " * begin + "^" * (end - begin) + words

    def to_svg(self) -> str:
        """Return an SVG picture; readers of light and dark pages both see it."""
        legend = 22 * ceil(len(self.lines) / 2)
        height = HEIGHT + legend
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13">',
            f"<title>{escape(self.title)}</title>",
            "<style>text{fill:#24292f}.grid{stroke:#8884;stroke-width:1}.trouble{fill:#d55e0022}"
            "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>",
            f'<text x="{_LEFT}" y="24" font-size="15" font-weight="600">{escape(self.title)}</text>',
            *self._frame(),
        ]
        for number, (name, line) in enumerate(self.lines.items()):
            style = f'stroke="{COLOURS[number % len(COLOURS)]}"'
            if number >= len(COLOURS):
                style += ' stroke-dasharray="6 4"'
            parts.append(f'<path d="{self._path(line)}" fill="none" stroke-width="2" stroke-linejoin="round" {style}/>')
            x, y = _LEFT + (number % 2) * 400, HEIGHT + 22 * (number // 2)
            parts.append(f'<path d="M{x} {y - 4}h24" stroke-width="3" {style}/>')
            parts.append(f'<text x="{x + 32}" y="{y}">{escape(name)}</text>')
        return "\n".join([*parts, "</svg>"]) + "\n"

    @property
    def _end(self) -> float:
        return self.count * self.width

    def _x(self, seconds: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (seconds / self._end if self._end else 0.0)

    def _y(self, share: float) -> float:
        return _TOP + (HEIGHT - 60 - _TOP) * (1.0 - min(1.0, max(0.0, share)))

    def _frame(self) -> list[str]:
        parts = []
        if self.trouble is not None:
            begin, end = self._x(self.trouble[0] - self.start), self._x(self.trouble[1] - self.start)
            parts.append(
                f'<rect class="trouble" x="{begin:.1f}" y="{_TOP}" width="{end - begin:.1f}" '
                f'height="{self._y(0) - _TOP:.1f}"/>'
            )
        for percent in (0, 25, 50, 75, 100):
            y = self._y(percent / 100)
            parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
        step = _step(self._end)
        for number in range(int(self._end / step + 1e-9) + 1):
            at = number * step
            parts.append(f'<text x="{self._x(at):.1f}" y="{self._y(0) + 20:.1f}" text-anchor="middle">{at:g} s</text>')
        return parts

    def _path(self, line: Sequence[float | None]) -> str:
        path, pen = [], "M"
        for place, share in enumerate(line):
            if share is None:
                pen = "M"
                continue
            path.append(f"{pen}{self._x((place + 0.5) * self.width):.1f} {self._y(share):.1f}")
            pen = "L"
        return "".join(path)


def _block(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    if not known:
        return " "
    share = sum(known) / len(known)
    # The lowest block stands for nothing at all, so that an outage does not look like a gap; the full one for all.
    return BLOCKS[1 + min(7, int(share * 7.0 + 1e-9))] if share < 0.995 else BLOCKS[8]


def _step(seconds: float) -> float:
    """Return a round distance of at most nine marks on the axis of time."""
    size = 1.0
    while True:
        for factor in (1.0, 2.0, 3.0, 5.0):
            if seconds / (size * factor) <= 9.0:
                return size * factor
        size *= 10.0
