"""Interleavings of the fallback rule: the results it keeps and the uses it counts."""

from __future__ import annotations

import threading

from scrollintel.core.call import Call
from scrollintel.core.config.fallback import FallbackConfig, Value
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.fallback import MISSING, FallbackRule
from tests.concurrency.exploring import NoLock, Scene, StillClock, assert_caught, assert_holds

CONFIG = FallbackConfig(Value(0), stale_if_error=10.0, stale_key=lambda key: key, stale_entries=2)


class Kept:
    """A rule that keeps two results, with calls for three keys, and what was found."""

    def __init__(self, *, locked: bool = True) -> None:
        self.clock = StillClock()
        self.rule = self.newer = FallbackRule("p", CONFIG, self.clock, EventHub())  # type: ignore[arg-type]  # all it uses of a clock
        if not locked:
            self.rule._lock = NoLock()  # type: ignore[assignment]
        self.calls = [Call("p", print, (key,), {}, 0.0) for key in range(3)]
        self.found: list[object] = []
        self.rule.keep(self.calls[0], "zero")


def keeps_against_looks(*, locked: bool = True) -> Scene:
    """Two threads keep results, which drops the oldest, while one looks for the oldest."""

    def look(kept: Kept) -> None:
        kept.found.append(kept.rule.kept(kept.calls[0]))

    def holds(kept: Kept) -> None:
        assert kept.found[0] in ("zero", MISSING)
        answers = [kept.rule.kept(call) for call in kept.calls]
        assert answers in (
            [MISSING, "one", "two"],  # the oldest is dropped,
            ["zero", MISSING, "two"],  # unless it was used between the two that were kept after it
            ["zero", "one", MISSING],
        )

    threads = [
        lambda kept: kept.rule.keep(kept.calls[1], "one"), look, lambda kept: kept.rule.keep(kept.calls[2], "two"),
    ]  # fmt: skip
    return Scene(lambda: Kept(locked=locked), threads, holds)


def test_fallback_results_kept_by_two_threads_stay_within_the_bound(seed: int) -> None:
    """Two results are kept, each whole, and whoever looks meanwhile finds a good one or none."""
    assert_holds(keeps_against_looks(), seed)


def test_fallback_results_kept_without_the_lock_are_caught(seed: int) -> None:
    """The twin drops a result too many, or fails on one that is gone."""
    assert_caught(keeps_against_looks(locked=False), seed)


def two_uses(*, locked: bool = True) -> Scene:
    """Two threads answer with the same fallback."""

    def using(kept: Kept) -> None:
        kept.rule.used(0, "value", None)

    def holds(kept: Kept) -> None:
        assert kept.rule.uses == {"value": 2}

    return Scene(lambda: Kept(locked=locked), [using, using], holds)


def test_fallback_uses_by_two_threads_both_count(seed: int) -> None:
    """No use is lost from the count."""
    assert_holds(two_uses(), seed)


def test_fallback_uses_counted_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses one."""
    assert_caught(two_uses(locked=False), seed)


def uses_of_two_rules(*, own_lock: bool = False) -> Scene:
    """A call in flight is answered under the old rule, the next one under the rule that took over."""

    def setup() -> Kept:
        kept = Kept()
        kept.newer = FallbackRule("p", CONFIG, kept.clock, EventHub(), before=kept.rule)  # type: ignore[arg-type]  # as above
        if own_lock:
            kept.newer._lock = threading.RLock()
        return kept

    def holds(kept: Kept) -> None:
        assert kept.newer.uses == {"value": 2}

    threads = [lambda kept: kept.rule.used(0, "value", None), lambda kept: kept.newer.used(0, "value", None)]
    return Scene(setup, threads, holds)


def test_fallback_use_in_flight_while_its_rule_is_replaced_counts(seed: int) -> None:
    """The rule that took over counts what both answer."""
    assert_holds(uses_of_two_rules(), seed)


def test_fallback_rules_with_a_lock_each_are_caught(seed: int) -> None:
    """The twin shares the count but not its lock, and loses a use."""
    assert_caught(uses_of_two_rules(own_lock=True), seed)
