"""Interleavings of the fallback rule: the results it keeps and the uses it counts."""

from __future__ import annotations

from collections import Counter

from scrollintel.core.call import Call
from scrollintel.core.config.fallback import FallbackConfig, Value
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.fallback import MISSING, FallbackRule
from tests.concurrency.exploring import NoLock, Scene, StillClock, assert_caught, assert_holds

CONFIG = FallbackConfig(Value(0), stale_if_error=10.0, stale_key=lambda key: key, stale_entries=2)


class Kept:
    """A rule that keeps two results, with calls for three keys, and what was found."""

    def __init__(self, *, locked: bool = True, uses: type[Counter[str]] = Counter) -> None:
        self.rule = FallbackRule("p", CONFIG, StillClock(), EventHub())  # type: ignore[arg-type]  # all it uses of a clock
        self.rule.uses = uses()
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


class AddingInSteps(Counter[str]):
    """A counter whose steps are bytecodes of their own, as on an interpreter without a global lock."""

    def __setitem__(self, key: str, number: int) -> None:
        super().__setitem__(key, number)


def two_uses(*, locked: bool = True) -> Scene:
    """Two threads answer with the same fallback."""

    def using(kept: Kept) -> None:
        kept.rule.used(0, "value", None)

    def holds(kept: Kept) -> None:
        assert kept.rule.uses == {"value": 2}

    return Scene(lambda: Kept(locked=locked, uses=AddingInSteps), [using, using], holds)


def test_fallback_uses_by_two_threads_both_count(seed: int) -> None:
    """No use is lost from the count."""
    assert_holds(two_uses(), seed)


def test_fallback_uses_counted_without_the_lock_are_caught(seed: int) -> None:
    """The twin loses one."""
    assert_caught(two_uses(locked=False), seed)


def use_under_the_old_rule(*, carried: bool = True) -> Scene:
    """A call in flight is answered under the old rule while the policy is replaced, and the next under the new one."""

    class Swap(Kept):
        def __init__(self) -> None:
            super().__init__()
            self.old = self.rule

        def replace(self) -> None:
            new = FallbackRule("p", CONFIG, StillClock(), EventHub(), before=self.old)  # type: ignore[arg-type]  # as above
            if not carried:
                new.uses = Counter(self.old.uses)
            self.rule = new

        def use(self) -> None:
            self.old.used(0, "value", None)

    def holds(swap: Swap) -> None:
        swap.rule.used(0, "value", None)
        assert swap.rule.uses == {"value": 2}

    def using(swap: Swap) -> None:
        swap.use()

    def setup() -> Swap:
        return Swap()

    # One after the other, a copy is only right when the use comes first; the twin starts with a scene that holds.
    return Scene(setup, [using, Swap.replace] if carried else [lambda swap: (swap.use(), swap.replace())], holds)


def test_fallback_use_in_flight_while_its_rule_is_replaced_counts(seed: int) -> None:
    """What a call in flight uses is in the totals of the rule that took over."""
    assert_holds(use_under_the_old_rule(), seed)
