"""Who may agree to a plan, and to exactly which one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrollintel.recovery.approval import Ruling, judge, plan_digest

ANSWER: dict[str, Any] = {
    "digest": "d", "answered": "d", "requested_by": "tok_1", "answered_by": "tok_2", "is_open": False,
    "confirmed": False, "approves": True,
}  # fmt: skip
JSON = st.integers() | st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.integers(), max_size=3)


def ruled(**changes: Any) -> Ruling:
    """Judge an answer of another person, with these differences."""
    return judge(**{**ANSWER, **changes})


def test_answer_of_another_person_counts() -> None:
    """Without any confirmation."""
    assert ruled() == Ruling()


def test_answer_for_another_plan_does_not_count() -> None:
    """Neither a yes nor a no."""
    assert "another plan" in str(ruled(answered="e").refused)
    assert "another plan" in str(ruled(answered="e", approves=False, is_open=True, confirmed=True).refused)


def test_person_may_refuse_their_own_plan_and_not_agree_to_it() -> None:
    """A confirmation does not help: a second person has to."""
    assert "another person" in str(ruled(answered_by="tok_1", confirmed=True).refused)
    assert ruled(answered_by="tok_1", approves=False) == Ruling()


def test_confirmation_stands_in_where_nobody_is_told_apart() -> None:
    """It is asked for, and recorded as what it is; a no needs none."""
    assert ruled(is_open=True, answered_by="local", requested_by="local").needs_confirmation
    assert ruled(is_open=True, answered_by="local", confirmed=True) == Ruling(confirmed_twice=True)
    assert ruled(is_open=True, answered_by="local", approves=False) == Ruling()


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_digest_is_of_the_content_and_not_of_its_order(plan: dict[str, Any]) -> None:
    """The same plan in another order has the same digest; a plan with one thing more has another one."""
    turned = dict(reversed(plan.items()))
    assert plan_digest(turned) == plan_digest(plan)
    assert plan_digest({**plan, "one more thing": 1}) != plan_digest(plan)
