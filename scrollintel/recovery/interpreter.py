"""The one program that every recovery runs: a pure generator, so that an engine may replay it after a crash.

What it does next depends on the run document and on the results that it is given, on nothing else. Drivers perform
what it asks for: durably (`scrollintel.durable`), or in plain threads.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]  # Any: JSON values of mixed types

PROGRAM_VERSION = 1
"""Rises when a replay of an earlier run could take another course."""
WORST_FIRST = ("failed", "refused", "not_needed")


@dataclass(frozen=True, slots=True)
class Do:
    """Perform a step and give its result.

    Arguments:
        step: `guard`, `observe`, `plan`, `ask`, `act`, `verify`, `undo` or `finish`.
        arguments: JSON values; all steps but `finish` are told `remedy` and `attempt`, numbers from 0.
        key: The same whenever this step of this run is performed again.
    """

    step: str
    arguments: Json
    key: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Let so many seconds pass; a message on `topic` ends it early and is given, None otherwise."""

    seconds: float
    topic: str
    why: str


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for a message, and give it; None when it has not come within `timeout` seconds."""

    topic: str
    timeout: float


Effect = Do | Pause | Listen
Program = Generator[Effect, Any, None]  # Any: the result of the effect, a JSON value


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt has ended like that; `final` ends the recovery as well."""

    outcome: str
    detail: str
    strategy: str | None = None
    final: bool = False
    again: bool = False


def program(run: Json) -> Program:
    """Return the program of a run.

    Each remedy is tried up to its number of attempts, after 0, 10 and 20 s (`backoff` of the run); the next remedy
    starts at once. The first success ends the recovery; otherwise the worst that has happened is its outcome: failed,
    refused, not needed.
    """
    seen: dict[str, str] = {}
    counter = _Counter(run["id"])
    for number, remedy in enumerate(run["remedies"]):
        for attempt in range(max(1, int(remedy.get("attempts", 1)))):
            if attempt:
                backoff = run["backoff"]
                seconds = float(backoff[min(attempt, len(backoff) - 1)])
                cancelled = _cancelled((yield Pause(seconds, "end", "the next attempt waits")))
                if cancelled is not None:
                    yield from _finish(counter, cancelled)
                    return
            ended = yield from _attempt(counter, number, attempt)
            if ended.outcome == "recovered" or ended.final:
                yield from _finish(counter, ended)
                return
            seen[ended.outcome] = ended.detail
            if not ended.again:
                break
    outcome = next((outcome for outcome in WORST_FIRST if outcome in seen), "refused")
    yield from _finish(counter, _Ended(outcome, seen.get(outcome, "there is no strategy")))


class _Counter:
    """Numbers the steps of a run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._count = 0

    def do(self, step: str, arguments: Json) -> Do:
        self._count += 1
        return Do(step, arguments, f"{self._run}:{self._count}:{step}")


def _attempt(counter: _Counter, remedy: int, attempt: int) -> Generator[Effect, Any, _Ended]:  # Any: JSON values
    place = {"remedy": remedy, "attempt": attempt}
    refused = yield from _guard(counter, place)
    if refused is not None:
        return refused
    seen = yield counter.do("observe", place)
    ended = _stumbled(seen)
    if ended is not None:
        return ended
    planned = yield counter.do("plan", {**place, "observation": seen["observation"]})
    ended = _stumbled(planned)
    if ended is not None:
        return ended
    plan = planned["plan"]
    if plan is None:
        return _Ended("not_needed" if seen["healthy"] else "refused", "nothing to do")
    if planned.get("approval"):
        refused = yield from _approval(counter, place, plan, planned["approval"])
        if refused is not None:
            return refused
    return (yield from _effect(counter, place, plan))


def _stumbled(result: Json) -> _Ended | None:
    """Return how an attempt ends that a step has ended; None when it goes on."""
    if result.get("cancelled"):
        return _cancelled(result)
    if result.get("error"):
        return _Ended("failed", result["error"], again=True)
    if result.get("refused"):
        return _Ended("refused", result["refused"])
    return None


def _guard(counter: _Counter, place: Json) -> Generator[Effect, Any, _Ended | None]:  # Any: JSON values
    """Ask whether it may go on, as often as it is told to wait; None when it may."""
    while True:
        verdict = yield counter.do("guard", place)
        match verdict["verdict"]:
            case "go":
                return None
            case "wait":
                cancelled = _cancelled((yield Pause(max(0.05, float(verdict["seconds"])), "end", verdict["why"])))
                if cancelled is not None:
                    return cancelled
            case "cancelled":
                return _Ended("cancelled", verdict["why"], final=True)
            case _:
                return _Ended("refused", verdict["why"], final=bool(verdict.get("final")))


def _cancelled(message: Json | None) -> _Ended | None:
    """Return the end that a message asks for, or None."""
    if message is None or not message.get("cancelled"):
        return None
    return _Ended("cancelled", message["cancelled"], final=True)


def _approval(
    counter: _Counter, place: Json, plan: Json, why: str
) -> Generator[Effect, Any, _Ended | None]:  # Any: JSON values
    """Ask people; None when they agree to exactly this plan. No answer is a "no"."""
    question = yield counter.do("ask", {**place, "plan": plan, "why": why})
    if "cancelled" in question:
        return _Ended("cancelled", question["cancelled"], final=True)
    answer = yield Listen(f"approval:{question['id']}", float(question["timeout"]))
    return _refusal(answer, question["digest"]) or (yield from _guard(counter, place))


def _refusal(answer: Json | None, digest: str) -> _Ended | None:
    """Return the end that an answer of people brings, or None when they agree."""
    why = None
    if answer is None:
        why = "nobody agreed in time"
    elif answer.get("cancelled"):
        return _cancelled(answer)
    elif not answer.get("approved"):
        why = f"refused by {answer.get('by', 'somebody')}"
    elif answer.get("digest") != digest:
        why = "the answer was for another plan"
    return None if why is None else _Ended("refused", why, final=True)


def _effect(counter: _Counter, place: Json, plan: Json) -> Generator[Effect, Any, _Ended]:  # Any: JSON values
    """Act and verify; undo what did not help."""
    arguments = {**place, "plan": plan}
    acted = yield counter.do("act", arguments)
    ended = _stumbled(acted)
    if ended is not None:
        return ended
    detail = acted.get("detail", "")
    if acted["ok"]:
        verified = yield counter.do("verify", arguments)
        ended = _stumbled(verified)
        if ended is not None:
            return ended
        if verified["ok"]:
            return _Ended("recovered", verified.get("detail", ""), strategy=plan["strategy"])
        detail = verified.get("detail", "")
    yield counter.do("undo", arguments)
    return _Ended("failed", detail, again=True)


def _finish(counter: _Counter, ended: _Ended) -> Generator[Effect, Any, None]:  # Any: JSON values
    yield counter.do("finish", {"outcome": ended.outcome, "strategy": ended.strategy, "detail": ended.detail})
