"""Response times in fixed memory: a mergeable histogram with logarithmic buckets."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable
from struct import pack, unpack

_SUB_BITS = 4
_OCTAVES = 30
_LOWEST = -20  # 2**-20 s, about one microsecond
SIZE = _OCTAVES << _SUB_BITS
_SHIFT = 52 - _SUB_BITS
_BASE = (1023 + _LOWEST) << _SUB_BITS
# The top 16 bits of an IEEE 754 double are its sign, its exponent and the first four bits of its fraction:
# for positive numbers just the number of a bucket whose width is 1/16 of an octave.
_TOP = 3 if sys.byteorder == "little" else 0


def _lower(bucket: int) -> float:
    """Return the smallest number that falls into `bucket`."""
    (value,) = unpack("<d", pack("<q", (bucket + _BASE) << _SHIFT))
    return float(value)


def _middle(bucket: int) -> float:
    return (_lower(bucket) + _lower(bucket + 1)) / 2


class LatencySketch:
    """Counts of durations from 1 microsecond to 1,000 seconds in 480 buckets; others go to the outermost.

    Quantiles, sum and maximum are read from the middles of buckets and at most 1/32 (3.2 %) off. The scheme is
    that of HdrHistogram and DDSketch: relative error, fixed memory (2 KiB), and merging by adding counts.
    """

    __slots__ = ("count", "counts")

    def __init__(self) -> None:
        self.counts = array("I", bytes(4 * SIZE))
        self.count = 0

    def add(self, durations: array[float]) -> None:
        """Add an `array('d')` of durations in seconds."""
        counts = self.counts
        tops = memoryview(durations).cast("B").cast("H")[_TOP::4].tolist()
        for top, number in Counter(tops).items():
            bucket = top - _BASE
            if not 0 <= bucket < SIZE:  # negative numbers have the sign bit set and would look huge
                bucket = 0 if bucket < 0 or top & 0x8000 else SIZE - 1
            try:
                counts[bucket] += number
            except OverflowError:  # four billion in one bucket: go on with wider counts
                self.counts = counts = array("Q", counts)
                counts[bucket] += number
        self.count += len(durations)

    def merge(self, others: Iterable[LatencySketch]) -> LatencySketch:
        """Return a sketch of all durations of this one and `others`."""
        merged = LatencySketch()
        merged.counts = array("Q", bytes(8 * SIZE))
        for sketch in (self, *others):
            merged.counts = array("Q", map(int.__add__, merged.counts, sketch.counts))
            merged.count += sketch.count
        return merged

    @property
    def total(self) -> float:
        """Sum of all durations in seconds, from the middles of their buckets."""
        return sum(number * _middle(bucket) for bucket, number in enumerate(self.counts) if number)

    def quantile(self, q: float) -> float | None:
        """Return the duration in seconds that a share `q` in [0, 1] of all does not exceed, or None without any."""
        if not self.count:
            return None
        rank = max(1, -int(-q * self.count // 1))
        seen = 0
        for bucket, number in enumerate(self.counts):
            seen += number
            if seen >= rank:
                return _middle(bucket)
        raise AssertionError("the counts of all buckets add up to the number of durations")
