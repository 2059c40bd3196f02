"""Response times in fixed memory: a mergeable histogram with logarithmic buckets."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise
from operator import mul
from struct import pack, unpack

_SUB_BITS = 4
_OCTAVES = 26
_LOWEST = -18  # 2**-18 s, about four microseconds
SIZE = _OCTAVES << _SUB_BITS
_PENDING = 128
_SHIFT = 52 - _SUB_BITS
_BASE = (1023 + _LOWEST) << _SUB_BITS
# The top 16 bits of an IEEE 754 double are its sign, its exponent and the first four bits of its fraction:
# for positive numbers just the number of a bucket whose width is 1/16 of an octave.
_TOP = 3 if sys.byteorder == "little" else 0


_BOUNDS: tuple[float, ...] = unpack(
    f"<{SIZE + 1}d", pack(f"<{SIZE + 1}q", *((bucket + _BASE) << _SHIFT for bucket in range(SIZE + 1)))
)
_MIDDLES = tuple((lower + upper) / 2 for lower, upper in pairwise(_BOUNDS))

CLASSIC_BOUNDS: tuple[float, ...] = tuple(2.0**power for power in range(-10, 6))
"""Upper bounds in seconds of the coarse buckets for histograms elsewhere, about 1 ms to 32 s.

Powers of two, because buckets of the sketch end there: no duration has to be put into a bucket by guess.
"""
_EDGES = (0, *((power - _LOWEST) << _SUB_BITS for power in range(-10, 6)), SIZE)


class LatencySketch:
    """Counts of durations from 4 microseconds to 256 seconds in 416 buckets; others go to the outermost.

    Quantiles, sum and maximum are read from the middles of buckets and at most 1/32 (3.2 %) off. The scheme is
    that of HdrHistogram and DDSketch: relative error, fixed memory (2 KiB), and merging by adding counts.
    """

    # What strikes in the middle of a change, such as Ctrl-C, may leave fewer in `_counts` than `count` says.
    __slots__ = ("_counts", "_tops", "count")

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * SIZE))
        self._tops = array("H")
        self.count = 0

    @classmethod
    def of(cls, counts: Iterable[tuple[int, int]]) -> LatencySketch:
        """Return a sketch of numbers of durations by bucket; buckets that there are none of count as the last one."""
        made = cls()
        made._counts = array("Q", bytes(8 * SIZE))
        for bucket, number in counts:
            made._counts[min(bucket, SIZE - 1)] += number
            made.count += number
        return made

    def add(self, durations: array[float]) -> None:
        """Add an `array('d')` of durations in seconds."""
        tops = self._tops
        tops.extend(array("H", durations.tobytes())[_TOP::4])
        self.count += len(durations)
        if len(tops) >= _PENDING:
            self._spread()

    def _spread(self) -> None:
        """Count the pending durations; many at a time, because few of them differ in their bucket."""
        # Taken away first: a finalizer that strikes in between may come here as well.
        tops, self._tops = self._tops, array("H")
        counts = self._counts
        for top, number in Counter(tops.tolist()).items():
            bucket = top - _BASE
            if not 0 <= bucket < SIZE:  # negative numbers have the sign bit set and would look huge
                bucket = 0 if bucket < 0 or top & 0x8000 else SIZE - 1
            try:
                counts[bucket] += number
            except OverflowError:  # four billion in one bucket: go on with wider counts
                self._counts = counts = array("Q", counts)
                counts[bucket] += number

    @property
    def counts(self) -> array[int]:
        """Durations in each bucket."""
        if self._tops:
            self._spread()
        return self._counts

    def merge(self, others: Iterable[LatencySketch]) -> LatencySketch:
        """Return a sketch of all durations of this one and `others`."""
        merged = LatencySketch()
        merged._counts = array("Q", bytes(8 * SIZE))
        for sketch in (self, *others):
            merged._counts = array("Q", map(int.__add__, merged._counts, sketch.counts))
            merged.count += sketch.count
        return merged

    @property
    def total(self) -> float:
        """Sum of all durations in seconds, from the middles of their buckets."""
        total: float = sum(map(mul, self.counts, _MIDDLES))
        return total

    def classic(self) -> tuple[list[int], float]:
        """Return the durations in each of the buckets that end at `CLASSIC_BOUNDS`, those beyond last, and their sum.

        The sum is in seconds and read as `total` is.
        """
        counts = self.counts
        raw = counts.tobytes()
        # Few of the 416 buckets hold anything, and they lie together: the rest is passed over as zero bytes.
        first = (len(raw) - len(raw.lstrip(b"\0"))) // counts.itemsize
        end = -(-len(raw.rstrip(b"\0")) // counts.itemsize)
        found = [0] * (len(_EDGES) - 1)
        for place, (begin, over) in enumerate(pairwise(_EDGES)):
            if begin < end and over > first:
                found[place] = sum(counts[max(begin, first) : min(over, end)])
        return found, sum(map(mul, counts[first:end], _MIDDLES[first:end]))

    def quantiles(self, *shares: float) -> list[float]:
        """Return several quantiles, as `quantile` gives them, in one pass; there must be a sample."""
        sums = list(accumulate(self.counts))
        known = sums[-1]
        return [_MIDDLES[bisect_left(sums, max(min(1, known), -int(-q * known // 1)))] for q in shares]

    def quantile(self, q: float) -> float | None:
        """Return the duration in seconds that a share `q` in [0, 1] of all does not exceed, or None without any."""
        counts = self.counts
        known = sum(counts)
        if not known:
            return None
        rank = max(1, -int(-q * known // 1))
        seen = 0
        for bucket, number in enumerate(counts):
            seen += number
            if seen >= rank:
                return _MIDDLES[bucket]
        raise AssertionError("the counts of all buckets add up to their sum")
