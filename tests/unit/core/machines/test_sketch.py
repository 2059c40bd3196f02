"""The sketch of response times against sorted lists: its error bound, merging, and counts past four billion."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.machines.sketch import CLASSIC_BOUNDS, SIZE, LatencySketch

BOUND = 0.032
"""The relative error that the documentation promises."""
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
LOWEST, HIGHEST = 2.0**-18, 2.0**8
measurable = st.floats(LOWEST, HIGHEST, exclude_max=True)


def sketch_of(durations: Sequence[float]) -> LatencySketch:
    """Return a sketch that was given `durations` in one batch."""
    sketch = LatencySketch()
    sketch.add(array("d", durations))
    return sketch


def exact(durations: Sequence[float], q: float) -> float:
    """Return the quantile by its definition: the smallest value that a share `q` does not exceed."""
    listed = sorted(durations)
    return listed[max(1, math.ceil(q * len(listed))) - 1]


def assert_close(sketch: LatencySketch, durations: Sequence[float]) -> None:
    """Check every quantile against the sorted list."""
    for q in QUANTILES:
        found, expected = sketch.quantile(q), exact(durations, q)
        assert found is not None
        assert abs(found - expected) <= BOUND * expected, (q, found, expected)


def test_sketch_without_durations_has_no_quantiles() -> None:
    """Nothing measured gives None, not zero; an empty batch changes nothing."""
    sketch = sketch_of([])
    assert (sketch.count, sketch.total) == (0, 0.0)
    assert [sketch.quantile(q) for q in QUANTILES] == [None] * len(QUANTILES)


@given(st.lists(measurable, min_size=1, max_size=200))
def test_sketch_quantiles_are_within_the_bound_of_sorted_durations(durations: list[float]) -> None:
    """Every quantile of any durations from 4 microseconds to 256 seconds is at most 3.2 % off."""
    assert_close(sketch_of(durations), durations)


@pytest.mark.parametrize("shape", ["lognormal", "uniform", "bimodal", "constant", "exponential"])
def test_sketch_quantiles_of_many_durations_are_within_the_bound(shape: str) -> None:
    """Ten thousand durations of each shape that services show stay within the bound."""
    source = random.Random(20_240_611)
    draw = {
        "lognormal": lambda: source.lognormvariate(-4.0, 1.5),
        "uniform": lambda: source.uniform(0.001, 0.1),
        "bimodal": lambda: source.gauss(0.005, 0.0005) if source.random() < 0.9 else source.uniform(1.0, 30.0),
        "constant": lambda: 0.25,
        "exponential": lambda: source.expovariate(20.0) + 1e-5,
    }[shape]
    durations = [min(1000.0, max(LOWEST, draw())) for _ in range(10_000)]
    assert_close(sketch_of(durations), durations)


@pytest.mark.parametrize("duration", [LOWEST, 5e-6, 0.001, 0.0625, 1.0, 1.0625 - 1e-12, 30.0, HIGHEST - 1e-9])
def test_sketch_single_duration_is_found_within_the_bound(duration: float) -> None:
    """The edges of buckets are no exception: one duration is each of its own quantiles."""
    assert_close(sketch_of([duration]), [duration])


@pytest.mark.parametrize(
    ("duration", "bucket"),
    [
        (0.0, 0), (-0.0, 0), (-1.0, 0), (-1e300, 0), (1e-9, 0), (5e-324, 0),
        (256.0, SIZE - 1), (1e9, SIZE - 1), (math.inf, SIZE - 1),
    ],
)  # fmt: skip
def test_sketch_durations_beyond_its_range_go_to_the_outermost_bucket(duration: float, bucket: int) -> None:
    """Too short, negative and too long ones are counted, at the end where they belong."""
    sketch = sketch_of([duration])
    assert sketch.counts[bucket] == 1
    assert sum(sketch.counts) == sketch.count == 1


def test_sketch_buckets_are_filled_in_order_of_duration() -> None:
    """A longer duration never falls into a lower bucket, from the first to the last."""
    buckets = []
    for step in range(30 * 64):
        sketch = sketch_of([LOWEST * 2.0 ** (step / 64)])
        buckets.append(next(index for index, number in enumerate(sketch.counts) if number))
    assert buckets == sorted(buckets)
    assert set(buckets) == set(range(SIZE))


def test_sketch_count_is_exact_and_total_within_the_bound() -> None:
    """Number and sum run on over several batches."""
    sketch = LatencySketch()
    for batch in ([0.5], [0.25, 2.0], [1.0, 1.0, 1.0]):
        sketch.add(array("d", batch))
    assert sketch.count == 6
    assert sketch.total == pytest.approx(5.75, rel=BOUND)


@given(st.lists(st.lists(measurable, max_size=40), min_size=1, max_size=6))
def test_sketch_merged_of_parts_equals_sketch_of_the_whole(parts: list[list[float]]) -> None:
    """Merging loses nothing: counts are those of one sketch that saw everything, and the parts stay as they were."""
    sketches = [sketch_of(part) for part in parts]
    before = [list(sketch.counts) for sketch in sketches]
    merged = sketches[0].merge(sketches[1:])
    whole = sketch_of([duration for part in parts for duration in part])
    assert list(merged.counts) == list(whole.counts)
    assert merged.count == whole.count
    assert merged.total == pytest.approx(whole.total)
    assert [merged.quantile(q) for q in QUANTILES] == [whole.quantile(q) for q in QUANTILES]
    assert [list(sketch.counts) for sketch in sketches] == before


def test_sketch_merged_of_full_counts_does_not_overflow() -> None:
    """Two sketches with four billion calls in one bucket merge into eight billion."""
    full = sketch_of([1.0])
    bucket = list(full.counts).index(1)
    full.counts[bucket] = full.count = 2**32 - 1
    merged = full.merge([full])
    assert merged.counts[bucket] == merged.count == 2 * (2**32 - 1)
    assert merged.quantile(0.5) == pytest.approx(1.0, rel=BOUND)


@pytest.mark.parametrize("room", [0, 1, 3])
def test_sketch_goes_on_with_wider_counts_past_four_billion(room: int) -> None:
    """A bucket that overflows in the middle of a batch loses no duration of the batch and counts none twice."""
    sketch = sketch_of([1.0])
    bucket = list(sketch.counts).index(1)
    sketch.counts[bucket] = sketch.count = 2**32 - 1 - room
    sketch.add(array("d", [0.5, 1.0, 1.0, 2.0, 1.0, 1.0, 4.0]))
    sketch.add(array("d", [1.0]))
    assert sketch.counts[bucket] == 2**32 - 1 - room + 5
    assert sum(sketch.counts) == sketch.count == 2**32 - 1 - room + 8
    assert sketch.counts.itemsize == 8
    assert sketch.quantile(0.5) == pytest.approx(1.0, rel=BOUND)


def test_sketch_memory_is_two_kibibytes() -> None:
    """The counts of a sketch take 416 times four bytes, however much was measured."""
    sketch = sketch_of([random.Random(1).uniform(0.001, 10.0) for _ in range(5_000)])
    assert sketch.counts.itemsize * len(sketch.counts) == 1_664


def test_sketch_classic_of_nothing_is_nothing() -> None:
    """Every bucket is there and empty."""
    assert LatencySketch().classic() == ([0] * (len(CLASSIC_BOUNDS) + 1), 0)


@given(st.lists(st.floats(2**-18, 200.0), max_size=60), st.integers(0, 3))
def test_sketch_classic_puts_every_duration_into_its_bucket(durations: list[float], wide: int) -> None:
    """As counting them one by one does; bounds are ends of the sketch's own buckets, so nothing is a guess."""
    sketch = LatencySketch()
    sketch.add(array("d", durations))
    for _ in range(wide):  # merging takes wider counts
        sketch = sketch.merge([])
    buckets, total = sketch.classic()
    assert buckets == [
        sum(low <= each < high for each in durations) for low, high in pairwise((0.0, *CLASSIC_BOUNDS, float("inf")))
    ]
    assert total == pytest.approx(sketch.total)
    assert total == pytest.approx(sum(durations), rel=0.032)


def test_sketch_classic_of_outermost_durations_counts_them_all() -> None:
    """What is shorter or longer than the sketch can tell apart is in the first or last bucket."""
    sketch = LatencySketch()
    sketch.add(array("d", [0.0, -1.0, 1e-9, 1e9]))
    buckets, _ = sketch.classic()
    assert (buckets[0], buckets[-1], sum(buckets)) == (3, 1, 4)
