"""The program of a recovery, whatever its steps give: order, keys, replay and end."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrollintel.recovery.interpreter import Do, Effect, Listen, Pause, program

Json = dict[str, Any]
MAX_EFFECTS = 300

RUN = st.builds(
    lambda attempts, backoff: {
        "id": "rec_1", "remedies": [{"kind": f"k{number}", "attempts": count} for number, count in enumerate(attempts)],
        "backoff": backoff,
    },
    st.lists(st.integers(1, 3), max_size=3),
    st.just([0.0, 10.0, 20.0]),
)  # fmt: skip
GUARD = st.sampled_from(
    [{"verdict": "go"}] * 6
    + [
        {"verdict": "wait", "seconds": 5.0, "why": "busy"},
        {"verdict": "refuse", "why": "mode"},
        {"verdict": "refuse", "why": "attempts", "final": True},
        {"verdict": "cancelled", "why": "a person"},
    ]
)
OBSERVE = st.sampled_from(
    [{"healthy": False, "observation": {}}] * 5
    + [{"healthy": True, "observation": {}}, {"error": "OSError: x"}, {"cancelled": "a person"}]
)
PLAN = st.sampled_from(
    [{"plan": {"strategy": "s"}, "approval": None}] * 3
    + [
        {"plan": {"strategy": "s"}, "approval": "it may lose data"},
        {"plan": {"strategy": "s"}, "approval": "it may lose data"},
        {"plan": None},
        {"plan": None, "refused": "a moment ago"},
        {"plan": None, "error": "ValueError: x"},
    ]
)
ACT = st.sampled_from(
    [{"ok": True, "detail": "done"}] * 4
    + [{"ok": False, "detail": "OSError: x"}, {"refused": "stop_switch: x"}, {"cancelled": "a person"}]
)
VERIFY = st.sampled_from(
    [{"ok": True, "detail": ""}, {"ok": False, "detail": "not healthy"}, {"cancelled": "a person"}]
)
ANSWER = st.sampled_from(
    [
        None, {"approved": True, "digest": "d", "by": "tok"}, {"approved": True, "digest": "d", "by": "tok"},
        {"approved": True, "digest": "other", "by": "tok"}, {"approved": False, "digest": "d", "by": "tok"},
        {"cancelled": "a person"},
    ]
)  # fmt: skip
RESULTS = {"guard": GUARD, "observe": OBSERVE, "plan": PLAN, "act": ACT, "verify": VERIFY}


def drawn(data: st.DataObject, effect: Effect) -> Any:
    """Return what an effect might give."""
    if isinstance(effect, Listen):
        return data.draw(ANSWER)
    if isinstance(effect, Pause):
        return data.draw(st.sampled_from([None, None, None, {"cancelled": "a person"}]))
    if effect.step == "ask":
        return data.draw(st.sampled_from([{"id": "apr_1", "digest": "d", "timeout": 60.0}, {"cancelled": "a person"}]))
    return data.draw(RESULTS[effect.step]) if effect.step in RESULTS else {}


def played(run: Json, data: st.DataObject) -> list[tuple[Effect, Any]]:
    """Return the effects of a run with what each gave."""
    steps, done = program(run), []
    try:
        effect = next(steps)
        while len(done) < MAX_EFFECTS:
            result = drawn(data, effect)
            done.append((effect, result))
            effect = steps.send(result)
    except StopIteration:
        return done
    return done


def replayed(run: Json, results: list[Any]) -> list[Effect]:
    """Return the effects that the same results lead to."""
    steps = program(run)
    effects = [next(steps)]
    for result in results:
        try:
            effects.append(steps.send(result))
        except StopIteration:
            break
    return effects


@given(RUN, st.data())
def test_program_ends_once_and_says_how(run: Json, data: st.DataObject) -> None:
    """The one `finish` is the last effect; recovered means that a verification has passed, just before."""
    done = played(run, data)
    names = [effect.step if isinstance(effect, Do) else type(effect).__name__ for effect, _ in done]
    if len(done) == MAX_EFFECTS:
        return  # a guard that says "wait" for ever is asked for ever
    assert names.count("finish") == 1
    assert names[-1] == "finish"
    last = done[-1][0]
    assert isinstance(last, Do)
    assert last.arguments["outcome"] in ("recovered", "failed", "refused", "not_needed", "cancelled")
    if last.arguments["outcome"] == "recovered":
        assert names[-2] == "verify" and done[-2][1]["ok"]


@given(RUN, st.data())
def test_program_acts_only_after_guard_look_plan_and_consent(run: Json, data: st.DataObject) -> None:
    """Right before an act: the guard has said go, and a plan that needs a person has been agreed to as it is."""
    done = played(run, data)
    for place, (effect, _) in enumerate(done):
        if not isinstance(effect, Do) or effect.step != "act":
            continue
        before = done[:place]
        start = max(
            number for number, (item, _) in enumerate(before) if isinstance(item, Do) and item.step == "observe"
        )
        steps = [item.step for item, _ in before[start:] if isinstance(item, Do)]
        plan = next(result for item, result in before[start:] if isinstance(item, Do) and item.step == "plan")
        assert effect.arguments["plan"] == plan["plan"]
        if plan.get("approval"):
            assert steps[:3] == ["observe", "plan", "ask"] and set(steps[3:]) == {"guard"}
            answer = next(result for item, result in before[start:] if isinstance(item, Listen))
            assert answer["approved"] and answer["digest"] == "d"
            assert before[-1][1] == {"verdict": "go"}
        else:
            assert steps == ["observe", "plan"]
        guards = [result for item, result in before[:start] if isinstance(item, Do) and item.step == "guard"]
        assert guards[-1] == {"verdict": "go"}


@given(RUN, st.data())
def test_what_did_not_help_is_undone_and_what_was_cancelled_goes_no_further(run: Json, data: st.DataObject) -> None:
    """After a failed act or proof comes the undo; after a cancellation nothing but the end."""
    done = played(run, data)
    for (effect, result), (following, _) in itertools.pairwise(done):
        if isinstance(effect, Do) and effect.step in ("act", "verify") and result.get("ok") is False:
            assert isinstance(following, Do) and following.step == "undo"
        if isinstance(result, dict) and (result.get("cancelled") or result.get("verdict") == "cancelled"):
            assert isinstance(following, Do) and following.step == "finish"
            assert following.arguments["outcome"] == "cancelled"


@given(RUN, st.data())
def test_replay_takes_the_same_course_with_the_same_keys(run: Json, data: st.DataObject) -> None:
    """From any point that a crash leaves: what follows is the same, and every step has a key of its own."""
    done = played(run, data)
    cut = data.draw(st.integers(0, len(done) - 1))
    again = replayed(run, [result for _, result in done[:cut]])
    assert again == [effect for effect, _ in done[: cut + 1]]
    keys = [effect.key for effect, _ in done if isinstance(effect, Do)]
    assert len(keys) == len(set(keys))


@given(RUN, st.data())
def test_attempts_of_one_strategy_back_off_and_the_next_strategy_starts_at_once(run: Json, data: st.DataObject) -> None:
    """No more attempts than the chain says; 10 s before the second one, 20 s before the third."""
    done = played(run, data)
    begun: dict[int, set[int]] = {}
    for (effect, result), (following, _) in itertools.pairwise(done):
        if isinstance(effect, Pause) and effect.why == "the next attempt waits":
            assert effect.seconds in (10.0, 20.0)
            if result is None:
                assert isinstance(following, Do)
                assert following.arguments["attempt"] == {10.0: 1, 20.0: 2}[effect.seconds]
        if isinstance(effect, Do) and "remedy" in effect.arguments:
            begun.setdefault(effect.arguments["remedy"], set()).add(effect.arguments["attempt"])
    for number, attempts in begun.items():
        assert len(attempts) <= run["remedies"][number]["attempts"]
